// Checkpoints, and jobs that are never started twice.
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";

import { RateLimitError } from "millrace";

import { Bench, runFixture, until } from "./support.js";

describe("long jobs", () => {
  it("get their checkpoint back after a failed attempt, and lose it at their end", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const seen: unknown[] = [];
    bench.worker(async (job) => {
      seen.push(job.checkpoint);
      await job.updateCheckpoint({ page: seen.length });
      assert.deepEqual(job.checkpoint, { page: seen.length });
      if (seen.length < 3) throw new Error("not yet");
      return seen.length;
    });
    const job = await queue.add("n", {}, { attempts: 3 });
    assert.equal(await job.waitUntilFinished(await bench.events()), 3);
    assert.deepEqual(seen, [undefined, { page: 1 }, { page: 2 }]);
    assert.equal((await queue.getJob(job.id))?.checkpoint, undefined);
  });

  it("get their checkpoint back when their worker has died", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const job = await queue.add("n", {});
    const run = runFixture("checkpoint-and-wait.mjs", bench.store);
    await until(async () => (await queue.getJob(job.id))?.checkpoint !== undefined);
    run.child.kill("SIGKILL");
    await run.ended;
    let seen: unknown;
    bench.worker((again) => {
      seen = again.checkpoint;
    });
    await job.waitUntilFinished(await bench.events());
    assert.deepEqual(seen, { page: 7 });
  });

  it("with at-most-once delivery fail as lost when their worker has died", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const job = await queue.add("n", {}, { delivery: "at-most-once" });
    assert.equal((await queue.getJob(job.id))?.opts.delivery, "at-most-once");
    const run = runFixture("checkpoint-and-wait.mjs", bench.store);
    await until(async () => (await queue.getJob(job.id))?.checkpoint !== undefined);
    run.child.kill("SIGKILL");
    await run.ended;
    bench.worker(() => assert.fail("it must not start again"));
    await assert.rejects(job.waitUntilFinished(await bench.events()), { type: "JobLost" });
  });

  it("refuse a checkpoint where they do not run, and one without a JSON form", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const job = await queue.add("n", {});
    await assert.rejects(job.updateCheckpoint({}), {
      code: "wrong_state",
      message: `job "${job.id}" does not run here`,
    });
    const worker = bench.worker((running) => running.updateCheckpoint({ n: 1n }));
    const [, error] = (await once(worker, "failed")) as [unknown, Error];
    assert.match(error.message, /^checkpoint cannot be written as JSON/);
  });

  it("go back without a lost attempt when they are rate limited", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const attempts: number[] = [];
    const worker = bench.worker((job) => {
      attempts.push(job.attemptsMade);
      if (attempts.length < 3) throw new RateLimitError();
    });
    worker.on("failed", () => assert.fail("it did not fail"));
    const job = await queue.add("n", {});
    await job.waitUntilFinished(await bench.events());
    assert.deepEqual(attempts, [0, 0, 0]);
    assert.equal((await queue.getJob(job.id))?.attemptsMade, 1);
  });
});
