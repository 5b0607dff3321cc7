// worker_threads that work a queue and are terminated in the middle of their jobs, one after the other, while a worker of
// the main thread goes on. Then says what became of all. Arguments: store, milliseconds; threads get theirs as workerData.
import { Worker as Thread, isMainThread, workerData } from "node:worker_threads";

import { Queue, QueueEvents, Worker } from "millrace";

async function work({ store }) {
  const worker = new Worker(
    "q",
    async (job) => {
      // Of every kind: over at once, later, or in a loop that nobody interrupts but terminate().
      if (job.data.n % 3 === 1) await new Promise((resolve) => setTimeout(resolve, 5));
      if (job.data.n % 3 === 2) for (const end = Date.now() + 5; Date.now() < end;);
      return job.data.n;
    },
    { store, concurrency: 4, durability: "process" },
  );
  await worker.waitUntilReady();
}

async function main() {
  const [store, forMs] = process.argv.slice(2);
  const queue = new Queue("q", { store, durability: "process" });
  const events = new QueueEvents("q", { store });
  await events.waitUntilReady();
  const ends = new Map(); // by job: how often its end was told
  events.on("completed", ({ jobId }) => ends.set(jobId, (ends.get(jobId) ?? 0) + 1));
  let stalled = 0;
  events.on("stalled", () => stalled++);
  const own = new Worker("q", (job) => job.data.n, { store, durability: "process" });
  own.on("error", (error) => {
    console.error(error);
    process.exit(1);
  });
  let added = 0;
  let terminated = 0;
  for (const until = Date.now() + Number(forMs); Date.now() < until; terminated++) {
    const threads = [1, 2].map(
      () => new Thread(new URL(import.meta.url), { workerData: { store } }),
    );
    for (const thread of threads) thread.on("error", (error) => console.error(error));
    const enough = Date.now() + 50 + Math.random() * 250;
    while (Date.now() < enough) {
      const jobs = Array.from({ length: 20 }, () => ({
        ...{ name: "n", data: { n: added++ } },
        opts: { attempts: 1000, maxCrashes: 1_000_000 },
      }));
      await queue.addBulk(jobs);
      while ((await queue.getWaitingCount()) > 40) await new Promise((go) => setTimeout(go, 5));
    }
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
  while (ends.size < added) await new Promise((resolve) => setTimeout(resolve, 5));
  const twice = [...ends.values()].filter((times) => times !== 1).length;
  const counts = await queue.getJobCounts("completed", "failed", "waiting", "active", "delayed");
  for (const one of [own, events, queue]) await one.close();
  console.log(JSON.stringify({ added, ended: ends.size, twice, terminated, stalled, counts }));
}

await (isMainThread ? main() : work(workerData));
