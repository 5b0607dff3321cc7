import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";

import type { Job, MillraceError } from "millrace";

import { Bench, deferred, until } from "./support.js";

const bulk = (count: number): { name: string; data: { x: number } }[] =>
  Array.from({ length: count }, (_, x) => ({ name: "n", data: { x } }));

const numbers = (jobs: Job[]): number[] => jobs.map((job) => (job.data as { x: number }).x);

describe("a worker with batches", () => {
  it("hands over up to `size` jobs at once, and completes those that do not end by themselves", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const jobs = await queue.addBulk(bulk(10));
    const events = await bench.events();
    const batches: number[][] = [];
    const worker = bench.worker(
      (job) => {
        const batch = job.getBatch();
        assert.equal(batch[0], job);
        batches.push(numbers(batch));
        return batch.length;
      },
      { batch: { size: 4, timeout: 20 } },
    );
    const results = await Promise.all(jobs.map((job) => job.waitUntilFinished(events)));
    assert.deepEqual(batches.flat(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.deepEqual(batches[0], [0, 1, 2, 3]);
    assert.equal(results[0], 4);
    assert.equal(worker.concurrency, 1);
  });

  it("settles each job separately and at once", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    const [good, bad, rest] = await queue.addBulk(bulk(3));
    const go = deferred();
    bench.worker(
      async (job) => {
        const [first, second] = job.getBatch();
        first?.setAsCompleted("fine");
        second?.setAsFailed(new TypeError("broken"));
        assert.throws(() => second?.setAsCompleted("late"), {
          code: "wrong_state",
          message: `job "${second?.id}" has ended already`,
        });
        await go.promise;
        return "all others";
      },
      { batch: { size: 3, timeout: 10_000 } },
    );
    assert.equal(await good?.waitUntilFinished(events), "fine");
    await assert.rejects(bad!.waitUntilFinished(events), { type: "TypeError", message: "broken" });
    assert.equal(await rest?.isActive(), true);
    go.resolve();
    assert.equal(await rest?.waitUntilFinished(events), "all others");
  });

  it("fails what is left when the processor throws", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    const [good, bad] = await queue.addBulk(bulk(2));
    bench.worker(
      (job) => {
        job.getBatch()[0]?.setAsCompleted("fine");
        throw new Error("no");
      },
      { batch: { size: 2, timeout: 10_000 } },
    );
    assert.equal(await good?.waitUntilFinished(events), "fine");
    await assert.rejects(bad!.waitUntilFinished(events), { message: "no" });
  });

  it("without a timeout starts with what is there; with one waits for `minSize`", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    const sizes: number[] = [];
    const count = (job: Job): void => void sizes.push(job.getBatch().length);
    const eager = bench.worker(count, { batch: { size: 100 } });
    await (await queue.add("n", {})).waitUntilFinished(events);
    assert.deepEqual(sizes, [1]);
    await eager.close();
    bench.worker(count, { batch: { size: 100, minSize: 3, timeout: 60_000 } });
    const jobs = [await queue.add("n", {}), await queue.add("n", {})];
    await until(async () => (await queue.getActiveCount()) === 2);
    assert.deepEqual(sizes, [1]);
    jobs.push(await queue.add("n", {}));
    await Promise.all(jobs.map((job) => job.waitUntilFinished(events)));
    assert.deepEqual(sizes, [1, 3]);
  });

  it("runs no more batches at once than its concurrency", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    const jobs = await queue.addBulk(bulk(12));
    let running = 0;
    let most = 0;
    bench.worker(
      async (job) => {
        most = Math.max(most, ++running);
        for (const each of job.getBatch()) each.setAsCompleted(1); // frees the slots early
        await new Promise((resolve) => setImmediate(resolve));
        running--;
      },
      { batch: { size: 2 }, concurrency: 2 },
    );
    await Promise.all(jobs.map((job) => job.waitUntilFinished(events)));
    assert.ok(most <= 2, `${most} at once`);
  });

  it("gives the jobs of an unfinished batch back when it closes", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    await queue.addBulk(bulk(2));
    const worker = bench.worker(() => assert.fail("it must not start"), {
      batch: { size: 3, timeout: 60_000 },
    });
    await until(async () => (await queue.getActiveCount()) === 2);
    await worker.close();
    assert.equal(await queue.getWaitingCount(), 2);
    const [job] = await queue.getWaiting();
    assert.equal(job?.attemptsMade, 0);
  });

  it("fires the signal when nothing of the batch is left to do", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const [first, second] = await queue.addBulk(bulk(2));
    const worker = bench.worker(
      async (job, _token, signal) => {
        const [one, two] = job.getBatch();
        const firstTold = once(one!.signal, "abort");
        const allTold = once(signal, "abort");
        await queue.cancel(one!.id, "not you");
        await firstTold;
        assert.equal(signal.aborted, false);
        await queue.cancel(two!.id, "nor you");
        await allTold;
        signal.throwIfAborted();
      },
      { batch: { size: 2, timeout: 10_000 } },
    );
    const cancelled: string[] = [];
    worker.on("cancelled", (job) => cancelled.push(job.id));
    await until(() => cancelled.length === 2);
    assert.deepEqual(cancelled.sort(), [first!.id, second!.id].sort());
  });

  it("lets no job end twice, nor one that is in no batch", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = bench.worker((job) => {
      assert.deepEqual(job.getBatch(), [job]);
      job.setAsFailed(new Error("no"));
    });
    const failed = once(worker, "failed");
    await queue.add("n", {});
    const [, error] = (await failed) as [unknown, MillraceError];
    assert.match(error.message, /is not one of a batch: return or throw$/);
  });
});
