// worker_threads, and their end at any moment.
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import { Worker as Thread } from "node:worker_threads";

import { Bench, fixture, until } from "./support.js";

function startThread(store: string, mode: "work" | "hang" | "add"): Thread {
  return new Thread(fixture("thread.mjs"), { workerData: { store, mode } });
}

describe("worker_threads", () => {
  it("a thread's jobs are given back when it is terminated in the middle of them", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    await queue.addBulk(Array.from({ length: 20 }, (_, i) => ({ name: "n", data: { i } })));
    const thread = startThread(bench.store, "hang");
    await once(thread, "message");
    await thread.terminate();
    const done = new Set<number>();
    const worker = bench.worker((job) => void done.add(job.data.i), { concurrency: 5 });
    worker.on("error", (error) => assert.fail(error));
    await until(() => done.size === 20);
  });

  it("every add that a thread saw acknowledged is there after it was terminated", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    for (let round = 0; round < 5; round++) {
      const thread = startThread(bench.store, "add");
      const ids: string[] = [];
      thread.on("message", (id: string) => ids.push(id));
      await until(() => ids.length > 50);
      await thread.terminate();
      for (const id of ids) assert.equal(await queue.getJobState(id), "waiting");
    }
  });

  it("threads that come and go while others work lose nothing", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    bench.worker((job) => job.data.i);
    const ids: string[] = [];
    let threadsLeft = 8;
    const adding = (async () => {
      // As long as threads come, so that each of them finds work.
      while (threadsLeft > 0) {
        const data = Array.from({ length: 50 }, (_, i) => ({ name: "n", data: { i } }));
        ids.push(...(await queue.addBulk(data)).map((job) => job.id));
        await until(async () => threadsLeft === 0 || (await queue.getWaitingCount()) < 500);
      }
    })();
    for (; threadsLeft > 0; threadsLeft--) {
      const thread = startThread(bench.store, "work");
      await once(thread, "message");
      await thread.terminate();
    }
    await adding;
    await until(async () => (await queue.getCompletedCount()) === ids.length);
    for (const id of ids) assert.equal(await queue.getJobState(id), "completed");
  });

  it("two threads share one engine of the process", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const threads = [startThread(bench.store, "work"), startThread(bench.store, "work")];
    const finished = new Set<string>();
    for (const thread of threads) thread.on("message", (id: string) => finished.add(id));
    await queue.addBulk(Array.from({ length: 500 }, (_, i) => ({ name: "n", data: { i } })));
    await until(() => finished.size === 500);
    const pids = new Set((await queue.getWorkers()).map((worker) => worker.pid));
    assert.deepEqual([...pids], [process.pid]);
    for (const thread of threads) await thread.terminate();
  });
});
