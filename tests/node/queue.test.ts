import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";

import { MillraceError, Queue, Worker } from "millrace";

import { Bench, deferred, newStore } from "./support.js";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe("Queue.add", () => {
  it("answers a job that can be read back", async (t) => {
    const queue = new Bench(t).queue();
    const job = await queue.add("resize", { url: "a.png", width: 5 });
    assert.match(job.id, UUID);
    assert.equal(job.existing, false);
    assert.equal(job.durability, "process");
    const read = await queue.getJob(job.id);
    assert.equal(read?.name, "resize");
    assert.equal(read?.queueName, "q");
    assert.deepEqual(read?.data, { url: "a.png", width: 5 });
    assert.equal(read?.attemptsMade, 0);
    assert.equal(await read?.getState(), "waiting");
  });

  it("keeps every option", async (t) => {
    const queue = new Bench(t).queue();
    const opts = {
      jobId: "mine",
      delay: 60_000,
      priority: 7,
      attempts: 4,
      backoff: { type: "exponential", delay: 250, jitter: 0.5 },
      lifo: true,
      removeOnComplete: { age: 60, count: 10 },
      removeOnFail: 5,
      keepLogs: 3,
      expires: 120_000,
      timeLimit: 900,
      softTimeLimit: 800,
      maxCrashes: 9,
      headers: { traceparent: "00-ab-cd-01" },
    } as const;
    await queue.add("n", {}, opts);
    const read = await queue.getJob("mine");
    const expires = read?.opts.expires;
    assert.ok(expires instanceof Date, "relative times are kept as absolute ones");
    assert.deepEqual(read?.opts, { ...opts, expires });
    assert.equal(expires.getTime() - read.timestamp, opts.expires);
    assert.equal(read?.delay, 60_000);
    assert.equal(read?.priority, 7);
  });

  it("reads back the short forms of options as they were meant", async (t) => {
    const queue = new Bench(t).queue();
    const read = async (opts: object): Promise<object | undefined> => {
      const { id } = await queue.add("n", {}, opts);
      return (await queue.getJob(id))?.opts;
    };
    assert.deepEqual((await read({ removeOnComplete: true }))!["removeOnComplete" as never], true);
    assert.deepEqual((await read({ removeOnFail: false }))!["removeOnFail" as never], false);
    assert.deepEqual((await read({ backoff: 500 }))!["backoff" as never], {
      type: "fixed",
      delay: 500,
    });
  });

  it("adds nothing for an id that exists, and says so", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const first = await queue.add("n", { v: 1 }, { jobId: "one" });
    const second = await queue.add("n", { v: 2 }, { jobId: "one" });
    assert.equal(first.existing, false);
    assert.equal(second.existing, true);
    assert.equal(second.id, "one");
    assert.deepEqual((await queue.getJob("one"))?.data, { v: 1 });
    assert.equal((await queue.getJobCounts("waiting"))["waiting"], 1);
  });

  it("says the durability that was reached: of the queue, or of the job", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue("q", { durability: "process" });
    assert.equal((await queue.add("n", {})).durability, "process");
    assert.equal((await queue.add("n", {}, { durability: "power" })).durability, "power");
    assert.equal((await queue.add("n", {}, { durability: "memory" })).durability, "memory");
    const plain = bench.add(new Queue("q", { store: bench.store }));
    assert.equal((await plain.add("n", {})).durability, "power");
  });

  it("takes any JSON value as data, and {} for undefined", async (t) => {
    const queue = new Bench(t).queue();
    const values = [
      {},
      [],
      [1, "two", null],
      "text",
      5,
      true,
      null,
      { nested: { "\u0000": "\u2028😀\ud800" } },
    ];
    for (const value of values) {
      const { id } = await queue.add("n", value);
      assert.deepEqual((await queue.getJob(id))?.data, value);
    }
    const { id } = await queue.add("n", undefined);
    assert.deepEqual((await queue.getJob(id))?.data, {});
  });

  it("keeps large and odd texts intact, also among small ones", async (t) => {
    const queue = new Bench(t).queue();
    const datas = ["x".repeat(100_000), "\u0001", "ü".repeat(9000), "", "\u0001\u0000", "€"].map(
      (s) => ({ s }),
    );
    const jobs = await queue.addBulk(datas.map((data) => ({ name: "n", data })));
    const read = await queue.getJobs("waiting", 0, -1, true);
    assert.deepEqual(
      read.map((job) => job.id),
      jobs.map((job) => job.id),
    );
    assert.deepEqual(
      read.map((job) => job.data),
      datas,
    );
  });

  it("keeps the order of adds of one tick and of many", async (t) => {
    const queue = new Bench(t).queue();
    const adding: Promise<{ id: string }>[] = [];
    for (let i = 0; i < 1000; i++) adding.push(queue.add("n", { i }));
    const ids = (await Promise.all(adding)).map((job) => job.id);
    const read = await queue.getJobs("waiting", 0, -1, true);
    assert.deepEqual(
      read.map((job) => job.id),
      ids,
    );
    assert.deepEqual(
      read.map((job) => job.data.i),
      Array.from({ length: 1000 }, (_, i) => i),
    );
  });

  it("accepts more in flight than the core's queue holds", async (t) => {
    const queue = new Bench(t).queue();
    const adding: Promise<unknown>[] = [];
    for (let i = 0; i < 20_000; i++) adding.push(queue.add("n", { i }));
    await Promise.all(adding);
    assert.equal(await queue.getWaitingCount(), 20_000);
  });

  it("emits waiting on the queue itself", async (t) => {
    const queue = new Bench(t).queue();
    const heard = once(queue, "waiting");
    const job = await queue.add("n", {});
    assert.equal((await heard)[0], job);
  });

  it("refuses a payload that is too large with its size, and goes on", async (t) => {
    const queue = new Bench(t).queue();
    const size = 16 * 1024 * 1024 + 10;
    await assert.rejects(queue.add("n", "x".repeat(size)), (error: MillraceError) => {
      assert.equal(error.code, "too_large");
      assert.match(error.message, new RegExp(String(size + 2)));
      return true;
    });
    await assert.rejects(queue.add("n", { text: "four" }, { sizeLimit: 10 }), {
      code: "too_large",
      message: "queue.add: data has 15 bytes, sizeLimit is 10",
    });
    assert.equal(await queue.getWaitingCount(), 0);
    await queue.add("n", {});
  });
});

