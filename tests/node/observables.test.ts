// Processors that answer an observable.
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { type Job, type Subscribable, UnrecoverableError } from "millrace";
import { NEVER, Observable, concat, of, throwError } from "rxjs";

import { Bench, fixture, until } from "./support.js";

describe("a processor that answers an observable", () => {
  it("tells its values as progress, in order, and completes with the last", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = bench.worker((job: Job) =>
      job.name === "sync" ? of(1, { two: 2 }, "three") : Promise.resolve(of("late")),
    );
    const told: unknown[] = [];
    worker.on("progress", (job, progress) => told.push([job.name, progress]));
    worker.on("completed", (job, result) => told.push([job.name, "completed", result]));
    await queue.add("sync", {});
    await until(() => told.length === 4);
    await queue.add("promised", {});
    await until(() => told.length === 6);
    assert.deepEqual(told, [
      ["sync", 1],
      ["sync", { two: 2 }],
      ["sync", "three"],
      ["sync", "completed", "three"],
      ["promised", "late"],
      ["promised", "completed", "late"],
    ]);
    const [first] = await queue.getCompleted(1, 1);
    assert.deepEqual([first?.progress, first?.returnvalue], ["three", "three"]);
  });

  it("fails with its error, and the next attempt finds the last value as progress", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const found: unknown[] = [];
    const worker = bench.worker((job: Job) => {
      found.push(job.progress);
      const end = job.attemptsMade === 0 ? new Error("half way") : new UnrecoverableError("over");
      return concat(
        of({ step: job.attemptsMade }),
        throwError(() => end),
      );
    });
    const failures: string[] = [];
    worker.on("failed", (_job, error) => failures.push(error.message));
    await queue.add("n", {}, { attempts: 5 });
    await until(() => failures.length === 2);
    assert.deepEqual(failures, ["half way", "over"]);
    assert.deepEqual(found, [0, { step: 0 }]);
  });

  it("is unsubscribed from when the job is cancelled, its ttl is over or the worker closed", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const [subscribed, unsubscribed]: string[][] = [[], []];
    const processor = (job: Job): Observable<number> =>
      new Observable(() => {
        subscribed!.push(job.name);
        return () => void unsubscribed!.push(job.name);
      });
    const worker = bench.worker(processor, { concurrency: 3, ttl: { short: 1 } });
    const ends: string[] = [];
    worker.on("cancelled", (job) => ends.push(`cancelled ${job.name}`));
    worker.on("failed", (job, error) => ends.push(`failed ${job!.name}: ${error.message}`));
    worker.on("error", () => undefined);
    const cancelled = await queue.add("cancelled", {});
    await until(() => subscribed!.length === 1);
    worker.cancelJob(cancelled.id, "enough");
    await until(() => ends.length === 1);
    const short = await queue.add("short", {});
    await until(() => ends.length === 2);
    assert.deepEqual(ends, [
      "cancelled cancelled",
      `failed short: job "${short.id}" ran longer than its ttl`,
    ]);
    await queue.add("open", {});
    await until(() => subscribed!.length === 3);
    await worker.close(true);
    assert.deepEqual(unsubscribed, ["cancelled", "short", "open"]);
    assert.equal(await queue.getWaitingCount(), 1);
  });

  it("may be of any library that has subscribe(), and throw, or say what has no JSON form", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const plain = (emit: (next: (value: unknown) => void) => void): Subscribable<unknown> => ({
      subscribe({ next, complete }) {
        emit(next);
        complete();
        next("too late");
        return undefined;
      },
    });
    const kinds: Record<string, () => unknown> = {
      plain: () => plain((next) => next("plain")),
      empty: () => plain(() => undefined),
      throws: () => ({ subscribe: () => assert.fail("no subscription") }),
      bigint: () => concat(of(1n), NEVER),
    };
    const worker = bench.worker((job: Job) => kinds[job.name]!());
    const ends: Record<string, unknown> = {};
    worker.on("completed", (job, result) => (ends[job.name] = result));
    worker.on("failed", (job, error) => (ends[job!.name] = error.message));
    for (const name of Object.keys(kinds)) await queue.add(name, {});
    await until(() => Object.keys(ends).length === 4);
    assert.match(String(ends["bigint"]), /BigInt/i);
    delete ends["bigint"];
    assert.deepEqual(ends, { plain: "plain", empty: null, throws: "no subscription" });
  });

  it("may be that of a batch: all of its jobs end with the last value", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    await queue.addBulk([1, 2, 3].map((data) => ({ name: "n", data })));
    const worker = bench.worker(() => of("a", "b"), { batch: { size: 3 } });
    const results: unknown[] = [];
    worker.on("completed", (_job, result) => results.push(result));
    await until(() => results.length === 3);
    assert.deepEqual(results, ["b", "b", "b"]);
  });

  it("may be that of a sandbox", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const { events } = { events: await bench.events() };
    const told: unknown[] = [];
    events.on("progress", ({ data }) => told.push(data));
    const worker = bench.worker(fixture("sandbox/observable.mjs") as never);
    worker.on("error", (error) => assert.fail(error));
    const job = await queue.add("n", {});
    assert.equal(await job.waitUntilFinished(events), "third");
    assert.deepEqual(told, ["first", "second", "third"]);
  });
});
