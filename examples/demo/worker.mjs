// The Node worker of the demo: delivers webhooks, each signed, until the receiver has taken it.
// Python enqueues some of them (an image is done), Node the others. The store: MILLRACE_STORE.
import { createHmac } from "node:crypto";

import { UnrecoverableError, Worker } from "millrace";

const url = process.env.WEBHOOK_URL;
const secret = process.env.WEBHOOK_SECRET;
const TIMEOUT_MS = 5_000;

async function deliver(job, _token, signal) {
  const body = JSON.stringify(job.data.payload);
  const response = await fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-event": job.data.event,
      "x-delivery": job.id, // the same in every attempt: by it the receiver knows what it has
      "x-signature-256": `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`,
    },
    body,
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
  });
  await response.arrayBuffer(); // frees the connection
  if (response.status >= 400 && response.status < 500) {
    throw new UnrecoverableError(`the receiver refused it: ${response.status}`);
  }
  if (!response.ok) throw new Error(`the receiver answered ${response.status}`); // tried again
  return { status: response.status, attempt: job.attemptsMade + 1 };
}

const worker = new Worker("webhooks", deliver, { concurrency: 8, name: "node" });
worker.on("error", (error) => console.error(error));
worker.on("ready", () => console.log(JSON.stringify({ ready: true })));

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => void worker.close()); // what runs may finish; then the process ends
}
