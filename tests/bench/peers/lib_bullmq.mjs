// BullMQ behind the few names that node_bench.mjs uses. The packages live in build/peers-node, not in ours.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.PEERS_NODE}/`);
const { FlowProducer, Queue, Worker } = require("bullmq");

const connection = (target) => {
  const url = new URL(target);
  return { host: url.hostname, port: Number(url.port) };
};

export function openQueue({ target }) {
  return new Queue("bench", { connection: connection(target) });
}

/** Adds trees of jobs. */
export function openFlows({ target }) {
  return new FlowProducer({ connection: connection(target) });
}

export function openWorker({ target, concurrency, autorun = true }, processor) {
  // maxRetriesPerRequest: null is what BullMQ demands of a worker's connection.
  return new Worker("bench", processor, {
    connection: { ...connection(target), maxRetriesPerRequest: null },
    concurrency,
    autorun,
  });
}
