// Millrace behind the few names that the modes use: the same shape as lib_bullmq.mjs on purpose.
import { Queue, QueueEvents, Worker } from "millrace";

export function openQueue({ target, durability }) {
  return new Queue("bench", { store: target, durability });
}

/** Adds trees of jobs. */
export function openFlows(args) {
  const queue = openQueue(args);
  return { add: (flow) => queue.addFlow(flow), close: () => queue.close() };
}

export function openEvents({ target }) {
  return new QueueEvents("bench", { store: target });
}

export function openWorker(
  { target, durability, concurrency, autorun = true, threads = false },
  processor,
) {
  return new Worker("bench", processor, {
    store: target,
    durability,
    concurrency,
    autorun,
    useWorkerThreads: threads,
  });
}

/** The moment for which a schedule made a job, milliseconds UTC. */
export const slotOf = (job) => Number(job.opts.headers["millrace-slot"]);
