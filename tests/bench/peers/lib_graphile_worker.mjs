// graphile-worker behind the names that the modes use. It has no queues by name: a job's name is its task's.
import { pollUntil, requirePeer } from "./common.mjs";

const require = requirePeer("graphile-worker");
const { Logger, makeWorkerUtils, run } = require("graphile-worker");
const { Pool } = require("pg");

const logger = new Logger(() => () => {}); // its default prints every job

export async function openQueue({ target }) {
  const utils = await makeWorkerUtils({ connectionString: target, logger });
  await utils.migrate();
  return {
    add: (name, data) => utils.addJob(name, data),
    addBulk: (jobs) =>
      utils.addJobs(jobs.map(({ name, data }) => ({ identifier: name, payload: data }))),
    close: () => utils.release(),
  };
}

/** `batch`: jobs fetched at once, and then finished in batches too, as its guide to performance has it. */
export function openWorker({ target, concurrency, batch }, processor) {
  let started = 0;
  const task = async (payload) => {
    started += 1;
    await processor({ name: "noop", data: payload });
  };
  const worker = batch
    ? { localQueue: { size: batch }, completeJobBatchDelay: 0, failJobBatchDelay: 0 }
    : {};
  const pool = new Pool({ connectionString: target, max: 1 });
  return {
    on() {}, // it logs its errors
    run: () =>
      run({
        connectionString: target,
        concurrency,
        logger,
        noHandleSignals: true,
        taskList: { noop: task },
        preset: { worker },
      }),
    // Its event comes before the commit: a completed job is one that is gone from the table.
    completed: (count) =>
      pollUntil(async () => {
        if (started < count) return false;
        const { rows } = await pool.query("SELECT count(*)::int AS n FROM graphile_worker.jobs");
        return rows[0].n === 0;
      }),
    close: () => pool.end(),
  };
}
