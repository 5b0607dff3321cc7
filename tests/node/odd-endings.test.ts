// Processors that end in ways that nobody should write: their jobs fail, each once, and the worker goes on.
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import { runInNewContext } from "node:vm";

import {
  DelayedError,
  type Job,
  type MillraceError,
  WaitingChildrenError,
  WaitingError,
} from "millrace";
import { Bench } from "./support.js";

/** Why the only job of a processor failed, and how often that was called. */
async function failure(
  bench: Bench,
  processor: (job: Job) => unknown,
): Promise<{ type: string; message: string; calls: number }> {
  const queue = bench.queue();
  const events = await bench.events();
  let calls = 0;
  bench.worker((job: Job) => {
    calls++;
    return processor(job);
  });
  const job = await queue.add("n", {});
  const error = await job.waitUntilFinished(events).then(
    () => assert.fail("it has completed"),
    (thrown: unknown) => thrown as { type: string; message: string },
  );
  return { type: error.type, message: error.message, calls };
}

describe("a processor", () => {
  for (const [error, before] of [
    [new WaitingChildrenError(), "job.moveToWaitingChildren() had not answered true"],
    [new DelayedError(), "job.moveToDelayed() was not called"],
    [new WaitingError(), "job.moveToWait() was not called"],
  ] as const) {
    it(`that throws a ${error.name} for no reason has failed, and is not started for ever`, async (t) => {
      assert.deepEqual(
        await failure(new Bench(t), () => {
          throw error;
        }),
        {
          type: error.name,
          message: `the processor threw a ${error.name}, but ${before} before`,
          calls: 1,
        },
      );
    });
  }

  it("that waits for children which it has not has failed", async (t) => {
    const { message } = await failure(new Bench(t), async (job) => {
      assert.equal(await job.moveToWaitingChildren(job.token), false);
      throw new WaitingChildrenError();
    });
    assert.match(message, /had not answered true before/);
  });

  it("whose answer has a then() that throws has failed", async (t) => {
    const { message } = await failure(new Bench(t), () => ({
      then(): void {
        throw new Error("no promise at all");
      },
    }));
    assert.equal(message, "no promise at all");
  });

  it("whose answer has a then that cannot be read has failed", async (t) => {
    const { message } = await failure(new Bench(t), () =>
      Object.defineProperty({}, "then", {
        get() {
          throw new Error("look away");
        },
      }),
    );
    assert.equal(message, "look away");
  });

  it("that throws what only looks like an error has failed with its message", async (t) => {
    const { message } = await failure(new Bench(t), () => {
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- that is the test
      throw { message: "no class", code: 7 };
    });
    assert.equal(message, "no class");
  });

  it("that throws an error of another realm has failed as by one of this", async (t) => {
    const { type, message } = await failure(new Bench(t), () =>
      runInNewContext("throw new RangeError('from elsewhere')"),
    );
    assert.deepEqual([type, message], ["RangeError", "from elsewhere"]);
  });

  it("of a batch whose answer settles twice ends its jobs once", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    const jobs = await queue.addBulk([1, 2, 3].map((data) => ({ name: "n", data })));
    bench.worker(
      () => ({
        then(resolve: (value: string) => void, reject: (error: Error) => void) {
          resolve("first");
          reject(new Error("second"));
        },
      }),
      { batch: { size: 2 } },
    );
    for (const job of jobs) assert.equal(await job.waitUntilFinished(events), "first");
  });
});

describe("a processor that never settles", () => {
  for (const [kind, options, jobOptions] of [
    ["timeLimit", {}, { timeLimit: 50 }],
    ["ttl", { ttl: 50 }, {}],
  ] as const) {
    it(`keeps the place of its job until its ${kind} has passed, and no close() waits for it`, async (t) => {
      const bench = new Bench(t);
      const queue = bench.queue();
      const events = await bench.events();
      const worker = bench.worker(
        (job: Job) => (job.name === "never" ? new Promise(() => undefined) : "next"),
        { ...options, concurrency: 1 },
      );
      const ends: string[] = [];
      worker.on("failed", (job) => ends.push(`failed ${job?.name}`));
      worker.on("completed", (job) => ends.push(`completed ${job.name}`));
      worker.on("error", ({ message }) => ends.push(message));
      const never = await queue.add("never", {}, jobOptions);
      const next = await queue.add("n", {});
      await assert.rejects(never.waitUntilFinished(events), { type: "TimeLimitExceeded" });
      assert.equal(await next.waitUntilFinished(events), "next");
      await worker.close();
      assert.deepEqual(ends, ["failed never", "completed n"]);
    });
  }
});

