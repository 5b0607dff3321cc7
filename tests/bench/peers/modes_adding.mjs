// Measurements of a producer.
import { emit, emitRate, fill, jobs, nowNs, payload } from "./common.mjs";

const WARM_UP = 500;
const IN_FLIGHT = 1000;

async function warmQueue(lib, args) {
  const queue = await lib.openQueue(args);
  for (let i = 0; i < WARM_UP; i += 1) await queue.add("noop", payload);
  return queue;
}

/** Adds jobs one by one, a thousand in flight. */
async function addInFlight(queue, count) {
  for (let added = 0; added < count; added += IN_FLIGHT) {
    const adds = [];
    for (let i = 0; i < IN_FLIGHT; i += 1) adds.push(queue.add("noop", payload));
    await Promise.all(adds);
  }
}

/** await queue.add, one at a time. */
export async function one(lib, args) {
  const queue = await warmQueue(lib, args);
  const start = nowNs();
  for (let i = 0; i < args.count; i += 1) await queue.add("noop", payload);
  emitRate(args.count, start);
  await queue.close();
}

/** Rounds of 1,000 adds in flight, as a web server under load has them. */
export async function inflight(lib, args) {
  const queue = await warmQueue(lib, args);
  const start = nowNs();
  await addInFlight(queue, args.count);
  emitRate(args.count, start);
  await queue.close();
}

export async function bulk(lib, args) {
  const queue = await warmQueue(lib, args);
  const rounds = args.count / 1000;
  const start = nowNs();
  for (let round = 0; round < rounds; round += 1) await queue.addBulk(jobs(1000));
  emitRate(args.count, start);
  await queue.close();
}

/** The most memory that a process has had which adds `count` jobs, 1,000 in flight, and keeps its queue open. */
export async function produce(lib, args) {
  const queue = await lib.openQueue(args);
  await addInFlight(queue, args.count);
  emit({ peak_mib: process.resourceUsage().maxRSS / 1024, count: args.count });
  await queue.close();
}

/** Schedules of their own ids, one upsert at a time; none of them comes due. */
export async function upsert(lib, args) {
  const queue = await lib.openQueue(args);
  const put = (id) =>
    queue.upsertJobScheduler(id, { every: 3_600_000 }, { name: "noop", data: payload });
  for (let i = 0; i < 50; i += 1) await put(`warm-${i}`);
  const start = nowNs();
  for (let i = 0; i < args.count; i += 1) await put(`schedule-${i}`);
  emitRate(args.count, start);
  await queue.close();
}

/** Puts jobs of one name and ends: for the recovery, memory and CPU measurements. */
export async function put(lib, args) {
  const queue = await lib.openQueue(args);
  for (let i = 0; i < args.count; i += 1) {
    await queue.add(args.name, { ...payload, sentNs: String(nowNs()) });
  }
  emit({ count: args.count });
  await queue.close();
}

/** Puts many no-op jobs and ends. */
export async function putMany(lib, args) {
  const queue = await lib.openQueue(args);
  await fill(queue, args.count);
  emit({ count: args.count });
  await queue.close();
}
