// One measurement of one Node library, chosen by --lib and --mode; the code is the same for BullMQ and Millrace.
// Prints one line of JSON.
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { emitRate, nowNs, options, payload, quantile, sleep } from "./common.mjs";

const args = options();
const { openQueue, openWorker } = await import(`./lib_${args.lib}.mjs`);

const WARM_UP = 500;

async function warmQueue() {
  const queue = openQueue(args);
  for (let i = 0; i < WARM_UP; i += 1) await queue.add("noop", payload);
  return queue;
}

const bulk = (n) => Array.from({ length: n }, () => ({ name: "noop", data: payload }));

const modes = {
  // await queue.add, one at a time
  async one() {
    const queue = await warmQueue();
    const start = nowNs();
    for (let i = 0; i < args.count; i += 1) await queue.add("noop", payload);
    emitRate(args.count, start);
    await queue.close();
  },

  // Rounds of 1,000 adds in flight, as a web server under load has them.
  async inflight() {
    const queue = await warmQueue();
    const rounds = args.count / 1000;
    const start = nowNs();
    for (let round = 0; round < rounds; round += 1) {
      const adds = [];
      for (let i = 0; i < 1000; i += 1) adds.push(queue.add("noop", payload));
      await Promise.all(adds);
    }
    emitRate(args.count, start);
    await queue.close();
  },

  async bulk() {
    const queue = await warmQueue();
    const rounds = args.count / 1000;
    const start = nowNs();
    for (let round = 0; round < rounds; round += 1) await queue.addBulk(bulk(1000));
    emitRate(args.count, start);
    await queue.close();
  },

  // No-op jobs that wait already, worked by one process; the clock runs from run() to the last 'completed'.
  async work() {
    const queue = openQueue(args);
    for (let i = 0; i < args.count; i += 1000) await queue.addBulk(bulk(1000));
    let completed = 0;
    let finish;
    const done = new Promise((resolve) => (finish = resolve));
    const worker = openWorker({ ...args, autorun: false }, async () => true);
    worker.on("completed", () => {
      completed += 1;
      if (completed === args.count) finish();
    });
    worker.on("error", (error) => console.error(error));
    const start = nowNs();
    void worker.run();
    await done;
    emitRate(args.count, start, { concurrency: args.concurrency });
    await worker.close();
    await queue.close();
  },

  // A worker that runs until it is killed: for latency, memory, CPU and recovery. Each start is one line.
  async worker() {
    const flag = `${args.samples}.release`;
    openWorker(args, async (job) => {
      const atNs = nowNs();
      appendFileSync(args.samples, `${atNs} ${job.data.sentNs} ${job.name} ${process.pid}\n`);
      while (job.name === "hold" && !existsSync(flag)) await sleep(50);
      return true;
    });
  },

  // The producer of the latency measurement: one job at a time, everything idle in between.
  async latency() {
    const queue = openQueue(args);
    const lines = () =>
      existsSync(args.samples) ? readFileSync(args.samples, "latin1").split("\n") : [""];
    const warm = 20;
    for (let i = 0; i < args.count + warm; i += 1) {
      await queue.add("stamp", { ...payload, sentNs: String(nowNs()) });
      do await sleep(4);
      while (lines().length <= i + 1);
    }
    await queue.close();
    const us = lines()
      .slice(warm, -1)
      .map((line) => line.split(" "))
      .map(([at, sent]) => Number(BigInt(at) - BigInt(sent)) / 1e3)
      .sort((a, b) => a - b);
    console.log(
      JSON.stringify({ p50_us: quantile(us, 0.5), p99_us: quantile(us, 0.99), count: us.length }),
    );
  },

  // Puts jobs of one name and ends: for the recovery, memory and CPU measurements.
  async put() {
    const queue = openQueue(args);
    for (let i = 0; i < args.count; i += 1) {
      await queue.add(args.name, { ...payload, sentNs: String(nowNs()) });
    }
    console.log(JSON.stringify({ count: args.count }));
    await queue.close();
  },
};

await modes[args.mode]();
if (args.mode !== "worker") process.exit(0);