describe("a worker of batches", () => {
  it("bounds the time of each job by its ttl, and goes on though its processor never settles", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    const jobs = await queue.addBulk([1, 2, 3].map((data) => ({ name: "n", data })));
    bench.worker(() => new Promise(() => undefined), { batch: { size: 2 }, ttl: 20 });
    for (const job of jobs) await assert.rejects(job.waitUntilFinished(events), /than its ttl/);
  });

  it("starts no job that was started too often", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    const first = bench.worker(() => {
      throw new Error("try again");
    });
    const retried = once(first, "failed");
    const job = await queue.add("n", {}, { attempts: 5, backoff: 600_000 });
    await retried;
    await first.close();
    bench.worker(() => assert.fail("not run"), { batch: { size: 2 }, maxStartedAttempts: 1 });
    await job.promote();
    await assert.rejects(job.waitUntilFinished(events), /job started more than allowable limit/);
  });
});

describe("after close()", () => {
  it("a queue refuses every call, though others have its store open", async (t) => {
    const bench = new Bench(t);
    bench.queue();
    const queue = bench.queue();
    const job = await queue.add("n", {});
    await queue.close();
    const calls: Record<string, () => unknown> = {
      add: () => queue.add("n", {}),
      addBulk: () => queue.addBulk([{ name: "n", data: {} }]),
      addFlow: () => queue.addFlow({ name: "n" }),
      getJob: () => queue.getJob(job.id),
      getJobs: () => queue.getJobs(),
      getJobCounts: () => queue.getJobCounts(),
      getJobState: () => queue.getJobState(job.id),
      getJobLogs: () => queue.getJobLogs(job.id),
      count: () => queue.count(),
      isPaused: () => queue.isPaused(),
      getWorkers: () => queue.getWorkers(),
      getMetrics: () => queue.getMetrics("completed"),
      getGlobalConcurrency: () => queue.getGlobalConcurrency(),
      getDeduplicationJobId: () => queue.getDeduplicationJobId("k"),
      exportPrometheusMetrics: () => queue.exportPrometheusMetrics(),
      upsertJobScheduler: () => queue.upsertJobScheduler("s", { every: 1000 }),
      getJobSchedulers: () => queue.getJobSchedulers(),
      remove: () => queue.remove(job.id),
      waitUntilReady: () => queue.waitUntilReady(),
    };
    const closed = { name: "MillraceError", code: "closed", message: 'Queue "q" was closed' };
    for (const [name, call] of Object.entries(calls)) {
      await assert.rejects(async () => call(), closed, name);
    }
    assert.equal(
      await job.getState(),
      "waiting",
      "its jobs are of use as long as the store is open",
    );
  });

  it("a job of a store that is closed says so with a MillraceError", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const job = await queue.add("n", {});
    await queue.close();
    const closed = { name: "MillraceError", code: "closed" };
    await assert.rejects(job.getState(), closed);
    await assert.rejects(job.remove(), closed);
    await assert.rejects(job.updateProgress(1), closed);
    await assert.rejects(job.log("line"), closed);
  });

  it("a worker refuses what would do something, and has no next job", async (t) => {
    const bench = new Bench(t);
    bench.queue();
    const worker = bench.worker(() => 1);
    await worker.waitUntilReady();
    await worker.close();
    const closed = { code: "closed", message: 'Worker "q" was closed' };
    for (const call of [
      () => worker.run(),
      () => worker.pause(),
      () => worker.resume(),
      () => worker.rateLimit(1),
    ]) {
      await assert.rejects(call, closed);
    }
    assert.equal(await worker.getNextJob("token"), undefined);
  });

  it("events are neither followed nor waited for", async (t) => {
    const events = await new Bench(t).events();
    const twice = events.run();
    await assert.rejects(twice, (error: MillraceError) => error.code === "wrong_state");
    await events.close();
    await assert.rejects(events.run(), { code: "closed" });
    await assert.rejects(events.waitUntilReady(), { code: "closed" });
  });
});
