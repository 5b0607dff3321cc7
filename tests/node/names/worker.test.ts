// Worker's options and methods under BullMQ's names.
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";

import {
  DelayedError,
  type Job,
  type MillraceError,
  RateLimitError,
  TimeLimitError,
  UnrecoverableError,
  WaitingError,
  Worker,
} from "millrace";

import { Bench, deferred, runFixture, until } from "../support.js";

describe("Worker's options", () => {
  it("WorkerOptions.limiter: bounds the starts of the queue", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    let started = 0;
    const worker = bench.worker(() => started++, {
      limiter: { max: 2, duration: 100_000 },
      maximumRateLimitDelay: 10,
      concurrency: 5,
    });
    await worker.waitUntilReady();
    assert.deepEqual(await queue.getGlobalRateLimit(), { max: 2, duration: 100_000 });
    await queue.addBulk(Array.from({ length: 5 }, () => ({ name: "n", data: {} })));
    await until(async () => (await queue.getCompletedCount()) === 2);
    assert.deepEqual([started, await queue.getWaitingCount()], [2, 3]);
    assert.ok((await queue.getRateLimitTtl()) > 0);
  });

  it("WorkerOptions.removeOnComplete, WorkerOptions.removeOnFail: hold for jobs that say nothing", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = bench.worker(
      ({ name }) => {
        if (name === "fails") throw new Error("no");
      },
      { removeOnComplete: { count: 1 }, removeOnFail: { count: 0 } },
    );
    let ended = 0;
    worker.on("completed", () => ended++).on("failed", () => ended++);
    await worker.waitUntilReady();
    await queue.addBulk([
      ...["a", "b", "c"].map((jobId) => ({ name: "n", data: {}, opts: { jobId } })),
      { name: "fails", data: {}, opts: { jobId: "f" } },
      { name: "fails", data: {}, opts: { jobId: "kept", removeOnFail: false } },
    ]);
    await until(async () => ended === 5 && (await queue.getCompletedCount()) === 1);
    assert.deepEqual(
      (await queue.getFailed()).map(({ id }) => id),
      ["kept"],
    );
  });

  it("WorkerOptions.removeOnComplete alone leaves the rule for failed jobs", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    await queue.setRetention({ removeOnComplete: false, removeOnFail: 0 });
    const worker = bench.worker(
      ({ name }) => {
        if (name === "fails") throw new Error("no");
      },
      { removeOnComplete: 0 },
    );
    let ended = 0;
    worker.on("completed", () => ended++).on("failed", () => ended++);
    await worker.waitUntilReady();
    await queue.addBulk(["n", "fails"].map((name) => ({ name, data: {} })));
    await until(async () => ended === 2 && (await queue.getJobCountByTypes()) === 0);
  });

  it("WorkerOptions.maxStartedAttempts: a job that was started too often is neither retried nor run", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    let failed = 0;
    const fails = (): never => {
      throw new Error("no");
    };
    const bounded = bench.worker(fails, { maxStartedAttempts: 2 });
    bounded.on("failed", () => failed++);
    await queue.add("n", {}, { jobId: "twice", attempts: 5 });
    await until(() => failed === 2);
    assert.equal(await queue.getJobState("twice"), "failed");
    await bounded.close();

    const unbounded: Worker = bench.worker(async () => {
      await unbounded.pause(true);
      fails();
    });
    const once1 = once(unbounded, "failed");
    await queue.add("n", {}, { jobId: "started", attempts: 5 });
    await once1;
    await unbounded.close();
    const strict = bench.worker(() => assert.fail("not run"), { maxStartedAttempts: 1 });
    const [job, error] = (await once(strict, "failed")) as [Job, Error];
    assert.deepEqual([job.id, error.name], ["started", "UnrecoverableError"]);
    assert.equal(error.message, "job started more than allowable limit");
  });

  it("WorkerOptions.maxStalledCount: a job under which too many workers died fails", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const run = runFixture("blocked-loop.mjs", bench.store, "600000");
    await queue.add("n", {}, { jobId: "j", attempts: 5 });
    await run.says("blocking");
    const worker = bench.worker(() => assert.fail("not run"), { maxStalledCount: 0 });
    const failed = once(worker, "failed");
    run.child.kill("SIGKILL");
    const [job, error, prev] = (await failed) as [Job, Error, string];
    assert.deepEqual([job.id, job.stalledCounter, prev], ["j", 1, "active"]);
    assert.equal(error.message, "job stalled more than allowable limit");
    assert.equal(await queue.getJobState("j"), "failed", "whatever attempts are left");
    assert.throws(
      () => new Worker("q", () => 1, { store: bench.store, maxStalledCount: -1 }),
      /maxStalledCount must be greater or equal than 0/,
    );
  });

  it("job TTL: the signal fires, the attempt has failed, and what comes later is not used", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const gate = deferred();
    const reasons: unknown[] = [];
    const worker = bench.worker(
      async (job) => {
        job.signal.addEventListener("abort", () => reasons.push(job.signal.reason));
        await gate.promise;
        return "late";
      },
      { ttl: { slow: 20 }, concurrency: 2 },
    );
    const failed = once(worker, "failed");
    const completed = once(worker, "completed");
    await queue.addBulk([
      { name: "slow", data: {}, opts: { jobId: "slow" } },
      { name: "free", data: {}, opts: { jobId: "free" } },
    ]);
    const [job, error] = (await failed) as [Job, Error];
    assert.deepEqual([job.id, await queue.getJobState("slow")], ["slow", "failed"]);
    assert.ok(error instanceof TimeLimitError);
    assert.equal(error.message, 'job "slow" ran longer than its ttl');
    assert.deepEqual(reasons, [error]);
    gate.resolve();
    assert.equal(((await completed) as [Job])[0].id, "free");
  });

  it("WorkerOptions without effect are accepted", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = bench.worker(() => "done", {
      ...{ lockDuration: 1, lockRenewTime: 1, stalledInterval: 1, skipStalledCheck: true },
      ...{ skipLockRenewal: true, runRetryDelay: 1, maximumRateLimitDelay: 1 },
      ...{ metrics: { maxDataPoints: 5 }, skipVersionCheck: true, skipWaitingForReady: true },
      ...{ blockingConnection: true, drainDelay: 1 },
    });
    worker.on("lockRenewalFailed", () => assert.fail("nothing is renewed"));
    worker.on("locksRenewed", () => assert.fail("nothing is renewed"));
    const completed = once(worker, "completed");
    await queue.add("n", {});
    await completed;
    for (const name of ["stalledInterval", "drainDelay"]) {
      assert.throws(
        () => new Worker("q", () => 1, { store: bench.store, [name]: 0 }),
        new RegExp(`${name} must be greater than 0`),
      );
    }
  });

  it("WorkerOptions.concurrency, Worker.concurrency: may be changed, and is checked", async (t) => {
    const bench = new Bench(t);
    const worker = bench.worker(() => 1, { concurrency: 3 });
    assert.equal(worker.concurrency, 3);
    worker.concurrency = 7;
    assert.equal(worker.concurrency, 7);
    assert.throws(() => (worker.concurrency = 0), /worker.concurrency must be an integer from 1/);
  });
});

