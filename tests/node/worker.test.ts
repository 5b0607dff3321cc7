import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";

import { JobCancelledError, type MillraceError, UnrecoverableError } from "millrace";

import { Bench, deferred, until } from "./support.js";

describe("Worker", () => {
  it("runs jobs and tells about it in order, with BullMQ's arguments", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events: unknown[][] = [];
    const worker = bench.worker(async (job, token) => {
      assert.equal(job.token, token);
      assert.equal(job.attemptsMade, 0);
      assert.equal(job.attemptsStarted, 1);
      await job.updateProgress(50);
      return { got: job.data.x };
    });
    worker.on("active", (job, prev) => events.push(["active", job.id, prev]));
    worker.on("progress", (job, progress) => events.push(["progress", job.id, progress]));
    worker.on("completed", (job, result, prev) => events.push(["completed", job.id, result, prev]));
    const drained = deferred();
    worker.on("drained", () => {
      events.push(["drained"]);
      drained.resolve();
    });
    const { id } = await queue.add("n", { x: 1 }); // after the listeners: it may be over when this resumes
    await drained.promise;
    assert.deepEqual(events, [
      ["active", id, "waiting"],
      ["progress", id, 50],
      ["completed", id, { got: 1 }, "active"],
      ["drained"],
    ]);
    const job = await queue.getJob(id);
    assert.deepEqual(job?.returnvalue, { got: 1 });
    assert.equal(job?.attemptsMade, 1);
    assert.equal(job?.progress, 50);
    assert.equal(await job?.isCompleted(), true);
    assert.ok(job.finishedOn! >= job.processedOn!);
  });

  it("ends a job whatever its processor throws", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const unreadable = Object.defineProperty(new Error(), "message", {
      get: () => {
        throw new Error("from the getter");
      },
    });
    const thrown: [unknown, string][] = [
      ["text", "text"],
      [null, "null"],
      [{ code: 7 }, "{ code: 7 }"],
      [Object.create(null), "[Object: null prototype] {}"],
      [unreadable, "an error whose message cannot be read"],
    ];
    const worker = bench.worker(({ data }) => {
      throw thrown[data.x as number]?.[0];
    });
    const failed: string[] = [];
    const all = deferred();
    worker.on("failed", (job) => {
      if (failed.push(job?.failedReason ?? "") === thrown.length) all.resolve();
    });
    await queue.addBulk(thrown.map((_, x) => ({ name: "n", data: { x } })));
    await all.promise;
    assert.deepEqual(
      failed,
      thrown.map(([, message]) => message),
    );
  });

  it("completed is emitted when the end is written", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = bench.worker(() => 1);
    const states: string[] = [];
    const done = deferred();
    worker.on("completed", (job) => {
      void job.getState().then((state: string) => {
        states.push(state);
        done.resolve();
      });
    });
    await queue.add("n", {});
    await done.promise;
    assert.deepEqual(states, ["completed"]);
  });

  it("runs at most `concurrency` jobs, which may be changed", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    let running = 0;
    let most = 0;
    let finish = deferred();
    const worker = bench.worker(
      async () => {
        most = Math.max(most, ++running);
        await finish.promise;
        running--;
      },
      { concurrency: 2 },
    );
    await queue.addBulk(Array.from({ length: 10 }, () => ({ name: "n", data: {} })));
    await until(() => running === 2);
    worker.concurrency = 5;
    assert.equal(worker.concurrency, 5);
    await until(() => running === 5);
    const drained = once(worker, "drained");
    finish.resolve();
    await drained;
    assert.equal(most, 5);
    finish = deferred();
  });

  it("runs no more at once, however short they are and many are claimed ahead", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const count = 500;
    await queue.addBulk(Array.from({ length: count }, () => ({ name: "n", data: {} })));
    let now = 0;
    let most = 0;
    let completed = 0;
    const all = deferred();
    const worker = bench.worker(
      async () => {
        now += 1;
        most = Math.max(most, now);
        await new Promise(setImmediate);
        now -= 1;
      },
      { concurrency: 2, autorun: false },
    );
    worker.on("completed", () => {
      completed += 1;
      if (completed === count) all.resolve();
    });
    void worker.run();
    await all.promise;
    assert.equal(most, 2);
  });

  it("travels undefined as null", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = bench.worker(() => undefined);
    const completed = once(worker, "completed");
    const { id } = await queue.add("n", {});
    assert.equal((await completed)[1], null);
    assert.equal((await queue.getJob(id))?.returnvalue, null);
  });

  it("repeats a failed attempt, then fails for good", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const seen: [number, string][] = [];
    const worker = bench.worker((job) => {
      throw new TypeError(`attempt ${job.attemptsMade + 1}`);
    });
    worker.on("failed", (job, error, prev) => {
      assert.equal(prev, "active");
      seen.push([job!.attemptsMade, error.message]);
    });
    const { id } = await queue.add("n", {}, { attempts: 3, backoff: 1 });
    await until(() => seen.length === 3);
    assert.deepEqual(seen, [
      [1, "attempt 1"],
      [2, "attempt 2"],
      [3, "attempt 3"],
    ]);
    const job = await queue.getJob(id);
    assert.equal(job?.failedReason, "attempt 3");
    assert.equal(job?.stacktrace.length, 3);
    assert.match(job.stacktrace[0]!, /TypeError: attempt 1\n\s+at /);
    assert.equal(await job?.isFailed(), true);
  });

  it("an UnrecoverableError is not repeated", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    let runs = 0;
    const worker = bench.worker(() => {
      runs++;
      throw new UnrecoverableError("never");
    });
    const failed = once(worker, "failed");
    const { id } = await queue.add("n", {}, { attempts: 5 });
    await failed;
    assert.equal(runs, 1);
    assert.equal(await queue.getJobState(id), "failed");
  });

  it("asks the backoffStrategy, which may give up", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const asked: unknown[][] = [];
    const worker = bench.worker(
      () => {
        throw new Error("no");
      },
      {
        settings: {
          backoffStrategy: (attemptsMade, type, error, job) => {
            asked.push([attemptsMade, type, error?.message, job?.name]);
            return attemptsMade < 3 ? 1 : -1;
          },
        },
      },
    );
    const { id } = await queue.add("n", {}, { attempts: 10, backoff: { type: "custom" } });
    await until(async () => (await queue.getJobState(id)) === "failed");
    assert.deepEqual(asked, [
      [1, "custom", "no", "n"],
      [2, "custom", "no", "n"],
      [3, "custom", "no", "n"],
    ]);
    await worker.close();
  });

  it("fails a job whose result is no JSON, or too large", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = bench.worker((job) => (job.name === "big" ? "x".repeat(17 << 20) : 1n));
    const failures: string[] = [];
    worker.on("failed", (_job, error) => failures.push(error.message));
    await queue.add("bigint", {});
    await queue.add("big", {});
    await until(() => failures.length === 2);
    assert.match(
      failures[0]!,
      /^the result of job "[-0-9a-f]+" cannot be written as JSON: .*BigInt/,
    );
    assert.match(failures[1]!, /17825794/);
  });

  it("fails a job whose error is too large to be written, with a shorter one", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = bench.worker(() => {
      throw new RangeError("x".repeat(17 << 20));
    });
    const failed = once(worker, "failed");
    const { id } = await queue.add("n", {});
    await failed;
    assert.equal((await queue.getJob(id))?.failedReason?.length, 500);
  });

  it("values that are no errors may be thrown", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = bench.worker(() => {
      throw "just text"; // eslint-disable-line @typescript-eslint/only-throw-error -- users do
    });
    const failed = once(worker, "failed");
    const { id } = await queue.add("n", {});
    const [, error] = await failed;
    assert.ok(error instanceof Error);
    assert.equal((await queue.getJob(id))?.failedReason, "just text");
  });

  it("pause waits for running jobs and takes no more; resume goes on", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const started = deferred();
    const finish = deferred();
    let runs = 0;
    const worker = bench.worker(async () => {
      runs++;
      started.resolve();
      await finish.promise;
    });
    await queue.add("a", {});
    await queue.add("b", {});
    await started.promise;
    await worker.pause(true);
    assert.equal(worker.isPaused(), true);
    const paused = worker.pause();
    finish.resolve();
    await paused;
    assert.equal(runs, 1);
    assert.equal(await queue.getWaitingCount(), 1);
    const drained = once(worker, "drained");
    await worker.resume();
    await drained;
    assert.equal(runs, 2);
  });

  it("autorun false waits for run(), which resolves at close", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    await queue.add("n", {});
    const worker = bench.worker(() => 1, { autorun: false });
    assert.equal(worker.isRunning(), false);
    const completed = once(worker, "completed");
    const running = worker.run();
    assert.equal(worker.isRunning(), true);
    await assert.rejects(worker.run(), { message: "Worker is already running." });
    await completed;
    await worker.close();
    await running;
    assert.equal(worker.isRunning(), false);
  });

  it("close waits for running jobs and writes their ends; closing and closed are emitted", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const started = deferred();
    const finish = deferred();
    const worker = bench.worker(async () => {
      started.resolve();
      await finish.promise;
      return "done";
    });
    const heard: string[] = [];
    worker.on("closing", (message) => heard.push(message));
    worker.on("completed", () => heard.push("completed"));
    worker.on("closed", () => heard.push("closed"));
    const { id } = await queue.add("n", {});
    await started.promise;
    const closing = worker.close();
    finish.resolve();
    await closing;
    assert.deepEqual(heard, ["closing queue", "completed", "closed"]);
    assert.equal((await queue.getJob(id))?.returnvalue, "done");
  });

  it("close(true) gives running jobs back at once and fires their signals", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const started = deferred();
    const aborted = deferred<unknown>();
    const worker = bench.worker(async (_job, _token, signal) => {
      signal.addEventListener("abort", () => aborted.resolve(signal.reason));
      started.resolve();
      await new Promise(() => undefined); // never ends
    });
    const { id } = await queue.add("n", {});
    await started.promise;
    await worker.close(true);
    assert.equal(((await aborted.promise) as MillraceError).code, "closed");
    assert.equal(await queue.getJobState(id), "waiting");
    const second = bench.worker(() => "again");
    assert.equal((await once(second, "completed"))[1], "again");
  });

  it("a listener that throws is an error event, and the worker goes on", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = bench.worker(() => 1);
    const errors: unknown[] = [];
    worker.on("error", (error) => errors.push(error.message));
    worker.on("active", () => {
      throw new Error("broken listener");
    });
    const drained = deferred();
    worker.on("drained", () => drained.resolve());
    await queue.addBulk(["a", "b"].map((name) => ({ name, data: {} })));
    await drained.promise;
    assert.deepEqual(errors, ["broken listener", "broken listener"]);
  });
});

