// Job's properties and methods under BullMQ's names.
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";

import { ErrorCode, Job, type JobNode, type JobsOptions, type Worker } from "millrace";

import { Bench, deferred, until } from "../support.js";

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

describe("Job's properties", () => {
  it("properties of a new job", async (t) => {
    const queue = new Bench(t).queue();
    const before = Date.now();
    const job = await queue.add("n", { x: 1 }, { jobId: "j", delay: 5, priority: 3 });
    for (const each of [job, (await queue.getJob("j")) as Job]) {
      assert.deepEqual([each.id, each.name, each.data, each.queueName], ["j", "n", { x: 1 }, "q"]);
      assert.deepEqual([each.delay, each.priority], [5, 3]);
      assert.ok(each.timestamp >= before && each.timestamp <= Date.now());
      assert.deepEqual([each.progress, each.returnvalue, each.stacktrace], [0, null, []]);
      assert.deepEqual([each.attemptsMade, each.attemptsStarted, each.stalledCounter], [0, 0, 0]);
      assert.deepEqual([each.failedReason, each.deferredFailure], [undefined, undefined]);
      assert.deepEqual([each.processedOn, each.finishedOn], [undefined, undefined]);
      assert.deepEqual([each.token, each.processedBy], [undefined, undefined]);
      assert.deepEqual([each.parent, each.parentKey], [undefined, undefined]);
      assert.deepEqual([each.prefix, each.queueQualifiedName], ["", "q"]);
    }
  });

  it("properties of a job that runs and has ended", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const seen: unknown[] = [];
    const worker = bench.worker(
      async (job, token) => {
        seen.push(job.attemptsMade, job.attemptsStarted, job.token === token, job.processedBy);
        await job.updateProgress({ half: true });
        if (job.attemptsMade === 0) throw new Error("once");
        return { fine: 1 };
      },
      { name: "painter" },
    );
    const both = ended(worker, 2);
    await queue.add("n", {}, { jobId: "j", attempts: 2 });
    await both;
    assert.deepEqual(seen, [0, 1, true, "painter", 1, 2, true, "painter"]);
    const job = (await queue.getJob("j")) as Job;
    assert.deepEqual([job.returnvalue, job.progress], [{ fine: 1 }, { half: true }]);
    assert.deepEqual([job.attemptsMade, job.attemptsStarted, job.processedBy], [2, 2, "painter"]);
    assert.ok(job.processedOn! >= job.timestamp && job.finishedOn! >= job.processedOn!);
    assert.equal(job.stacktrace.length, 1);
    assert.match(job.stacktrace[0]!, /^Error: once\n/);
  });

  it("Job.deduplicationId, Job.repeatJobKey, Job.parent, Job.parentKey: as they were given", async (t) => {
    const queue = new Bench(t).queue();
    const flow = await queue.addFlow({
      ...{ name: "p", opts: { jobId: "p" } },
      children: [{ name: "c", opts: { delay: 100_000 } }],
    });
    const opts: JobsOptions = {
      ...{ deduplication: { id: "k" }, repeatJobKey: "every", prevMillis: 17 },
      ...{ parent: { id: "p", queue: flow.job.queueQualifiedName }, failParentOnFailure: true },
    };
    const added = await queue.add("n", {}, { ...opts, jobId: "j" });
    for (const job of [added, (await queue.getJob("j")) as Job]) {
      assert.equal(job.deduplicationId, "k");
      assert.deepEqual([job.repeatJobKey, job.opts.prevMillis], ["every", 17]);
      assert.deepEqual(job.parent, { id: "p", queueKey: "q", fpof: true });
      assert.equal(job.parentKey, "q:p");
      assert.equal(job.opts.failParentOnFailure, true);
      assert.equal(job.opts.headers, undefined, "what carries these is not shown");
    }
    assert.equal((await flow.job.getDependenciesCount()).unprocessed, 2);
  });

  it("Job.stalledCounter, Job.failedReason: see the test of workers that die", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = bench.worker(() => {
      throw new TypeError("not so");
    });
    const failed = ended(worker);
    await queue.add("n", {}, { jobId: "j" });
    assert.deepEqual([(await failed).failedReason, (await failed).stalledCounter], ["not so", 0]);
    assert.equal((await queue.getJob("j"))?.failedReason, "not so");
  });
});

