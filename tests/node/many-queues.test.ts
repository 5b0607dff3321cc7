// Ten thousand queues in one file, each with a worker: how many there are costs nobody anything but memory.
import assert from "node:assert/strict";
import { it } from "node:test";

import { Queue, Worker, openStore } from "millrace";

import { Bench, newStore, runFixture, until } from "./support.js";

const QUEUES = 10_000;
const AT_ONCE = 1000;

it("works 10,000 queues of one file, 1,000 workers at a time", async (t) => {
  const store = await openStore(newStore(t));
  const options = { store, durability: "process" } as const;
  const queues = Array.from({ length: QUEUES }, (_, i) => new Queue(`q${i}`, options));
  await Promise.all(queues.map((queue, i) => queue.add("n", i)));
  assert.equal((await store.queues()).length, QUEUES);

  const done = new Set<number>();
  for (let at = 0; at < QUEUES; at += AT_ONCE) {
    const workers = queues.slice(at, at + AT_ONCE).map(({ name }) => {
      return new Worker(name, ({ data }) => void done.add(data as number), options);
    });
    await until(() => done.size === at + AT_ONCE);
    await Promise.all(workers.map((worker) => worker.close()));
  }
  const counts = await store.queues();
  assert.equal(counts.length, QUEUES);
  assert.ok(
    counts.every(({ completed, active, ready }) => completed === 1 && active + ready === 0),
  );
  await Promise.all(queues.map((queue) => queue.close()));
  await store.close();
});

it("takes over the jobs of a process that had 200 workers", async (t) => {
  const bench = new Bench(t);
  const run = runFixture("many-workers.mjs", bench.store, "200");
  await run.says("all run");
  const seen = new Map<string, number>();
  for (let i = 0; i < 200; i++) {
    bench.worker(
      (job) => void seen.set(job.queueName, job.stalledCounter),
      { durability: "process" },
      `q${i}`,
    );
  }
  run.child.kill("SIGKILL");
  await until(() => seen.size === 200);
  assert.ok([...seen.values()].every((stalled) => stalled === 1));
});
