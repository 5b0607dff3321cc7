// Webhooks: answer at once, work in the background, do each delivery once however often it is sent.
//
//   node examples/webhooks/main.mjs jobs.db        starts the server, sends it some deliveries, prints what was done
import { createHmac, timingSafeEqual } from "node:crypto";
import { once } from "node:events";

import express from "express";
import { Queue, Worker } from "millrace";

const SECRET = "keep it out of the source";
const store = process.argv[2] ?? "jobs.db";
const queue = new Queue("webhooks", {
  store,
  defaultJobOptions: { attempts: 5, backoff: { type: "exponential", delay: 100 } },
});

const app = express();
app.post("/hooks", express.raw({ type: "*/*" }), async (request, response) => {
  const expected = createHmac("sha256", SECRET).update(request.body).digest();
  const given = Buffer.from(String(request.headers["x-signature"] ?? ""), "hex");
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    response.sendStatus(401);
    return;
  }
  // The sender's own id of the delivery is the job's: when it sends again, nothing is added.
  const jobId = String(request.headers["x-delivery"]);
  const job = await queue.add("push", JSON.parse(request.body.toString()), { jobId });
  response.status(job.existing ? 200 : 202).json({ id: job.id });
});

let failed = false;
const done = [];
const worker = new Worker(
  "webhooks",
  async (job) => {
    if (job.data.repository === "flaky" && !failed) {
      failed = true; // the first attempt meets a service that is down
      throw new Error("503 from the build server");
    }
    done.push(`${job.data.repository}: ${job.data.commits} commits`);
  },
  { store, concurrency: 10 },
);

const server = app.listen(0, "127.0.0.1");
await once(server, "listening");
const url = `http://127.0.0.1:${server.address().port}/hooks`;

async function deliver(id, payload, secret = SECRET) {
  const body = JSON.stringify(payload);
  const signature = createHmac("sha256", secret).update(body).digest("hex");
  const headers = { "x-delivery": id, "x-signature": signature };
  return (await fetch(url, { method: "POST", headers, body })).status;
}

console.log("new:", await deliver("d1", { repository: "shop", commits: 3 }));
console.log("again:", await deliver("d1", { repository: "shop", commits: 3 }));
console.log("forged:", await deliver("d2", { repository: "shop", commits: 9 }, "a guess"));
console.log("new:", await deliver("d3", { repository: "flaky", commits: 1 }));
while (done.length < 2) await once(worker, "completed");
console.log(done.sort().join("; "));

server.close();
await worker.close();
await queue.close();
