// Works jobs in sandboxes, some of which kill themselves, are killed from outside or block; then says what became of all.
// Arguments: store, milliseconds, "processes" or "threads". Prints one line of JSON.
import { fileURLToPath } from "node:url";

import { Queue, QueueEvents, Worker } from "millrace";

const [store, forMs, kind] = process.argv.slice(2);
const file = fileURLToPath(new URL("./sandbox-processor.mjs", import.meta.url));
const queue = new Queue("q", { store, durability: "process" });
const events = new QueueEvents("q", { store });
await events.waitUntilReady();

const ends = new Map(); // by job: how often its end was told
const pids = new Set();
events.on("completed", ({ jobId, returnvalue }) => {
  ends.set(jobId, (ends.get(jobId) ?? 0) + 1);
  pids.add(returnvalue.pid);
});
let stalled = 0;
events.on("stalled", () => stalled++);
let failures = 0;
const worker = new Worker("q", file, {
  store,
  durability: "process",
  concurrency: 4,
  useWorkerThreads: kind === "threads",
});
worker.on("failed", () => failures++);
worker.on("error", (error) => {
  console.error(error);
  process.exit(1);
});

// From outside: whichever sandbox is there, now and then.
const killer = setInterval(() => {
  const [pid] = [...pids].sort(() => Math.random() - 0.5);
  if (pid === undefined || pid === process.pid) return;
  pids.delete(pid);
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended already.
  }
}, 150);

let added = 0;
const until = Date.now() + Number(forMs);
while (Date.now() < until) {
  const jobs = Array.from({ length: 20 }, () => ({
    name: "n",
    data: { n: added++ },
    opts: { attempts: 1000 },
  }));
  await queue.addBulk(jobs);
  while ((await queue.getWaitingCount()) > 40)
    await new Promise((resolve) => setTimeout(resolve, 5));
}
clearInterval(killer);
while (ends.size < added) await new Promise((resolve) => setTimeout(resolve, 5));
const twice = [...ends.values()].filter((times) => times !== 1).length;
const counts = await queue.getJobCounts("completed", "failed", "waiting", "active", "delayed");
await worker.close();
await events.close();
await queue.close();
console.log(JSON.stringify({ added, ended: ends.size, twice, failures, stalled, counts }));