describe("Queue.addBulk", () => {
  it("adds all or none", async (t) => {
    const queue = new Bench(t).queue();
    const jobs = await queue.addBulk([
      { name: "a", data: 1 },
      { name: "b", data: 2, opts: { priority: 3, jobId: "b" } },
    ]);
    assert.deepEqual(
      jobs.map((job) => job.name),
      ["a", "b"],
    );
    assert.equal(jobs[1]?.id, "b");
    await assert.rejects(
      queue.addBulk([
        { name: "c", data: 1 },
        { name: "d", data: "x".repeat(17 << 20) },
      ]),
      { code: "too_large" },
    );
    assert.deepEqual(await queue.getJobCounts("waiting", "prioritized"), {
      waiting: 1,
      prioritized: 1,
    });
    assert.deepEqual(await queue.addBulk([]), []);
  });
});

describe("Queue's readers", () => {
  it("count and list by BullMQ's states", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    await queue.add("w", 1);
    await queue.add("p", 2, { priority: 2 });
    await queue.add("d", 3, { delay: 100_000 });
    assert.deepEqual(await queue.getJobCounts(), {
      waiting: 1,
      prioritized: 1,
      delayed: 1,
      active: 0,
      "waiting-children": 0,
      completed: 0,
      failed: 0,
      cancelled: 0,
    });
    assert.deepEqual(await queue.getJobCounts("wait"), { wait: 1 });
    assert.equal(await queue.count(), 3);
    assert.equal(await queue.getJobCountByTypes("delayed", "prioritized"), 2);
    assert.equal((await queue.getWaiting())[0]?.name, "w");
    assert.equal((await queue.getPrioritized())[0]?.name, "p");
    assert.equal((await queue.getDelayed())[0]?.name, "d");
    assert.deepEqual(await queue.getCompleted(), []);
    assert.equal((await queue.getJobs()).length, 3);
    assert.equal(await queue.getJob("nobody"), undefined);
    assert.equal(await queue.getJobState("nobody"), "unknown");
  });

  it("page in either order, with priorities among them", async (t) => {
    const queue = new Bench(t).queue();
    await queue.addBulk(
      Array.from({ length: 30 }, (_, i) => ({
        name: "n",
        data: i,
        opts: i % 3 === 0 ? { priority: 1 } : {},
      })),
    );
    const plain = Array.from({ length: 30 }, (_, i) => i).filter((i) => i % 3 !== 0);
    const datas = async (...args: Parameters<Queue["getJobs"]>): Promise<number[]> =>
      (await queue.getJobs(...args)).map((job) => job.data);
    assert.deepEqual(await datas("waiting", 0, -1, true), plain);
    assert.deepEqual(await datas("waiting", 2, 4, true), plain.slice(2, 5));
    assert.deepEqual(await datas("waiting", 0, 2, false), plain.slice(-3).reverse());
    assert.deepEqual(await datas("prioritized", 1, 2, true), [3, 6]);
    assert.deepEqual(await datas("waiting", 100, 200, true), []);
  });
});

