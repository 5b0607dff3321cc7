// One measurement of one Node library, chosen by --lib and --mode; the code is the same for BullMQ and Millrace.
// Prints one line of JSON.
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { emitRate, nowNs, options, payload, quantile, sleep } from "./common.mjs";

const args = options();
const { openFlows, openQueue, openWorker } = await import(`./lib_${args.lib}.mjs`);

const WARM_UP = 500;
const FLOW_WARM_UP = 50;
const FLOW_CHILDREN = 10;
const FLOWS_IN_FLIGHT = 50;
const DELAY_MS = 50;

async function warmQueue() {
  const queue = openQueue(args);
  for (let i = 0; i < WARM_UP; i += 1) await queue.add("noop", payload);
  return queue;
}

const bulk = (n) => Array.from({ length: n }, () => ({ name: "noop", data: payload }));

const node = () => ({ name: "noop", queueName: "bench", data: payload });
const flow = () => ({ ...node(), children: Array.from({ length: FLOW_CHILDREN }, node) });

async function warmFlows() {
  const flows = openFlows(args);
  for (let i = 0; i < FLOW_WARM_UP; i += 1) await flows.add(flow());
  return flows;
}

/** Adds flows, so many at a time. */
async function addFlows(flows, count, inFlight) {
  for (let added = 0; added < count; added += inFlight) {
    await Promise.all(Array.from({ length: inFlight }, () => flows.add(flow())));
  }
}

/** The start of each job in the samples after the warm-up, in microseconds after its data's moment. */
function lateness(lines, warm) {
  return lines
    .slice(warm, -1)
    .map((line) => line.split(" "))
    .map(([at, moment]) => Number(BigInt(at) - BigInt(moment)) / 1e3)
    .sort((a, b) => a - b);
}

function emitLateness(us) {
  const [p50_us, p99_us] = [quantile(us, 0.5), quantile(us, 0.99)];
  console.log(JSON.stringify({ p50_us, p99_us, count: us.length }));
}

const readSamples = () =>
  existsSync(args.samples) ? readFileSync(args.samples, "latin1").split("\n") : [""];

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
    const warm = 20;
    for (let i = 0; i < args.count + warm; i += 1) {
      await queue.add("stamp", { ...payload, sentNs: String(nowNs()) });
      do await sleep(4);
      while (readSamples().length <= i + 1);
    }
    await queue.close();
    emitLateness(lateness(readSamples(), warm));
  },

  // The same for jobs with a delay: how long after their due time they start.
  async delayed() {
    const queue = openQueue(args);
    const warm = 10;
    for (let i = 0; i < args.count + warm; i += 1) {
      const dueNs = nowNs() + BigInt(DELAY_MS) * 1_000_000n;
      await queue.add("stamp", { ...payload, sentNs: String(dueNs) }, { delay: DELAY_MS });
      do await sleep(4);
      while (readSamples().length <= i + 1);
    }
    await queue.close();
    emitLateness(lateness(readSamples(), warm));
  },

  // A parent and ten children: added one at a time.
  async flow() {
    const flows = await warmFlows();
    const start = nowNs();
    await addFlows(flows, args.count, 1);
    emitRate(args.count, start);
    await flows.close();
  },

  // The same, 50 in flight.
  async flowInflight() {
    const flows = await warmFlows();
    const start = nowNs();
    await addFlows(flows, args.count, FLOWS_IN_FLIGHT);
    emitRate(args.count, start);
    await flows.close();
  },

  // Flows that wait already, completed by one process with a no-op processor; flows a second.
  async flowWork() {
    const flows = openFlows(args);
    await addFlows(flows, args.count, FLOWS_IN_FLIGHT);
    await flows.close();
    let completed = 0;
    let finish;
    const done = new Promise((resolve) => (finish = resolve));
    const worker = openWorker({ ...args, autorun: false }, async () => true);
    worker.on("completed", () => {
      completed += 1;
      if (completed === args.count * (FLOW_CHILDREN + 1)) finish();
    });
    worker.on("error", (error) => console.error(error));
    const start = nowNs();
    void worker.run();
    await done;
    emitRate(args.count, start, { concurrency: args.concurrency });
    await worker.close();
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
