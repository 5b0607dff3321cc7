// BullMQ behind the few names that the modes use.
import { requirePeer } from "./common.mjs";

const { FlowProducer, Queue, QueueEvents, Worker } = requirePeer("bullmq")("bullmq");

const connection = (target) => {
  const url = new URL(target);
  return { host: url.hostname, port: Number(url.port) };
};

// maxRetriesPerRequest: null is what BullMQ demands of a worker's connection.
const blocking = (target) => ({ ...connection(target), maxRetriesPerRequest: null });

export function openQueue({ target }) {
  return new Queue("bench", { connection: connection(target) });
}

/** Adds trees of jobs. */
export function openFlows({ target }) {
  return new FlowProducer({ connection: connection(target) });
}

export function openEvents({ target }) {
  return new QueueEvents("bench", { connection: blocking(target) });
}

export function openWorker({ target, concurrency, autorun = true, threads = false }, processor) {
  return new Worker("bench", processor, {
    connection: blocking(target),
    concurrency,
    autorun,
    useWorkerThreads: threads,
  });
}

/** The moment for which a schedule made a job, milliseconds UTC. */
export const slotOf = (job) => Number(job.id.split(":").at(-1));
