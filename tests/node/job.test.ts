import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import { inspect } from "node:util";

import { ErrorCode, Job, type MillraceError, RemoteError } from "millrace";

import { Bench, deferred } from "./support.js";

describe("Job.waitUntilFinished", () => {
  it("answers the result", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    bench.worker((job) => job.data.x * 2);
    const job = await queue.add("double", { x: 21 });
    assert.equal(await job.waitUntilFinished(events), 42);
    assert.equal(await job.waitUntilFinished(events), 42, "also when it has ended already");
  });

  it("answers many at once, whichever comes first: the end or the question", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    bench.worker((job) => job.data.i, { concurrency: 50 });
    const results = await Promise.all(
      Array.from({ length: 300 }, async (_, i) =>
        (await queue.add("n", { i })).waitUntilFinished(events),
      ),
    );
    assert.deepEqual(
      results,
      Array.from({ length: 300 }, (_, i) => i),
    );
  });

  it("rejects with a RemoteError that has the type, message, stack and data of the error", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    bench.worker(() => {
      throw Object.assign(new RangeError("too far"), { data: { limit: 3 } });
    });
    const job = await queue.add("n", {});
    await assert.rejects(job.waitUntilFinished(events), (error: RemoteError) => {
      assert.ok(error instanceof RemoteError);
      assert.equal(error.name, "RemoteError");
      assert.equal(error.type, "RangeError");
      assert.equal(error.message, "too far");
      assert.match(error.remoteStack, /RangeError: too far\n\s+at /);
      assert.deepEqual(error.data, { limit: 3 });
      assert.equal(error.jobId, job.id);
      return true;
    });
  });

  it("rejects when the job is cancelled", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    const job = await queue.add("n", {});
    // The end may be told before the cancel has been answered.
    const rejected = assert.rejects(job.waitUntilFinished(events), {
      ...{ name: "RemoteError", message: "never mind" },
    });
    await job.cancel("never mind");
    await rejected;
  });

  it("rejects after ttl, for a job that does not exist, and for the events of another queue", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    const job = await queue.add("n", {}, { jobId: "slow" });
    await assert.rejects(job.waitUntilFinished(events, 10), {
      code: "timeout",
      message:
        "Job wait n timed out before finishing, no finish notification arrived after 10ms (id=slow)",
    });
    await job.remove();
    await assert.rejects(job.waitUntilFinished(events), {
      code: ErrorCode.JobNotExist,
      message: "Missing key for job slow. isFinished",
    });
    await assert.rejects(job.waitUntilFinished(await bench.events("other")), {
      message: 'job.waitUntilFinished: job "slow" is in queue "q", the QueueEvents follow "other"',
    });
  });

  it("finds the end of a job that was removed when it completed", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    const worker = bench.worker(() => "kept in the log");
    const completed = once(worker, "completed");
    const job = await queue.add("n", {}, { removeOnComplete: true });
    await completed;
    assert.equal(await queue.getJob(job.id), undefined);
    assert.equal(await job.waitUntilFinished(events), "kept in the log");
  });

  it("rejects when the events are closed", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    const job = await queue.add("n", {});
    const waiting = job.waitUntilFinished(events);
    waiting.catch(() => undefined);
    await events.close();
    await assert.rejects(waiting, { code: "closed" });
    await assert.rejects(job.waitUntilFinished(events), { code: "closed" });
  });
});

describe("Job's methods", () => {
  it("retry runs a failed job again and refuses others", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    let fail = true;
    const worker = bench.worker(() => {
      if (fail) throw new Error("first");
      return "second";
    });
    const failed = once(worker, "failed");
    const job = await queue.add("n", {}, { jobId: "j" });
    await failed;
    fail = false;
    await assert.rejects(job.retry("completed"), {
      code: ErrorCode.JobNotInState,
      reason: "wrong_state",
      message: "Job j is not in the completed state. reprocessJob",
    });
    const completed = once(worker, "completed");
    await job.retry();
    assert.equal((await completed)[1], "second");
    await assert.rejects(job.retry(), { code: ErrorCode.JobNotInState });
  });

  it("promote and remove", async (t) => {
    const queue = new Bench(t).queue();
    const job = await queue.add("n", {}, { delay: 100_000 });
    assert.equal(await job.isDelayed(), true);
    await job.promote();
    assert.equal(await job.isWaiting(), true);
    assert.equal(job.delay, 0);
    await assert.rejects(job.promote(), { code: ErrorCode.JobNotInState });
    await job.remove();
    assert.equal(await job.getState(), "unknown");
    await assert.rejects(job.remove(), { code: ErrorCode.JobNotExist });
  });

  it("remove refuses a job that runs", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const started = deferred();
    const finish = deferred();
    bench.worker(async () => {
      started.resolve();
      await finish.promise;
    });
    const job = await queue.add("n", {});
    await started.promise;
    assert.equal(await job.isActive(), true);
    await assert.rejects(job.remove(), { code: "wrong_state" });
    finish.resolve();
  });

  it("log and updateProgress work inside and outside a worker", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = bench.worker(async (job) => {
      assert.equal(await job.log("inside 1"), 1);
      assert.equal(await job.log("inside 2"), 2);
      await job.updateProgress({ step: 1 });
    });
    const completed = once(worker, "completed");
    const job = await queue.add("n", {});
    await completed;
    await job.log("outside");
    assert.deepEqual((await queue.getJobLogs(job.id)).logs, ["inside 1", "inside 2", "outside"]);
    assert.deepEqual((await queue.getJob(job.id))?.progress, { step: 1 });
    await job.updateProgress("over");
    assert.equal((await queue.getJob(job.id))?.progress, "over");
  });

  it("progress after the job has ended is a lost lease", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const late = deferred<Job>();
    const worker = bench.worker((job) => {
      late.resolve(job);
    });
    const completed = once(worker, "completed");
    await queue.add("n", {});
    await completed;
    const job = await late.promise;
    await assert.rejects(job.updateProgress(1), { code: "lease_lost" });
    await assert.rejects(job.log("line"), { code: "lease_lost" });
  });

  it("signal is only there where the job runs", async (t) => {
    const queue = new Bench(t).queue();
    const job = await queue.add("n", {});
    assert.throws(
      () => job.signal,
      (error: MillraceError) => error.code === "wrong_state",
    );
  });

  it("toJSON and inspect show what it is", async (t) => {
    const queue = new Bench(t).queue();
    const job = await queue.add("n", { x: 1 }, { jobId: "j" });
    const json = JSON.parse(JSON.stringify(job));
    assert.equal(json.id, "j");
    assert.deepEqual(json.data, { x: 1 });
    assert.match(inspect(job), /id: 'j'/);
    assert.equal((await Job.fromId(queue, "j"))?.id, "j");
  });
});
