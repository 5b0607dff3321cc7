// Millrace behind the few names that node_bench.mjs uses: the same shape as lib_bullmq.mjs on purpose.
import { Queue, Worker } from "millrace";

export function openQueue({ target, durability }) {
  return new Queue("bench", { store: target, durability });
}

/** Adds trees of jobs. */
export function openFlows(args) {
  const queue = openQueue(args);
  return { add: (flow) => queue.addFlow(flow), close: () => queue.close() };
}

export function openWorker({ target, durability, concurrency, autorun = true }, processor) {
  return new Worker("bench", processor, { store: target, durability, concurrency, autorun });
}
