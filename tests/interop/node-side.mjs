// The Node half of the tests between the languages: does what the lines on its standard input say.
// A line is {"do": ..., arguments}; its answer is one line, {"ok": value} or {"error": {class, message, ...}}.
import { createInterface } from "node:readline";

import { Queue, QueueEvents, WaitingChildrenError, Worker, openStore } from "millrace";

const [path, secret] = process.argv.slice(2);
const store =
  secret === undefined
    ? path
    : await openStore(path, { encryption: { keys: [{ id: "k1", secret }] } });
const open = new Map();
const inFlight = new Set();

function once(key, make) {
  if (!open.has(key)) open.set(key, make());
  return open.get(key);
}

const queueOf = (name) => once(`queue ${name}`, () => new Queue(name, { store }));
const eventsOf = (name) => once(`events ${name}`, () => new QueueEvents(name, { store }));

/** Resolves when the signal fires: with its reason as an error. */
function aborted(signal) {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

class PaymentError extends Error {
  name = "PaymentError";
  data = { code: 402 };
}

const seen = [];
const tasks = {
  add: ({ data }) => data.x + data.y,
  echo: ({ data }) => data,
  request: ({ opts, name, attemptsMade }) => ({ headers: opts.headers, name, attemptsMade }),
  see({ data }) {
    seen.push(data.n);
  },
  raise({ data }) {
    if (data.type === "payment") throw new PaymentError(data.message);
    throw new { TypeError, RangeError, Error }[data.type](data.message);
  },
  async report(job) {
    for (const percent of [25, 50, 100]) await job.updateProgress({ percent });
    await job.log("half ☂ way");
    return "reported";
  },
  // What its children have told: their results and why others failed.
  async collect(job) {
    return { values: await job.getChildrenValues(), failed: await job.getFailedChildrenValues() };
  },
  // The step of a canvas that Python has made: what stands before it is what it has waited for.
  async sumOfChildren(job) {
    const values = Object.values(await job.getChildrenValues());
    return values.reduce((sum, value) => sum + value, job.data.more ?? 0);
  },
  // Adds children for the other language to its own job, and waits for them.
  async delegate(job) {
    if ((await job.dependencies()).total > 0) return job.getChildrenValues();
    for (const n of job.data.numbers) {
      await queueOf("numbers").add("square", { n }, { parent: job, as: `of ${n}` });
    }
    await job.moveToWaitingChildren();
    throw new WaitingChildrenError();
  },
  async hang(job) {
    await job.updateProgress("begun"); // one that is active may still be on its way to here
    job.signal.throwIfAborted();
    return aborted(job.signal);
  },
  flaky() {
    if (!globalThis.repaired) throw new Error("not repaired yet");
    return "works now";
  },
};

const commands = {
  async add({ queue, name, data, opts }) {
    const job = await queueOf(queue).add(name, data, opts);
    const { id, durability, existing } = job;
    return { id, durability, existing };
  },
  async addFlow({ queue, flow }) {
    const { job, children } = await queueOf(queue).addFlow(flow);
    return { id: job.id, children: children.map((child) => child.job.id) };
  },
  tree: ({ queue, id }) => queueOf(queue).getFlow(id),
  async result({ queue, id }) {
    const events = eventsOf(queue);
    await events.waitUntilReady();
    const job = await queueOf(queue).getJob(id);
    return await job.waitUntilFinished(events);
  },
  async job({ queue, id }) {
    const job = await queueOf(queue).getJob(id);
    const { progress, failedReason, stacktrace, returnvalue, attemptsMade } = job;
    const state = await job.getState();
    return { state, progress, failedReason, stacktrace, returnvalue, attemptsMade };
  },
  // All events after `after` up to the first one of the type `until`, as [type, arguments, event id].
  events({ queue, after = "0", until }) {
    const reader = new QueueEvents(queue, { store, lastEventId: after });
    const all = [];
    return new Promise((resolve, reject) => {
      const types = ["added", "waiting", "delayed", "active", "progress", "completed", "failed"];
      for (const type of [...types, "cancelled", "retries-exhausted"]) {
        reader.on(type, (args, id) => {
          all.push([type, args, id]);
          if (type === until) resolve(reader.close().then(() => all));
        });
      }
      reader.on("error", reject);
    });
  },
  cancel: ({ queue, id, reason }) => queueOf(queue).cancel(id, reason),
  retryAll: ({ queue }) => queueOf(queue).retryJobs(),
  async retry({ queue, id }) {
    await (await queueOf(queue).getJob(id)).retry();
  },
  repair() {
    globalThis.repaired = true;
  },
  seen: () => seen,
  async work({ queue, concurrency = 4 }) {
    const worker = new Worker(queue, (job) => tasks[job.name](job), {
      store,
      concurrency,
      autorun: false,
    });
    worker.on("error", (error) => console.error(error));
    open.set(`worker ${queue}`, worker);
    worker.run().catch(console.error);
    await worker.waitUntilReady();
  },
};

function describe(error) {
  const { message, name, code, type, remoteStack, data, jobId } = error;
  return { class: error.constructor.name, message, name, code, type, remoteStack, data, jobId };
}

async function run({ number, do: what, ...rest }) {
  let answer;
  try {
    answer = { number, ok: (await commands[what](rest)) ?? null };
  } catch (error) {
    answer = { number, error: describe(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

for await (const line of createInterface({ input: process.stdin })) {
  const running = run(JSON.parse(line));
  inFlight.add(running);
  running.finally(() => inFlight.delete(running));
}
await Promise.all(inFlight);
for (const one of [...open.values()].reverse()) await one.close();
if (secret !== undefined) await store.close();
