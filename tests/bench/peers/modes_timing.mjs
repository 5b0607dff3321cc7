// Measurements of moments: how long after one event another happens, with everything idle in between.
import { once } from "node:events";
import { emitLateness, nowNs, payload, readSamples, sampledLateness, sleep } from "./common.mjs";

const DELAY_MS = 50;
const SLOT_MS = 250;
const SCHEDULES = 10;

/** From queue.add to the handler's first line in another process, one job at a time. */
export async function latency(lib, args) {
  const queue = await lib.openQueue(args);
  const warm = 20;
  for (let i = 0; i < args.count + warm; i += 1) {
    await queue.add("stamp", { ...payload, sentNs: String(nowNs()) });
    do await sleep(4);
    while (readSamples(args.samples).length <= i);
  }
  await queue.close();
  emitLateness(sampledLateness(args.samples, warm));
}

/** The same for jobs with a delay: how long after their due time they start. */
export async function delayed(lib, args) {
  const queue = await lib.openQueue(args);
  const warm = 10;
  for (let i = 0; i < args.count + warm; i += 1) {
    const dueNs = nowNs() + BigInt(DELAY_MS) * 1_000_000n;
    await queue.add("stamp", { ...payload, sentNs: String(dueNs) }, { delay: DELAY_MS });
    do await sleep(4);
    while (readSamples(args.samples).length <= i);
  }
  await queue.close();
  emitLateness(sampledLateness(args.samples, warm));
}

/** From the processor's last line in another process to the 'completed' event here, one job at a time. */
export async function events(lib, args) {
  const queue = await lib.openQueue(args);
  const queueEvents = lib.openEvents(args);
  await queueEvents.waitUntilReady();
  const warm = 20;
  const us = [];
  for (let i = 0; i < args.count + warm; i += 1) {
    const next = once(queueEvents, "completed");
    await queue.add("tell", payload);
    const [{ returnvalue }] = await next;
    if (i >= warm) us.push(Number(nowNs() - BigInt(returnvalue.atNs)) / 1e3);
    await sleep(4);
  }
  await queueEvents.close();
  await queue.close();
  emitLateness(us);
}

/** Jobs of schedules: from their slot to the processor's first line. Ten schedules, four slots a second each. */
export async function slots(lib, args) {
  const late = [];
  let finish;
  const done = new Promise((resolve) => (finish = resolve));
  const warm = 2 * SCHEDULES; // the first of each is made by the upsert itself
  const worker = lib.openWorker({ ...args, concurrency: SCHEDULES }, async (job) => {
    late.push(1e3 * (performance.timeOrigin + performance.now() - lib.slotOf(job)));
    if (late.length === args.count + warm) finish();
    return true;
  });
  worker.on("error", (error) => console.error(error));
  const queue = await lib.openQueue(args);
  for (let i = 0; i < SCHEDULES; i += 1) {
    const template = { name: "slot", data: payload };
    await queue.upsertJobScheduler(`s${i}`, { every: SLOT_MS }, template);
    await sleep(SLOT_MS / SCHEDULES);
  }
  await done;
  emitLateness(late.slice(warm));
  await worker.close(true);
  await queue.close();
}