describe("Queue's changes", () => {
  it("pause and resume stop every worker", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    await queue.pause();
    assert.equal(await queue.isPaused(), true);
    const done: string[] = [];
    const worker = bench.worker((job) => void done.push(job.name));
    await worker.waitUntilReady();
    await queue.add("a", {});
    assert.equal(await queue.getWaitingCount(), 1);
    const completed = once(worker, "completed");
    assert.deepEqual(done, []);
    await queue.resume();
    await completed;
    assert.deepEqual(done, ["a"]);
    assert.equal(await queue.isPaused(), false);
  });

  it("drain, remove, clean and obliterate", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    await queue.add("a", {});
    await queue.add("b", {}, { delay: 50_000 });
    await queue.drain();
    assert.deepEqual(await queue.getJobCounts("waiting", "delayed"), { waiting: 0, delayed: 1 });
    await queue.drain(true);
    assert.equal(await queue.count(), 0);
    const { id } = await queue.add("c", {});
    assert.equal(await queue.remove(id), 1);
    assert.equal(await queue.remove(id), 0);
    const jobs = await queue.addBulk([1, 2, 3].map((data) => ({ name: "n", data })));
    const worker = bench.worker(() => 1);
    await once(worker, "drained");
    await worker.close();
    assert.deepEqual(
      (await queue.clean(0, 2)).sort(),
      jobs
        .slice(0, 2)
        .map((job) => job.id)
        .sort(),
    );
    assert.deepEqual(await queue.clean(1_000_000, 0), []);
    assert.equal(await queue.getCompletedCount(), 1);
    await queue.obliterate();
    assert.equal(await queue.getCompletedCount(), 0);
  });

  it("obliterate refuses while a job runs, unless forced", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const started = deferred();
    const finish = deferred();
    const worker = bench.worker(async () => {
      started.resolve();
      await finish.promise;
    });
    const errors: unknown[] = [];
    worker.on("error", (error) => errors.push(error));
    await queue.add("n", {});
    await started.promise;
    await assert.rejects(queue.obliterate(), { code: "wrong_state" });
    await queue.obliterate({ force: true });
    finish.resolve();
    await worker.close();
    assert.equal((errors[0] as MillraceError).code, "lease_lost");
  });

  it("retryJobs and promoteJobs", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    let broken = true;
    const worker = bench.worker(() => {
      if (broken) throw new Error("broken");
    });
    const failed = once(worker, "failed");
    await queue.add("n", {});
    await failed;
    broken = false;
    const completed = once(worker, "completed");
    await queue.retryJobs();
    const [job] = await completed;
    assert.equal(job.attemptsMade, 2, "the count goes on, as in BullMQ");
    await queue.add("later", {}, { delay: 1_000_000 });
    const promoted = once(worker, "completed");
    await queue.promoteJobs();
    assert.equal((await promoted)[0].name, "later");
  });

  it("cancel answers what it could do", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const { id } = await queue.add("n", {});
    assert.equal(await queue.cancel(id, "changed my mind"), "cancelled");
    assert.equal(await queue.cancel(id), "finished");
    assert.equal(await queue.getJobState(id), "cancelled");
    assert.equal((await queue.getJob(id))?.failedReason, "changed my mind");
    await assert.rejects(queue.cancel("nobody"), { code: "not_found" });
  });

  it("logs and progress from outside", async (t) => {
    const queue = new Bench(t).queue();
    const { id } = await queue.add("n", {});
    assert.equal(await queue.addJobLog(id, "one"), 1);
    assert.equal(await queue.addJobLog(id, "two"), 2);
    assert.deepEqual(await queue.getJobLogs(id), { logs: ["one", "two"], count: 2 });
    assert.deepEqual(await queue.getJobLogs(id, 0, 0, false), { logs: ["two"], count: 2 });
    await queue.updateJobProgress(id, { done: 3 });
    assert.deepEqual((await queue.getJob(id))?.progress, { done: 3 });
  });

  it("setRetention replaces the queue's rule", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    await queue.setRetention({ removeOnComplete: true, removeOnFail: 1 });
    const worker = bench.worker(() => 1);
    const completed = once(worker, "completed");
    await queue.add("n", {});
    await completed;
    assert.equal(await queue.getCompletedCount(), 0);
  });
});

describe("Queue's life", () => {
  it("close waits for adds under way and refuses later ones", async (t) => {
    const bench = new Bench(t);
    bench.worker(() => 1, {}, "other"); // keeps the store open
    const queue = bench.queue();
    let acknowledged = false;
    const adding = queue.add("n", {}).then(() => (acknowledged = true));
    await queue.close();
    assert.equal(acknowledged, true);
    await adding;
    await assert.rejects(queue.add("n", {}), { code: "closed", message: 'Queue "q" was closed' });
    await assert.rejects(queue.pause(), { code: "closed" });
    await queue.close();
  });

  it("shares a store that is opened again after it was closed", async (t) => {
    const store = newStore(t);
    for (let i = 0; i < 5; i++) {
      await using queue = new Queue("q", { store });
      await queue.add("n", { i });
      assert.equal(await queue.getWaitingCount(), i + 1);
    }
  });

  it("lives in memory inside the process", async () => {
    await using queue = new Queue("q", { store: ":memory:" });
    await using worker = new Worker("q", () => "done", { store: ":memory:" });
    const completed = once(worker, "completed");
    const job = await queue.add("n", {});
    assert.equal(job.durability, "memory");
    assert.equal((await completed)[1], "done");
  });

  it("says why a store cannot be opened, to every call", async (t) => {
    const store = `${newStore(t)}/no/such/folder.db`;
    const queue = new Queue("q", { store });
    await assert.rejects(queue.waitUntilReady(), MillraceError);
    await assert.rejects(queue.add("n", {}), { code: "not_found" });
    await assert.rejects(queue.getJobCounts(), { code: "not_found" });
    await queue.close();
  });
});
