// What happens between two steps of ours: a close, a pause or a kill that comes while something else is under way.
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readdirSync, readlinkSync, realpathSync } from "node:fs";
import { describe, it } from "node:test";

import { type Job, Queue, Worker, openStore } from "millrace";

import { Bench, deferred } from "./support.js";

/** Blocks the event loop until the core has been at work for so long. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Lets all promises that can be settled without the event loop be so. */
async function microtasks(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

/** How often this process has the file open; NaN where nobody can tell. */
function descriptorsOf(path: string): number {
  const folder = "/proc/self/fd";
  if (!existsSync(folder)) return NaN;
  const target = (name: string): string => {
    try {
      return readlinkSync(`${folder}/${name}`);
    } catch {
      return ""; // the one by which the folder was read
    }
  };
  const real = realpathSync(path);
  return readdirSync(folder).filter((name) => target(name) === real).length;
}

describe("a worker", () => {
  it("takes jobs after resume(), though those claimed for it went back while its loop was blocked", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = bench.worker(() => "done");
    await worker.waitUntilReady();
    const completed = once(worker, "completed");
    const adding = queue.add("n", {});
    await new Promise<void>((resolve) => {
      process.nextTick(() => {
        block(500); // the job is written, claimed, and given back as nobody takes it
        void worker.pause(true);
        resolve();
      });
    });
    await adding;
    await worker.pause(true);
    await worker.resume();
    assert.equal((await completed)[1], "done");
  });

  it("that is paused and resumed at once works", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = bench.worker(() => 1);
    await worker.waitUntilReady();
    for (let i = 0; i < 50; i++) {
      void worker.pause(true);
      await worker.resume();
    }
    const completed = once(worker, "completed");
    await queue.add("n", {});
    await completed;
    void worker.pause(true);
    void worker.resume();
    await worker.close();
  });

  it("that is closed with force writes the end of a job that has just returned", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const gate = deferred();
    const begun = deferred();
    const worker = bench.worker(async () => {
      begun.resolve();
      await gate.promise;
      return "done";
    });
    const job = await queue.add("n", {});
    await begun.promise;
    gate.resolve();
    await microtasks(); // the processor has returned, and no other turn of the loop has come
    await worker.close(true);
    assert.equal(await job.getState(), "completed");
  });

  it("may be given another concurrency while it closes", async (t) => {
    const bench = new Bench(t);
    const worker = bench.worker(() => 1);
    await worker.waitUntilReady();
    const closing = worker.close();
    await microtasks();
    worker.concurrency = 7;
    await closing;
  });

  it("that closes while a job is asked for by hand answers that there is none", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = bench.add(new Worker("q", null, { store: bench.store }));
    assert.equal(await worker.getNextJob("token", { block: false }), undefined);
    await queue.add("n", {});
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const coming = worker.getNextJob("token", { block: false });
    await microtasks();
    await worker.close();
    assert.equal(await coming, undefined);
    t.mock.timers.tick(10_000); // it has left nothing that would throw in a timer
    t.mock.timers.reset();
    assert.equal(await queue.getWaitingCount(), 1);
  });
});

describe("job.waitUntilFinished", () => {
  it("of a job that has ended resolves after its events were told", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    const told: string[] = [];
    events.on("completed", ({ jobId }) => told.push(jobId));
    const worker = bench.worker(() => 1);
    for (let i = 0; i < 50; i++) {
      const completed = once(worker, "completed");
      const job = await queue.add("n", {});
      await completed;
      await job.waitUntilFinished(events);
      assert.equal(told.at(-1), job.id);
    }
  });
});

describe("close()", () => {
  it("of events resolves when nothing more is told", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    for (let i = 0; i < 30; i++) {
      const events = await bench.events();
      let closed = false;
      events.on("added", () => assert.equal(closed, false));
      await queue.addBulk(Array.from({ length: 50 }, () => ({ name: "n", data: {} })));
      await events.close();
      closed = true;
    }
    await queue.count(); // whatever was under way has had its turn
  });

  it("of a store resolves when the calls that are under way have ended, and the file is closed", async (t) => {
    const store = await openStore(new Bench(t).store);
    const queue = new Queue("q", { store, durability: "process" });
    await queue.addBulk(Array.from({ length: 2000 }, (_, data) => ({ name: "n", data })));
    const ended: string[] = [];
    const checking = store.doctor().then(() => ended.push("doctor"));
    await queue.close();
    await store.close();
    ended.push("close");
    await checking;
    assert.deepEqual(ended, ["doctor", "close"]);
  });

  it("of a store in which there was a transaction closes the file", async (t) => {
    const store = await openStore(new Bench(t).store);
    const kept: unknown[] = [];
    await store.transaction((tx) => kept.push(tx));
    await assert.rejects(store.transaction((tx) => Promise.reject(new Error(`${kept.push(tx)}`))));
    assert.notEqual(descriptorsOf(store.path), 0);
    await store.close();
    assert.equal(descriptorsOf(store.path) || 0, 0);
    assert.equal(kept.length, 2);
  });

  it("of what is being opened waits for that, and leaves nothing open", async (t) => {
    const bench = new Bench(t);
    for (let i = 0; i < 20; i++) {
      const queue = new Queue("q", { store: bench.store });
      const worker = new Worker("q", (job: Job) => job.id, { store: bench.store });
      if (i % 2 === 0) await queue.waitUntilReady();
      if (i % 3 === 0) await microtasks();
      await Promise.all([worker.close(i % 4 === 0), queue.close()]);
    }
    assert.equal((await bench.queue().getWorkers()).length, 0);
  });
});
