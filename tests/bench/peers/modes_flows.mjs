// Measurements of flows: a parent and ten children.
import { completed, emitRate, nowNs, payload } from "./common.mjs";

const WARM_UP = 50;
const CHILDREN = 10;
const IN_FLIGHT = 50;

const node = () => ({ name: "noop", queueName: "bench", data: payload });
const tree = () => ({ ...node(), children: Array.from({ length: CHILDREN }, node) });

async function warmFlows(lib, args) {
  const flows = lib.openFlows(args);
  for (let i = 0; i < WARM_UP; i += 1) await flows.add(tree());
  return flows;
}

/** Adds flows, so many at a time. */
async function addFlows(flows, count, inFlight) {
  for (let added = 0; added < count; added += inFlight) {
    await Promise.all(Array.from({ length: inFlight }, () => flows.add(tree())));
  }
}

async function timedAdds(lib, args, inFlight) {
  const flows = await warmFlows(lib, args);
  const start = nowNs();
  await addFlows(flows, args.count, inFlight);
  emitRate(args.count, start);
  await flows.close();
}

export const flow = (lib, args) => timedAdds(lib, args, 1);

export const flowInflight = (lib, args) => timedAdds(lib, args, IN_FLIGHT);

/** Flows that wait already, completed by one process with a no-op processor; flows a second. */
export async function flowWork(lib, args) {
  const flows = lib.openFlows(args);
  await addFlows(flows, args.count, IN_FLIGHT);
  await flows.close();
  const worker = lib.openWorker({ ...args, autorun: false }, async () => true);
  worker.on("error", (error) => console.error(error));
  const done = completed(worker, args.count * (CHILDREN + 1));
  const start = nowNs();
  void worker.run();
  await done;
  emitRate(args.count, start, { concurrency: args.concurrency });
  await worker.close();
}
