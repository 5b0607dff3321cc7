// A job's options under BullMQ's names.
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import type { Job, Worker } from "millrace";

import { Bench, until } from "../support.js";

/** Resolves with the job when so many attempts have ended. */
async function ended(worker: Worker, times = 1): Promise<Job> {
  let last: Job | undefined;
  let count = 0;
  const onEnd = (job: Job | undefined): void => {
    last = job;
    count++;
  };
  worker.on("completed", onEnd).on("failed", onEnd);
  await until(() => count === times);
  return last as Job;
}

describe("Job's options", () => {
  it("JobOptions.timestamp: a delay begins then", async (t) => {
    const queue = new Bench(t).queue();
    const timestamp = Date.now() - 60_000;
    const job = await queue.add("n", {}, { jobId: "j", timestamp, delay: 90_000 });
    assert.equal(job.timestamp, timestamp);
    const read = (await queue.getJob("j")) as Job;
    assert.deepEqual(
      [read.timestamp, read.delay, read.opts.timestamp],
      [timestamp, 90_000, timestamp],
    );
    assert.equal(await queue.getDelayedCount(Date.now() + 40_000), 1);
    await queue.add("n", {}, { jobId: "due", timestamp, delay: 10_000 });
    assert.equal(await queue.getJobState("due"), "waiting");
  });

  it("JobOptions.stackTraceLimit: keeps the newest stacks", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = bench.worker((job) => {
      throw new Error(`attempt ${job.attemptsMade}`);
    });
    const all = ended(worker, 6);
    await queue.addBulk([
      { name: "n", data: {}, opts: { jobId: "two", attempts: 3, stackTraceLimit: 2 } },
      { name: "n", data: {}, opts: { jobId: "none", attempts: 3, stackTraceLimit: 0 } },
    ]);
    await all;
    const stacks = (await queue.getJob("two"))!.stacktrace.map((stack) => stack.split("\n")[0]);
    assert.deepEqual(stacks, ["Error: attempt 1", "Error: attempt 2"]);
    assert.deepEqual((await queue.getJob("none"))?.stacktrace, []);
  });

  it("JobOptions.sizeLimit: refuses data that is larger", async (t) => {
    const queue = new Bench(t).queue();
    await assert.rejects(queue.add("n", "x".repeat(100), { sizeLimit: 50 }), { code: "too_large" });
    assert.equal((await queue.add("n", "ä", { sizeLimit: 4 })).data, "ä");
  });

  it("JobOptions.keepLogs: keeps the newest lines", async (t) => {
    const queue = new Bench(t).queue();
    const job = await queue.add("n", {}, { keepLogs: 2 });
    assert.deepEqual([await job.log("a"), await job.log("b"), await job.log("c")], [1, 2, 2]);
    assert.deepEqual((await queue.getJobLogs(job.id)).logs, ["b", "c"]);
  });

  it("JobOptions.jobId: refuses what BullMQ refuses, with its sentences", async (t) => {
    const queue = new Bench(t).queue();
    await assert.rejects(queue.add("n", {}, { jobId: "7" }), /Custom Id cannot be integers/);
    await assert.rejects(queue.add("n", {}, { jobId: "a:b" }), /Custom Id cannot contain :/);
    await assert.rejects(queue.add("n", {}, { jobId: "0:x" }), /JobId cannot be '0' or start with/);
    assert.equal((await queue.add("n", {}, { jobId: "a:b:c" })).id, "a:b:c");
  });

  it("JobOptions.priority, JobOptions.lifo: order what waits", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    await queue.addBulk([
      { name: "p2", data: {}, opts: { priority: 2 } },
      { name: "p1", data: {}, opts: { priority: 1 } },
      { name: "a", data: {} },
      { name: "b", data: {} },
      { name: "last in", data: {}, opts: { lifo: true } },
    ]);
    const order: string[] = [];
    bench.worker(({ name }) => order.push(name));
    await until(() => order.length === 5);
    assert.deepEqual(order, ["last in", "a", "b", "p1", "p2"]);
  });

  it("JobOptions.removeOnComplete, JobOptions.removeOnFail: at once, by count or by age", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = bench.worker(({ name }) => {
      if (name === "fails") throw new Error("no");
    });
    const all = ended(worker, 5);
    const removeOnComplete = { count: 1, age: 100, limit: 10 };
    await queue.addBulk([
      { name: "n", data: {}, opts: { jobId: "gone", removeOnComplete: true } },
      { name: "fails", data: {}, opts: { jobId: "failed", removeOnFail: true } },
      { name: "fails", data: {}, opts: { jobId: "kept", removeOnFail: false } },
      { name: "n", data: {}, opts: { jobId: "older", removeOnComplete } },
      { name: "n", data: {}, opts: { jobId: "newer", removeOnComplete } },
    ]);
    await all;
    await until(async () => (await queue.getCompletedCount()) === 1);
    assert.equal((await queue.getCompleted())[0]?.id, "newer");
    assert.deepEqual(
      (await queue.getFailed()).map(({ id }) => id),
      ["kept"],
    );
    const read = (await queue.getJob("newer"))?.opts.removeOnComplete;
    assert.deepEqual(read, { age: 100, count: 1 });
  });

  it("JobOptions.attempts, backoff: fixed, exponential and a type of the user's own, with jitter", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const asked: unknown[][] = [];
    const worker = bench.worker(
      () => {
        throw new Error("no");
      },
      {
        settings: {
          backoffStrategy: (made, type, error, job) => {
            asked.push([made, type, error?.message, job?.id]);
            return made === 1 ? 0 : -1;
          },
        },
      },
    );
    const all = ended(worker, 5);
    const read = async (id: string): Promise<unknown> => (await queue.getJob(id))?.opts.backoff;
    await queue.addBulk([
      { name: "n", data: {}, opts: { jobId: "fix", attempts: 2, backoff: 100_000 } },
      {
        ...{ name: "n", data: {} },
        opts: {
          ...{ jobId: "exp", attempts: 2 },
          backoff: { type: "exponential", delay: 200_000, jitter: 0.5 },
        },
      },
      { name: "n", data: {}, opts: { jobId: "own", attempts: 5, backoff: { type: "mine" } } },
      { name: "n", data: {}, opts: { jobId: "zero", attempts: 0 } },
    ]);
    await all;
    const fix = (await queue.getJob("fix")) as Job;
    assert.deepEqual([await fix.getState(), fix.attemptsMade], ["delayed", 1]);
    assert.equal(await queue.getDelayedCount(Date.now() + 50_000), 0);
    const until200 = await queue.getDelayedCount(Date.now() + 200_001);
    assert.equal(until200, 2, "the jitter only shortens");
    assert.deepEqual(await read("fix"), { type: "fixed", delay: 100_000 });
    assert.deepEqual(await read("exp"), { type: "exponential", delay: 200_000, jitter: 0.5 });
    assert.deepEqual(await read("own"), { type: "mine", delay: 0 });
    assert.deepEqual(asked, [
      [1, "mine", "no", "own"],
      [2, "mine", "no", "own"],
    ]);
    assert.equal(await queue.getJobState("own"), "failed", "the strategy's -1 ends it");
    assert.equal(await queue.getJobState("zero"), "failed");
  });
});