describe("Worker's processor", () => {
  it("DelayedError: after job.moveToDelayed() the job is delayed, and the attempt not counted", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = bench.worker(async (job, token) => {
      await job.moveToDelayed(Date.now() + 100_000, token);
      throw new DelayedError();
    });
    worker.on("completed", () => assert.fail()).on("failed", () => assert.fail());
    worker.on("error", () => assert.fail());
    await queue.add("n", {}, { jobId: "j" });
    await until(async () => (await queue.getJobState("j")) === "delayed");
    const job = (await queue.getJob("j")) as Job;
    assert.deepEqual([job.attemptsMade, job.attemptsStarted], [0, 1]);
    assert.equal(await queue.getDelayedCount(Date.now() + 50_000), 0);
  });

  it("DelayedError without job.moveToDelayed(): the attempt has failed", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = bench.worker(() => {
      throw new DelayedError();
    });
    const failed = once(worker, "failed");
    await queue.add("n", {}, { jobId: "j" });
    await failed;
    assert.equal(await queue.getJobState("j"), "failed");
  });

  it("WaitingError: after job.moveToWait() the job goes back to its place", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const made: number[] = [];
    const worker = bench.worker(async (job, token) => {
      made.push(job.attemptsMade);
      if (made.length === 3) return "done";
      await job.moveToWait(token);
      throw new WaitingError();
    });
    const completed = once(worker, "completed");
    await queue.add("n", {}, { jobId: "j" });
    await completed;
    assert.deepEqual(made, [0, 0, 0]);
  });

  it("a processor that returns after it has moved its job: moved; that throws: an error event", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const errors: string[] = [];
    const worker = bench.worker(async (job, token) => {
      await job.moveToDelayed(Date.now() + 100_000, token);
      if (job.name === "throws") throw new Error("by the way");
    });
    worker.on("error", ({ message }) => errors.push(message));
    worker.on("completed", () => assert.fail()).on("failed", () => assert.fail());
    await queue.addBulk(["returns", "throws"].map((name) => ({ name, data: {} })));
    await until(async () => (await queue.getDelayedCount()) === 2);
    assert.deepEqual(errors, ["by the way"]);
  });

  it("RateLimitError, Worker.RateLimitError, Worker.rateLimit: the job goes back, and all wait", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const made: number[] = [];
    const worker: Worker = bench.worker(async (job) => {
      made.push(job.attemptsMade);
      if (made.length > 1) return;
      await worker.rateLimit(100_000);
      throw Worker.RateLimitError();
    });
    worker.on("failed", () => assert.fail("it has not failed"));
    await queue.add("n", {}, { jobId: "j" });
    await until(async () => made.length === 1 && (await queue.getWaitingCount()) === 1);
    assert.ok((await queue.getRateLimitTtl()) > 90_000);
    const completed = once(worker, "completed");
    await queue.removeRateLimitKey();
    await completed;
    assert.deepEqual(made, [0, 0]);
    assert.ok(new RateLimitError() instanceof Error);
  });

  it("UnrecoverableError: no attempt is left", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    class Mine extends UnrecoverableError {}
    const worker = bench.worker(() => {
      throw new Mine("broken for good");
    });
    const failed = once(worker, "failed");
    await queue.add("n", {}, { jobId: "j", attempts: 5 });
    await failed;
    const job = (await queue.getJob("j")) as Job;
    assert.deepEqual([await job.getState(), job.failedReason], ["failed", "broken for good"]);
    assert.equal(job.attemptsMade, 1);
  });

  it("a result that is no JSON: the attempt has failed, and the path is named", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const cycle: Record<string, unknown> = {};
    cycle["deep"] = { self: cycle };
    const results = [{ rows: [{ price: 5n }] }, cycle, { "on done": () => 1 }];
    const worker = bench.worker((job) => results[job.data as number]);
    const failed: string[] = [];
    worker.on("failed", (job) => failed.push(job!.failedReason.replace(/^.* JSON: /, "")));
    await queue.addBulk([0, 1, 2].map((data) => ({ name: "n", data })));
    await until(() => failed.length === 3);
    assert.deepEqual(failed, [
      "result.rows[0].price is a BigInt (5n)",
      "result.deep.self is result again, which contains it",
      'result["on done"] is a function',
    ]);
  });

  it("a processor that never settles: close() waits, close(true) gives the job back", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = bench.worker(() => new Promise(() => undefined));
    const active = once(worker, "active");
    await queue.add("n", {}, { jobId: "j" });
    await active;
    let closed = false;
    const closing = worker.close().then(() => (closed = true));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(closed, false);
    await worker.close(true);
    await closing;
    assert.equal(await queue.getJobState("j"), "waiting");
  });
});

