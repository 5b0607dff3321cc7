// The application that is told: an Express server that checks each webhook's signature and keeps account.
import { createHmac, timingSafeEqual } from "node:crypto";

import express from "express";

const secret = process.env.WEBHOOK_SECRET;
// Like a server that is still starting, it turns the first requests away: the senders must come back.
let turnAway = Number(process.env.TURN_AWAY ?? 0);

const received = new Map(); // delivery id -> { event, times }
const account = { turnedAway: 0, badSignatures: 0 };

function isGenuine(body, signature = "") {
  const expected = `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;
  return (
    signature.length === expected.length &&
    timingSafeEqual(Buffer.from(signature), Buffer.from(expected))
  );
}

const app = express();
app.disable("x-powered-by");

// The signature is of the bytes, so the body must not be parsed before it is checked.
app.post(
  "/webhooks",
  express.raw({ type: "application/json", limit: "1mb" }),
  (request, response) => {
    if (turnAway > 0) {
      turnAway--;
      account.turnedAway++;
      response.status(503).end();
      return;
    }
    if (!isGenuine(request.body, request.get("x-signature-256"))) {
      account.badSignatures++;
      response.status(401).end();
      return;
    }
    JSON.parse(request.body);
    const id = request.get("x-delivery");
    const event = request.get("x-event");
    const times = (received.get(id)?.times ?? 0) + 1;
    received.set(id, { event, times });
    response.status(204).end();
  },
);

app.get("/received", (_request, response) => {
  const deliveries = [...received].map(([id, { event, times }]) => ({ id, event, times }));
  response.json({ ...account, deliveries });
});

const server = app.listen(Number(process.env.PORT ?? 0), "127.0.0.1", (error) => {
  if (error) throw error;
  console.log(JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` }));
});

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => {
    server.close();
    server.closeAllConnections();
  });
}
