// Jobs worked by hand: getNextJob, moveToCompleted and their like.
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { ErrorCode, Job, Worker } from "millrace";

import { Bench, until } from "../support.js";

const TOKEN = "my token";

/** A worker without a processor, on the store of the bench. */
function byHand(bench: Bench, options: { name?: string; drainDelay?: number } = {}): Worker {
  const patient = { store: bench.store, durability: "process", drainDelay: 60 } as const;
  return bench.add(new Worker("q", null, { ...patient, ...options }));
}

describe("manual processing", () => {
  it("Worker.getNextJob: hands out one job after the other under the caller's token", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = byHand(bench, { name: "hand" });
    const active: unknown[][] = [];
    worker.on("active", (job, prev) => active.push([job.id, prev]));
    assert.equal(await worker.getNextJob(TOKEN, { block: false }), undefined);
    await queue.addBulk([
      { name: "n", data: 1, opts: { jobId: "a" } },
      { name: "n", data: 2, opts: { jobId: "b" } },
    ]);
    const first = await worker.getNextJob(TOKEN);
    assert.deepEqual([first?.id, first?.token, first?.data], ["a", TOKEN, 1]);
    assert.equal(first?.processedBy, "hand");
    assert.equal(await queue.getJobState("b"), "waiting", "nobody has asked for it");
    const second = await worker.getNextJob("other", { block: false });
    assert.deepEqual([second?.id, second?.token], ["b", "other"]);
    assert.deepEqual(active, [
      ["a", "waiting"],
      ["b", "waiting"],
    ]);
    assert.equal(await queue.getActiveCount(), 2);
  });

  it("Worker.getNextJob.block: waits for a job that comes later, at most drainDelay", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = byHand(bench);
    const coming = worker.getNextJob(TOKEN);
    await queue.add("n", {}, { jobId: "late" });
    assert.equal((await coming)?.id, "late");
    const impatient = byHand(bench, { drainDelay: 1 });
    assert.equal(await impatient.getNextJob(TOKEN), undefined, "a second has passed");
  });

  it("Job.moveToCompleted: ends the job, and answers the next one", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = byHand(bench);
    worker.on("completed", () => assert.fail("only those who move it know of it"));
    await queue.add("n", { x: 1 }, { jobId: "a" });
    await queue.add("n", { x: 2 }, { jobId: "b" });
    const job = (await worker.getNextJob(TOKEN)) as Job;
    const next = await job.moveToCompleted({ ok: true }, TOKEN);
    assert.equal(await job.getState(), "completed");
    assert.deepEqual([job.returnvalue, job.attemptsMade], [{ ok: true }, 1]);
    assert.ok(job.finishedOn !== undefined);
    assert.deepEqual((await queue.getJob("a"))?.returnvalue, { ok: true });

    const [json, id] = next ?? [];
    assert.equal(id, "b");
    const second = Job.fromJSON(worker, json!, id);
    assert.deepEqual(second.data, { x: 2 });
    assert.deepEqual(await second.moveToCompleted("done", TOKEN), [undefined, undefined, 0, 0]);
    assert.equal((await queue.getJob("b"))?.returnvalue, "done");
    await assert.rejects(second.moveToCompleted("again", TOKEN), {
      code: ErrorCode.JobNotInState,
      message: "Job b is not in the active state. moveToFinished",
    });
  });

  it("Job.moveToFailed: fails the job, or retries it as its options say", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = byHand(bench);
    await queue.add("n", {}, { jobId: "a", attempts: 2 });
    for (const state of ["waiting", "failed"]) {
      const job = (await worker.getNextJob(TOKEN)) as Job;
      assert.equal(await job.moveToFailed(new Error(`no: ${state}`), TOKEN), undefined);
      assert.equal(job.failedReason, `no: ${state}`);
      assert.equal(await job.getState(), state);
    }
    assert.equal((await queue.getJob("a"))?.attemptsMade, 2);
  });

  it("Job.moveToDelayed: by hand it is delayed at once, and the attempt is not counted", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = byHand(bench);
    await queue.add("n", {}, { jobId: "a" });
    const job = (await worker.getNextJob(TOKEN)) as Job;
    await job.moveToDelayed(Date.now() + 100_000, TOKEN);
    assert.equal(await job.getState(), "delayed");
    assert.ok(job.delay > 90_000 && job.delay <= 100_000, String(job.delay));
    assert.equal((await queue.getJob("a"))?.attemptsMade, 0);
  });

  it("Job.moveToWait: by hand it is back in its place at once", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = byHand(bench);
    await queue.add("n", {}, { jobId: "a" });
    const job = (await worker.getNextJob(TOKEN)) as Job;
    assert.equal(await job.moveToWait(TOKEN), 0);
    assert.equal(await job.getState(), "waiting");
    assert.equal((await worker.getNextJob("again"))?.attemptsMade, 0);
  });

  it("Job.moveToWaitingChildren: by hand it waits at once if there is something to wait for", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = byHand(bench);
    await queue.add("parent", {}, { jobId: "p" });
    const job = (await worker.getNextJob(TOKEN)) as Job;
    assert.equal(await job.moveToWaitingChildren(TOKEN), false);
    await queue.add("child", {}, { jobId: "c", parent: job });
    assert.equal(await job.moveToWaitingChildren(TOKEN), true);
    assert.equal(await job.getState(), "waiting-children");
    const child = (await worker.getNextJob(TOKEN)) as Job;
    assert.deepEqual([child.id, child.parentKey], ["c", "q:p"]);
    await child.moveToCompleted(7, TOKEN, false);
    const again = (await worker.getNextJob(TOKEN)) as Job;
    assert.deepEqual(await again.getChildrenValues(), { "q:c": 7 });
  });

  it("ErrorCode.JobLockMismatch: another token than the job was fetched with", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = byHand(bench);
    await queue.add("n", {}, { jobId: "a" });
    const job = (await worker.getNextJob(TOKEN)) as Job;
    await assert.rejects(job.moveToCompleted(1, "wrong"), {
      code: ErrorCode.JobLockMismatch,
      message: "Lock mismatch for job a. Cmd moveToFinished from active",
    });
    assert.equal(await job.getState(), "active");
  });

  it("ErrorCode.JobLockNotExist: the job is in the hands of another process", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = byHand(bench);
    await queue.add("n", {}, { jobId: "a" });
    const job = (await worker.getNextJob(TOKEN)) as Job;
    await worker.close();
    assert.equal(await job.getState(), "waiting", "closed, the worker has given it back");
    await assert.rejects(job.moveToCompleted(1, TOKEN), { code: ErrorCode.JobNotInState });
    const other = byHand(bench);
    assert.equal((await other.getNextJob("other"))?.id, "a");
    await assert.rejects(job.moveToCompleted(1, TOKEN), {
      code: ErrorCode.JobLockNotExist,
      message: "Missing lock for job a. moveToFinished",
    });
  });

  it("Worker.processJob: runs the processor on a job, with events, and answers the next one", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = bench.worker((job) => job.data * 2, { autorun: false, drainDelay: 1 });
    const seen: unknown[][] = [];
    worker.on("completed", (job, result, prev) => seen.push([job.id, result, prev]));
    await queue.addBulk([1, 2].map((data) => ({ name: "n", data, opts: { jobId: `j${data}` } })));
    const first = (await worker.getNextJob(TOKEN)) as Job;
    const second = await worker.processJob(first, TOKEN);
    assert.equal(second?.id, "j2");
    assert.equal(await worker.processJob(second, TOKEN, () => false), undefined);
    assert.deepEqual(seen, [
      ["j1", 2, "active"],
      ["j2", 4, "active"],
    ]);
    await assert.rejects(worker.processJob(first, TOKEN), { code: ErrorCode.JobLockNotExist });
    await assert.rejects(worker.run(), { message: "Worker is already running." });
  });

  it("Worker.extendJobLocks: answers the jobs that the worker does not have", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = byHand(bench);
    await queue.add("n", {}, { jobId: "a" });
    await worker.getNextJob(TOKEN);
    const ids = ["a", "a", "b"];
    assert.deepEqual(await worker.extendJobLocks(ids, [TOKEN, "wrong", TOKEN], 30_000), ["a", "b"]);
  });

  it("Job.extendLock: 1 for a job in hand, else 0", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = byHand(bench);
    const added = await queue.add("n", {}, { jobId: "a" });
    const job = (await worker.getNextJob(TOKEN)) as Job;
    assert.equal(await job.extendLock(TOKEN, 30_000), 1);
    assert.equal(await added.extendLock(TOKEN, 30_000), 1, "an object of the same process");
    assert.equal(await job.extendLock("wrong", 30_000), 0);
    await job.moveToCompleted(1, TOKEN, false);
    assert.equal(await job.extendLock(TOKEN, 30_000), 0);
  });

  it("Worker.startStalledCheckTimer: changes nothing: what a dead worker had is taken back anyhow", async (t) => {
    const bench = new Bench(t);
    const worker = byHand(bench);
    await worker.startStalledCheckTimer();
    await assert.rejects(worker.run(), { message: "No process function is defined." });
  });

  it("many at once: each job goes to one caller, and what is left stays for others", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const workers = [byHand(bench), byHand(bench)] as const;
    await queue.addBulk(Array.from({ length: 20 }, (_, data) => ({ name: "n", data })));
    const jobs = await Promise.all(
      Array.from({ length: 12 }, (_, i) => workers[i % 2]!.getNextJob(`t${i}`)),
    );
    assert.equal(new Set(jobs.map((job) => job?.id)).size, 12);
    await until(async () => (await queue.getActiveCount()) === 12);
    assert.equal(await queue.getWaitingCount(), 8);
    await Promise.all(jobs.map((job) => job!.moveToCompleted(job!.data, undefined, false)));
    assert.equal(await queue.getCompletedCount(), 12);
  });
});