describe("Worker's methods", () => {
  it("Worker.cancelJob, Worker.cancelAllJobs: fire the signals of jobs that run here", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    let begun = 0;
    const worker = bench.worker(
      async (_job, _token, signal) => {
        begun++;
        await once(signal, "abort");
        throw signal.reason;
      },
      { concurrency: 3 },
    );
    const cancelled: unknown[][] = [];
    worker.on("cancelled", (job, reason) => cancelled.push([job.id, reason]));
    await queue.addBulk(["a", "b", "c"].map((jobId) => ({ name: "n", data: {}, opts: { jobId } })));
    await until(() => begun === 3); // what is claimed has not begun here yet
    assert.equal(worker.cancelJob("nobody"), false);
    assert.equal(worker.cancelJob("b", "just so"), true);
    await until(() => cancelled.length === 1);
    worker.cancelAllJobs("all of you");
    await until(() => cancelled.length === 3);
    assert.deepEqual(cancelled[0], ["b", "just so"]);
    assert.deepEqual(cancelled.slice(1).sort(), [
      ["a", "all of you"],
      ["c", "all of you"],
    ]);
  });

  it("Worker.run, Worker.isRunning, WorkerOptions.autorun: once, with BullMQ's sentences", async (t) => {
    const bench = new Bench(t);
    const worker = bench.worker(() => 1, { autorun: false });
    assert.equal(worker.isRunning(), false);
    const running = worker.run();
    assert.equal(worker.isRunning(), true);
    await assert.rejects(worker.run(), { message: "Worker is already running." });
    await worker.close();
    await running;
    assert.equal(worker.isRunning(), false);
    await assert.rejects(worker.pause(), { code: "closed" } as Partial<MillraceError>);
  });

  it("Worker.pause, Worker.resume, Worker.isPaused: `paused` is told when what ran has ended", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const gate = deferred();
    const told: string[] = [];
    const worker = bench.worker(() => gate.promise);
    worker.on("paused", () => told.push("paused")).on("resumed", () => told.push("resumed"));
    worker.on("completed", () => told.push("completed"));
    const active = once(worker, "active");
    await queue.add("n", {});
    await active;
    const pausing = worker.pause();
    await queue.add("n", {}, { jobId: "waits" });
    assert.equal(worker.isPaused(), true);
    gate.resolve();
    await pausing;
    assert.equal(await queue.getJobState("waits"), "waiting");
    await worker.resume();
    assert.equal(worker.isPaused(), false);
    await until(() => told.length === 4);
    assert.deepEqual(told, ["completed", "paused", "resumed", "completed"]);
  });

  it("Worker.close: `closing` and `closed` in order; `await using` closes too", async (t) => {
    const bench = new Bench(t);
    const told: string[] = [];
    {
      await using worker = new Worker("q", () => 1, { store: bench.store });
      worker.on("ready", () => told.push("ready"));
      worker.on("closing", (message) => told.push(message));
      worker.on("closed", () => told.push("closed"));
      await worker.waitUntilReady();
      await until(() => told.length === 1);
      assert.equal(worker.closing, undefined);
    }
    assert.deepEqual(told, ["ready", "closing queue", "closed"]);
  });

  it("Worker.delay, Worker.minimumBlockTimeout, Worker.maximumBlockTimeout: nothing polls", async (t) => {
    const worker = new Bench(t).worker(() => 1);
    await worker.delay(1);
    const controller = new AbortController();
    const aborted = worker.delay(600_000, controller);
    controller.abort();
    await aborted;
    assert.deepEqual([worker.minimumBlockTimeout, worker.maximumBlockTimeout], [0, Infinity]);
    assert.match(worker.id, /^[0-9a-f-]{36}$/);
  });

  it("Worker.unref: the process may end although the worker is open", async (t) => {
    const bench = new Bench(t);
    const { code, out, err } = await runFixture("worker-unref.mjs", bench.store).ended;
    assert.deepEqual([code, out.trim(), err], [0, "ready", ""]);
  });
});
