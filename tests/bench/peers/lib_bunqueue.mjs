// bunqueue behind the names that the modes use, embedded: queue and worker in one process, on a file. Runs on Bun.
import { requirePeer } from "./common.mjs";

const path = requirePeer("bunqueue").resolve("bunqueue/client");
const { Queue, Worker } = await import(path);

const where = ({ target }) => ({ embedded: true, dataPath: target });

/** With a durability: every add is written before it is acknowledged, which is not its default. */
export function openQueue(args) {
  const defaultJobOptions = args.durability ? { durable: true } : {};
  return new Queue("bench", { ...where(args), defaultJobOptions });
}

export function openWorker({ concurrency, autorun = true, ...args }, processor) {
  return new Worker("bench", processor, { ...where(args), concurrency, autorun });
}
