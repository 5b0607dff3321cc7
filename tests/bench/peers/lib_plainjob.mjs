// plainjob on better-sqlite3 behind the names that the modes use. Its calls are synchronous.
import { EventEmitter } from "node:events";
import { requirePeer } from "./common.mjs";

const require = requirePeer("plainjob");
const Database = require("better-sqlite3");
const { better, defineQueue, defineWorker } = await import(require.resolve("plainjob"));

const logger = { debug() {}, info() {}, warn() {}, error: console.error }; // its default prints every job

const define = (target) => defineQueue({ connection: better(new Database(target)), logger });

export function openQueue({ target }) {
  const queue = define(target);
  return {
    add: async (name, data) => queue.add(name, data),
    addBulk: async (jobs) =>
      queue.addMany(
        "noop",
        jobs.map(({ data }) => data),
      ),
    close: () => queue.close(),
  };
}

/** `concurrency` workers of one connection: each of them works one job at a time. */
export function openWorker({ target, concurrency }, processor) {
  const queue = define(target);
  const events = new EventEmitter();
  const work = async (job) => processor({ ...job, data: JSON.parse(job.data) });
  const options = { queue, logger, onCompleted: (job) => events.emit("completed", job) };
  const workers = Array.from({ length: concurrency }, () => defineWorker("noop", work, options));
  return Object.assign(events, {
    run: () => Promise.all(workers.map((worker) => worker.start())),
    close: () => queue.close(),
  });
}