describe("AbortSignal", () => {
  it("fires on cancel; a rejection then ends the job as cancelled", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const started = deferred();
    const worker = bench.worker(async (_job, _token, signal) => {
      started.resolve();
      await new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error));
      });
    });
    const { id } = await queue.add("n", {}, { attempts: 5 });
    await started.promise;
    const cancelled = once(worker, "cancelled");
    assert.equal(await queue.cancel(id, "not needed"), "requested");
    const [job, reason] = await cancelled;
    assert.equal(job.id, id);
    assert.equal(reason, "not needed");
    assert.equal(await queue.getJobState(id), "cancelled");
  });

  it("a job that completes in spite of a cancel is completed", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const started = deferred();
    const worker = bench.worker(async (job) => {
      const signal = job.signal;
      started.resolve();
      await once(signal, "abort");
      assert.ok(signal.reason instanceof JobCancelledError);
      return "done anyway";
    });
    const completed = once(worker, "completed");
    const { id } = await queue.add("n", {});
    await started.promise;
    await queue.cancel(id);
    assert.equal((await completed)[1], "done anyway");
  });

  it("fires at the soft limit; at the hard limit the attempt has failed", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const reasons: string[] = [];
    const worker = bench.worker(async (job, _token, signal) => {
      await once(signal, "abort");
      reasons.push((signal.reason as Error).name);
      if (job.name === "hard") return "too late";
      throw signal.reason;
    });
    const failures: string[] = [];
    worker.on("failed", (_job, error) => failures.push(error.name));
    const errors: unknown[] = [];
    worker.on("error", (error) => errors.push(error));
    const soft = await queue.add("soft", {}, { softTimeLimit: 20 });
    await until(() => failures.length === 1);
    const hard = await queue.add("hard", {}, { timeLimit: 20 });
    await until(async () => failures.length === 2 && (await hard.getState()) === "failed");
    assert.deepEqual(reasons, ["SoftTimeLimitExceeded", "TimeLimitExceeded"]);
    assert.deepEqual(failures, ["SoftTimeLimitExceeded", "TimeLimitExceeded"]);
    assert.equal((await queue.getJob(soft.id))?.failedReason?.includes("softTimeLimit"), true);
    await worker.close();
    assert.deepEqual(errors, []);
  });

  it("worker.cancelJob fires it here", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const started = deferred();
    const worker = bench.worker(async (_job, _token, signal) => {
      started.resolve();
      await once(signal, "abort");
      signal.throwIfAborted();
    });
    const cancelled = once(worker, "cancelled");
    const { id } = await queue.add("n", {});
    await started.promise;
    assert.equal(worker.cancelJob("nobody"), false);
    assert.equal(worker.cancelJob(id, "local"), true);
    assert.equal((await cancelled)[1], "local");
  });
});
