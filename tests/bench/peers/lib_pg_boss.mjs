// pg-boss behind the names that the modes use.
import { pollUntil, requirePeer } from "./common.mjs";

const require = requirePeer("pg-boss");
const { PgBoss } = require("pg-boss");
const { Pool } = require("pg");

async function start(target) {
  const boss = new PgBoss(target);
  boss.on("error", (error) => console.error(error));
  await boss.start();
  return boss;
}

export async function openQueue({ target }) {
  const boss = await start(target);
  await boss.createQueue("bench");
  return {
    add: (name, data) => boss.send("bench", data),
    addBulk: (jobs) =>
      boss.insert(
        "bench",
        jobs.map(({ data }) => ({ data })),
      ),
    close: () => boss.stop({ graceful: false }),
  };
}

/** `batch`: jobs that a handler takes at once; as long as a batch is full the next one is fetched without a pause. */
export function openWorker({ target, concurrency, batch }, processor) {
  let started = 0;
  const pool = new Pool({ connectionString: target, max: 1 });
  const options = {
    batchSize: batch || 1,
    burstWhenBatchFull: true,
    localConcurrency: concurrency,
    pollingIntervalSeconds: 0.5,
  };
  return {
    on() {},
    async run() {
      const boss = await start(target);
      await boss.work("bench", options, async (jobs) => {
        started += jobs.length;
        await Promise.all(jobs.map(processor));
      });
    },
    // It tells nobody when a handler's jobs are completed: the table does.
    completed: (count) =>
      pollUntil(async () => {
        if (started < count) return false;
        const { rows } = await pool.query(
          "SELECT count(*)::int AS n FROM pgboss.job WHERE state = 'completed'",
        );
        return rows[0].n >= count;
      }),
    close: () => pool.end(),
  };
}