describe("Job's functions", () => {
  it("Job.create, Job.createBulk, Job.fromId, Job.addJobLog: the queue's methods", async (t) => {
    const queue = new Bench(t).queue();
    const job = await Job.create(queue, "n", { x: 1 }, { jobId: "a" });
    const bulk = await Job.createBulk(queue, [{ name: "m", data: 2, opts: { jobId: "b" } }]);
    assert.deepEqual([job.id, bulk.map(({ id }) => id)], ["a", ["b"]]);
    assert.deepEqual((await Job.fromId(queue, "a"))?.data, { x: 1 });
    assert.equal(await Job.fromId(queue, "gone"), undefined);
    assert.equal(await Job.addJobLog(queue, "a", "line"), 1);
  });

  it("Job.asJSON, Job.asJSONSandbox, Job.fromJSON, Job.toJSON: plain data and back", async (t) => {
    const queue = new Bench(t).queue();
    const job = await queue.add("n", { x: 1 }, { jobId: "a", attempts: 2, priority: 4 });
    const json = job.asJSON();
    assert.deepEqual(json, {
      ...{ id: "a", name: "n", data: '{"x":1}', opts: job.opts, progress: 0 },
      ...{ timestamp: job.timestamp, delay: 0, priority: 4 },
      ...{ attemptsMade: 0, attemptsStarted: 0, stalledCounter: 0 },
      ...{ stacktrace: "[]", returnvalue: "null" },
    });
    assert.deepEqual(job.asJSONSandbox(), {
      ...json,
      ...{ queueName: "q", queueQualifiedName: "q", prefix: "" },
    });
    const again = Job.fromJSON(queue, JSON.parse(JSON.stringify(json)) as typeof json);
    assert.deepEqual(again.toJSON(), job.toJSON());
    assert.equal(JSON.stringify(again), JSON.stringify(job));
    assert.equal(await again.getState(), "prioritized");
  });

  it("Job.optsFromJSON: knows the short names that BullMQ stores", () => {
    const raw = { de: { id: "k" }, fpof: true, kl: 3, tm: "trace", omc: true, delay: 5 };
    assert.deepEqual(Job.optsFromJSON(JSON.stringify(raw)), {
      ...{ deduplication: { id: "k" }, failParentOnFailure: true, keepLogs: 3, delay: 5 },
      telemetry: { metadata: "trace", omitContext: true },
    });
  });

  it("Job.getState and isCompleted, isFailed, isDelayed, isActive, isWaiting, isWaitingChildren", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const delayed = await queue.add("n", {}, { delay: 100_000 });
    assert.deepEqual([await delayed.isDelayed(), await delayed.isWaiting()], [true, false]);
    const prioritized = await queue.add("n", {}, { priority: 1 });
    assert.deepEqual(
      [await prioritized.getState(), await prioritized.isWaiting()],
      ["prioritized", true],
    );
    await prioritized.remove();
    const { job: parent } = await queue.addFlow({
      ...{ name: "p", children: [{ name: "c", opts: { delay: 100_000 } }] },
    });
    assert.equal(await parent.isWaitingChildren(), true);
    const gate = deferred();
    const worker = bench.worker(async ({ name }) => {
      await gate.promise;
      if (name === "fails") throw new Error("no");
    });
    const active = once(worker, "active");
    const completes = await queue.add("n", {});
    await active;
    assert.deepEqual([await completes.isActive(), await completes.getState()], [true, "active"]);
    const both = ended(worker, 2);
    const fails = await queue.add("fails", {});
    gate.resolve();
    await both;
    assert.deepEqual([await completes.isCompleted(), await fails.isFailed()], [true, true]);
  });

  it("Job.log: answers how many lines there are, also in a later attempt", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const counts: number[] = [];
    const worker = bench.worker(async (job) => {
      counts.push(await job.log("one"), await job.log("two"));
      if (job.attemptsMade === 0) throw new Error("again");
    });
    const both = ended(worker, 2);
    await queue.add("n", {}, { jobId: "j", attempts: 2 });
    await both;
    assert.deepEqual(counts, [1, 2, 3, 4]);
    assert.equal((await queue.getJobLogs("j")).count, 4);
  });

  it("Job.clearLogs: keeps the newest lines that it is told", async (t) => {
    const queue = new Bench(t).queue();
    const job = await queue.add("n", {}, { jobId: "j" });
    for (const line of ["a", "b", "c"]) await job.log(line);
    await job.clearLogs(1);
    assert.deepEqual(await queue.getJobLogs("j"), { logs: ["c"], count: 1 });
    assert.equal(await job.log("d"), 2);
    await job.clearLogs();
    assert.deepEqual(await queue.getJobLogs("j"), { logs: [], count: 0 });
    for (const line of ["a", "b", "c"]) await queue.addJobLog("j", line, 2);
    assert.deepEqual(await queue.getJobLogs("j"), { logs: ["b", "c"], count: 2 });
  });

  it("Job.removeChildDependency: the parent waits for the others only", async (t) => {
    const queue = new Bench(t).queue();
    const delay = { delay: 100_000 };
    const { job: parent, children } = await queue.addFlow({
      name: "p",
      opts: { jobId: "p" },
      children: [
        { name: "a", opts: { jobId: "a", ...delay } },
        { name: "b", opts: { jobId: "b", ...delay } },
      ],
    });
    const [a, b] = children!.map(({ job }) => job);
    assert.equal(await a!.removeChildDependency(), true);
    assert.equal(await a!.removeChildDependency(), false);
    assert.equal(await parent.isWaitingChildren(), true);
    const read = (await queue.getJob("b")) as Job;
    assert.equal(await read.removeChildDependency(), true);
    assert.deepEqual([read.parent, read.parentKey], [undefined, undefined]);
    assert.equal(await parent.isWaiting(), true);
    assert.equal(await b!.isDelayed(), true);
    assert.equal(await (await queue.add("n", {})).removeChildDependency(), false);
  });

  it("Job.removeUnprocessedChildren: removes the children that have not been started", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const gate = deferred();
    const worker = bench.worker(() => gate.promise, {}, "busy");
    const active = once(worker, "active");
    const { job: parent } = await queue.addFlow({
      name: "p",
      children: [
        { name: "waits", opts: { jobId: "waits" } },
        { name: "late", opts: { jobId: "late", delay: 100_000 } },
        { name: "runs", queueName: "busy", opts: { jobId: "runs" } },
      ],
    });
    await active;
    await parent.removeUnprocessedChildren();
    assert.equal(await queue.getJobState("waits"), "unknown");
    assert.equal(await queue.getJobState("late"), "unknown");
    assert.equal(await parent.isWaitingChildren(), true, "for the one that runs");
    gate.resolve();
    await until(() => parent.isWaiting());
  });

  it("Job.retry: keeps the counts of attempts unless it is told to reset them", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = bench.worker(() => {
      throw new Error("no");
    });
    const first = ended(worker, 2);
    await queue.add("n", {}, { jobId: "j", attempts: 2 });
    await first;
    const counts = async (): Promise<number[]> => {
      const job = (await queue.getJob("j")) as Job;
      return [job.attemptsMade, job.attemptsStarted];
    };
    assert.deepEqual(await counts(), [2, 2]);
    const again = ended(worker);
    const job = (await queue.getJob("j")) as Job;
    await job.retry();
    assert.equal(job.attemptsMade, 2);
    await again;
    assert.deepEqual(await counts(), [3, 3], "one more attempt");
    const anew = ended(worker, 2);
    await job.retry("failed", { resetAttemptsMade: true, resetAttemptsStarted: true });
    assert.deepEqual([job.attemptsMade, job.attemptsStarted], [0, 0]);
    await anew;
    assert.deepEqual(await counts(), [2, 2]);
  });

  it("Job.remove({removeChildren: false}), Queue.remove({removeChildren: false}): the children stay", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const family = (): Promise<JobNode> =>
      queue.addFlow({ name: "p", children: [{ name: "c", queueName: "children" }] });
    const [one, two, three] = [await family(), await family(), await family()];
    await one.job.remove({ removeChildren: false });
    assert.equal(await queue.remove(two.job.id, { removeChildren: false }), 1);
    await three.job.remove({ removeChildren: true });
    const children = bench.queue("children");
    const left = (await children.getWaiting()).map(({ id }) => id);
    const kept = [one, two].map((each) => each.children![0]!.job.id);
    assert.deepEqual(left.sort(), kept.sort());
    assert.equal((await children.getJob(kept[0]!))?.parent, undefined, "they go their own way");
    const done: string[] = [];
    bench.worker((job) => void done.push(job.id), {}, "children");
    await until(() => done.length === 2);
    for (const bad of [{ removeChildren: 1 }, { children: true }, null]) {
      const error = { code: "invalid_argument" };
      await assert.rejects(three.job.remove(bad as never), error);
      await assert.rejects(queue.remove("x", bad as never), error);
    }
  });

  it("Job.parent of a flow: of jobs that were added, read and started, with what they do if it fails", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const opts = { ignoreDependencyOnFailure: true };
    const root = await queue.addFlow({
      name: "root",
      opts: { jobId: "root" },
      children: [{ name: "mid", queueName: "other", opts, children: [{ name: "leaf" }] }],
    });
    const mid = root.children![0]!;
    const leaf = mid.children![0]!;
    const ofMid = { id: "root", queueKey: "q", idof: true };
    const ofLeaf = { id: mid.job.id, queueKey: "other" };
    assert.equal(root.job.parent, undefined);
    assert.deepEqual(mid.job.parent, ofMid);
    assert.deepEqual(leaf.job.parent, ofLeaf);
    assert.equal(leaf.job.parentKey, `other:${mid.job.id}`);
    const other = bench.queue("other");
    assert.deepEqual((await other.getJob(mid.job.id))?.parent, ofMid);
    const [listed] = await other.getWaiting();
    assert.deepEqual([listed?.id, listed?.parent], [leaf.job.id, ofLeaf]);
    assert.deepEqual(listed?.asJSON().parent, ofLeaf);
    const seen: unknown[] = [];
    bench.worker((job) => void seen.push([job.name, job.parent]), {}, "other");
    await until(() => seen.length === 2);
    assert.deepEqual(seen, [
      ["leaf", ofLeaf],
      ["mid", ofMid],
    ]);
    assert.deepEqual((await other.getJob(mid.job.id))?.parent, ofMid, "when it has ended, too");
  });

  it("Job.remove: refuses a job that runs, and tells the queue's listeners", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const removed: string[] = [];
    queue.on("removed", (id) => removed.push(id));
    const gate = deferred();
    const worker = bench.worker(() => gate.promise);
    const active = once(worker, "active");
    const job = await queue.add("n", {}, { jobId: "j" });
    await active;
    await assert.rejects(job.remove(), {
      code: "wrong_state",
      message: "Job j could not be removed because it is locked by another worker",
    });
    const other = await queue.add("n", {}, { jobId: "other" });
    await other.remove();
    await assert.rejects(other.remove(), {
      code: ErrorCode.JobNotExist,
      message: "Missing key for job other. removeJob",
    });
    assert.deepEqual(removed, ["other"]);
    gate.resolve();
  });

  it("Job.updateData: replaces the data, also of a job that runs", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const seen: unknown[] = [];
    const worker = bench.worker(async (job) => {
      seen.push(job.data);
      await job.updateData({ step: 2 });
      seen.push(job.data);
      if (job.attemptsMade === 0) throw new Error("again");
    });
    await worker.pause();
    const job = await queue.add("n", { step: 0 }, { jobId: "j", attempts: 2 });
    await job.updateData({ step: 1 });
    assert.deepEqual((await queue.getJob("j"))?.data, { step: 1 });
    const both = ended(worker, 2);
    await worker.resume();
    await both;
    assert.deepEqual(seen, [{ step: 1 }, { step: 2 }, { step: 2 }, { step: 2 }]);
    await assert.rejects(job.updateData(5n), /data is a BigInt/);
    await job.remove();
    await assert.rejects(job.updateData({}), {
      code: ErrorCode.JobNotExist,
      message: "Missing key for job j. updateData",
    });
  });

  it("Job.changeDelay: of a delayed job, from now", async (t) => {
    const queue = new Bench(t).queue();
    const job = await queue.add("n", {}, { jobId: "j", delay: 1_000_000 });
    await job.changeDelay(50_000);
    assert.equal(job.delay, 50_000);
    assert.equal(await queue.getDelayedCount(Date.now() + 10_000), 0);
    assert.equal(await queue.getDelayedCount(Date.now() + 50_001), 1);
    await job.promote();
    await assert.rejects(job.changeDelay(5), {
      code: ErrorCode.JobNotInState,
      message: "Job j is not in the delayed state. changeDelay",
    });
    await job.remove();
    await assert.rejects(job.changeDelay(5), {
      code: -1,
      message: "Missing key for job j. changeDelay",
    });
  });

  it("Job.changePriority: puts a job elsewhere in the line", async (t) => {
    const queue = new Bench(t).queue();
    const [first, , last] = await queue.addBulk(
      ["a", "b", "c"].map((jobId) => ({ name: "n", data: {}, opts: { jobId } })),
    );
    await first!.changePriority({ priority: 5 });
    assert.equal(first!.priority, 5);
    assert.equal(await first!.getState(), "prioritized");
    await last!.changePriority({ priority: 0, lifo: true });
    assert.deepEqual(await queue.getRanges(["waiting", "prioritized"], 0, -1, true), [
      ...["c", "b", "a"],
    ]);
    await first!.remove();
    await assert.rejects(first!.changePriority({ priority: 1 }), {
      code: ErrorCode.JobNotExist,
      message: "Missing key for job a. changePriority",
    });
  });

  it("Job.promote, Job.retry: only from the right state", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const job = await queue.add("n", {}, { jobId: "j", delay: 100_000 });
    await assert.rejects(job.retry(), {
      code: ErrorCode.JobNotInState,
      message: "Job j is not in the failed state. reprocessJob",
    });
    await job.promote();
    assert.deepEqual([job.delay, await job.getState()], [0, "waiting"]);
    await assert.rejects(job.promote(), {
      code: -3,
      message: "Job j is not in the delayed state. promote",
    });
    const worker = bench.worker(() => 1);
    await ended(worker);
    await worker.close();
    await job.retry("completed", { resetAttemptsMade: true, resetAttemptsStarted: true });
    assert.deepEqual([await job.getState(), job.returnvalue], ["waiting", null]);
    await job.remove();
    await assert.rejects(job.promote(), { code: -1, message: "Missing key for job j. promote" });
    await assert.rejects(job.retry(), { code: -1, message: "Missing key for job j. reprocessJob" });
  });

  it("Job.removeDeduplicationKey: only while the job holds it", async (t) => {
    const queue = new Bench(t).queue();
    const deduplication = { id: "k", ttl: 100_000 };
    const first = await queue.add("n", {}, { jobId: "a", deduplication });
    assert.equal(await first.removeDeduplicationKey(), true);
    const second = await queue.add("n", {}, { jobId: "b", deduplication });
    assert.equal(await first.removeDeduplicationKey(), false);
    assert.equal(await second.removeDeduplicationKey(), true);
    assert.equal(await (await queue.add("n", {})).removeDeduplicationKey(), false);
  });

  it("Job.discard: a failure is final", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = bench.worker((job) => {
      job.discard();
      throw new Error("no more");
    });
    const failed = ended(worker);
    await queue.add("n", {}, { jobId: "j", attempts: 5 });
    await failed;
    assert.equal(await queue.getJobState("j"), "failed");
    const elsewhere = Job.fromJSON(queue, { name: "n" }, "x");
    assert.throws(() => elsewhere.discard(), { code: "wrong_state" });
  });
});
