// Queue's methods, getters and events under BullMQ's names.
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";

import { ErrorCode, Queue } from "millrace";

import { Bench, deferred, until } from "../support.js";

describe("Queue", () => {
  it("Queue.add: answers the job, which is written", async (t) => {
    const queue = new Bench(t).queue("q", { defaultJobOptions: { attempts: 3, priority: 2 } });
    const job = await queue.add("paint", { colour: "red" }, { jobId: "first", priority: 0 });
    assert.deepEqual([job.id, job.name, job.data], ["first", "paint", { colour: "red" }]);
    const again = await queue.add("other", {}, { jobId: "first" });
    assert.deepEqual([again.id, again.existing], ["first", true]);
    const read = await queue.getJob("first");
    assert.deepEqual([read?.name, read?.opts.attempts, read?.opts.priority], ["paint", 3, 0]);
    assert.equal(await queue.count(), 1);
    assert.deepEqual((await queue.add("nothing", undefined)).data, undefined);
  });

  it("Queue.addBulk: adds all or none", async (t) => {
    const queue = new Bench(t).queue();
    const jobs = await queue.addBulk([
      { name: "a", data: 1, opts: { jobId: "a", delay: 100_000 } },
      { name: "b", data: 2, opts: { jobId: "b" } },
    ]);
    assert.deepEqual(
      jobs.map(({ id, name, data, delay }) => [id, name, data, delay]),
      [
        ["a", "a", 1, 100_000],
        ["b", "b", 2, 0],
      ],
    );
    const bad = { name: "d", data: 1, opts: { delay: -1 } };
    await assert.rejects(queue.addBulk([{ name: "c", data: 1 }, bad]), /jobs\[1\]: option delay/);
    assert.equal(await queue.count(), 2);
  });

  it("Queue.name, Queue.opts, Queue.defaultJobOptions: are what it was made with", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue("named", { defaultJobOptions: { attempts: 2 } });
    assert.deepEqual([queue.name, queue.qualifiedName], ["named", "named"]);
    assert.equal(queue.opts.store, bench.store);
    assert.deepEqual(queue.defaultJobOptions, { attempts: 2 });
    queue.defaultJobOptions.attempts = 9;
    assert.deepEqual(queue.defaultJobOptions, { attempts: 2 }, "a copy");
    await queue.waitUntilReady();
  });

  it("Queue.waitUntilReady: resolves when the store is open, rejects if it cannot be", async (t) => {
    const bench = new Bench(t);
    await bench.queue().waitUntilReady();
    const broken = bench.add(new Queue("q", { store: "/proc/no/such/place.db" }));
    await assert.rejects(broken.waitUntilReady(), { name: "MillraceError" });
  });

  it("Queue.close, Queue.disconnect: end it, once and for all", async (t) => {
    const queue = new Bench(t).queue();
    await queue.add("n", {});
    assert.equal(queue.closing, undefined);
    const closing = queue.close();
    assert.equal(queue.close(), closing);
    assert.equal(queue.closing, closing);
    await closing;
    await queue.disconnect();
    await assert.rejects(queue.add("n", {}), { code: "closed", message: 'Queue "q" was closed' });
    await assert.rejects(queue.pause(), { code: "closed" });
  });

  it("Queue.pause, Queue.resume, Queue.isPaused: stop all workers of the queue", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const told: string[] = [];
    queue.on("paused", () => told.push("paused"));
    queue.on("resumed", () => told.push("resumed"));
    await queue.pause();
    assert.equal(await queue.isPaused(), true);
    const worker = bench.worker(() => "done");
    await worker.waitUntilReady();
    await queue.add("n", {}, { jobId: "j" });
    assert.equal(await queue.getJobState("j"), "waiting");
    const completed = once(worker, "completed");
    await queue.resume();
    await completed;
    assert.equal(await queue.isPaused(), false);
    assert.deepEqual(told, ["paused", "resumed"]);
  });

  it("Queue.isMaxed, Queue.setGlobalConcurrency, Queue.getGlobalConcurrency, Queue.removeGlobalConcurrency: bound what runs everywhere", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    assert.equal(await queue.getGlobalConcurrency(), null);
    await queue.setGlobalConcurrency(2);
    assert.equal(await queue.getGlobalConcurrency(), 2);
    assert.equal(await queue.isMaxed(), false);
    const gate = deferred();
    let running = 0;
    const workers = [1, 2].map(() =>
      bench.worker(
        async () => {
          running++;
          await gate.promise;
        },
        { concurrency: 5 },
      ),
    );
    await queue.addBulk(Array.from({ length: 5 }, () => ({ name: "n", data: {} })));
    await until(() => queue.isMaxed());
    await until(() => running >= 2); // what is claimed has begun
    assert.equal(running, 2);
    await queue.setGlobalRateLimit(100, 1000);
    await queue.removeGlobalConcurrency();
    assert.equal(await queue.getGlobalConcurrency(), null);
    assert.deepEqual(await queue.getGlobalRateLimit(), { max: 100, duration: 1000 });
    await until(() => running === 5);
    gate.resolve();
    await Promise.all(workers.map((worker) => worker.close()));
    await assert.rejects(queue.setGlobalConcurrency(0), /must be an integer from 1/);
  });

  it("Queue.setGlobalRateLimit, Queue.getGlobalRateLimit, Queue.removeGlobalRateLimit: bound the starts", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    assert.equal(await queue.getGlobalRateLimit(), null);
    await queue.setGlobalConcurrency(7);
    await queue.setGlobalRateLimit(1, 100_000);
    assert.deepEqual(await queue.getGlobalRateLimit(), { max: 1, duration: 100_000 });
    assert.deepEqual(await queue.getMeta(), {
      ...{ concurrency: 7, max: 1, duration: 100_000, paused: false },
      version: await queue.getVersion(),
    });
    let started = 0;
    const worker = bench.worker(() => started++, { concurrency: 5 });
    const both = [1, 2].map((data) => ({ name: "n", data }));
    const first = once(worker, "completed");
    await queue.addBulk(both);
    await first;
    assert.equal(await queue.getWaitingCount(), 1);
    const second = once(worker, "completed");
    await queue.removeGlobalRateLimit();
    await second;
    assert.equal(started, 2);
    assert.equal(await queue.getGlobalRateLimit(), null);
    assert.equal(await queue.getGlobalConcurrency(), 7);
  });

  it("Queue.rateLimit, Queue.getRateLimitTtl, Queue.removeRateLimitKey: hold all starts back", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    assert.equal(await queue.getRateLimitTtl(), -2);
    assert.equal(await queue.getRateLimitTtl(10), 0);
    await queue.rateLimit(100_000);
    const ttl = await queue.getRateLimitTtl();
    assert.ok(ttl > 90_000 && ttl <= 100_000, String(ttl));
    const worker = bench.worker(() => 1);
    const completed = once(worker, "completed");
    await queue.add("n", {}, { jobId: "j" });
    assert.equal(await queue.getJobState("j"), "waiting");
    await queue.removeRateLimitKey();
    await completed;
    assert.equal(await queue.getRateLimitTtl(), -2);
  });

  it("Queue.getDeduplicationJobId, Queue.removeDeduplicationKey: show and free a key", async (t) => {
    const queue = new Bench(t).queue();
    assert.equal(await queue.getDeduplicationJobId("k"), null);
    await queue.add("n", {}, { jobId: "holder", deduplication: { id: "k" } });
    assert.equal(await queue.getDeduplicationJobId("k"), "holder");
    assert.equal(await queue.removeDeduplicationKey("k"), 1);
    assert.equal(await queue.removeDeduplicationKey("k"), 0);
    assert.equal((await queue.add("n", {}, { deduplication: { id: "k" } })).existing, false);
  });

  it("Queue.remove: answers 1 and tells of it; 0 if there is none or a worker runs it", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const removed: string[] = [];
    queue.on("removed", (id) => removed.push(id));
    await queue.add("n", {}, { jobId: "a" });
    assert.equal(await queue.remove("a"), 1);
    assert.equal(await queue.remove("a"), 0);
    const gate = deferred();
    const worker = bench.worker(() => gate.promise);
    const active = once(worker, "active");
    await queue.add("n", {}, { jobId: "runs" });
    await active;
    assert.equal(await queue.remove("runs"), 0);
    gate.resolve();
    assert.deepEqual(removed, ["a"]);
  });

  it("Queue.drain: removes what waits, and what is delayed if asked", async (t) => {
    const queue = new Bench(t).queue();
    await queue.addBulk([
      { name: "n", data: 1 },
      { name: "n", data: 2, opts: { priority: 3 } },
      { name: "n", data: 3, opts: { delay: 100_000 } },
    ]);
    await queue.drain();
    assert.deepEqual([await queue.count(), await queue.getDelayedCount()], [1, 1]);
    await queue.drain(true);
    assert.equal(await queue.count(), 0);
  });

  it("Queue.clean: removes old jobs of a state, tells of them, and bounds their number", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const cleaned: unknown[][] = [];
    queue.on("cleaned", (ids, type) => cleaned.push([ids, type]));
    const jobs = await queue.addBulk([1, 2, 3].map((data) => ({ name: "n", data })));
    assert.deepEqual(await queue.clean(1_000_000, 0, "wait"), [], "none is so old");
    assert.deepEqual(await queue.clean(0, 2, "waiting"), [jobs[0]!.id, jobs[1]!.id]);
    assert.deepEqual(await queue.clean(0, 0, "active"), []);
    assert.deepEqual(cleaned, [
      [[], "wait"],
      [[jobs[0]!.id, jobs[1]!.id], "wait"],
      [[], "active"],
    ]);
    assert.equal(await queue.getWaitingCount(), 1);
  });

  it("Queue.obliterate: removes the queue with all that is in it, unless a job runs", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const gate = deferred();
    const worker = bench.worker(() => gate.promise);
    worker.on("error", () => undefined);
    const active = once(worker, "active");
    await queue.addBulk([1, 2].map((data) => ({ name: "n", data })));
    await active;
    await assert.rejects(queue.obliterate(), {
      code: "wrong_state",
      message: "Cannot obliterate queue with active jobs",
    });
    await queue.obliterate({ force: true, count: 10 });
    assert.equal(await queue.getJobCountByTypes(), 0);
    gate.resolve();
  });

  it("Queue.retryJobs, Queue.promoteJobs: set many jobs going", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = bench.worker(() => {
      throw new Error("no");
    });
    let failed = 0;
    worker.on("failed", () => failed++);
    await queue.addBulk([1, 2].map((data) => ({ name: "n", data })));
    await until(() => failed === 2);
    await worker.close();
    await queue.retryJobs({ state: "failed", count: 1 });
    assert.deepEqual([await queue.getFailedCount(), await queue.getWaitingCount()], [0, 2]);
    await queue.addBulk([3, 4].map((data) => ({ name: "n", data, opts: { delay: 100_000 } })));
    await queue.promoteJobs({ count: 1 });
    assert.deepEqual([await queue.getDelayedCount(), await queue.getWaitingCount()], [0, 4]);
  });

  it("Queue.updateJobProgress, Queue.addJobLog: write from outside, or say that the job is gone", async (t) => {
    const queue = new Bench(t).queue();
    const told: unknown[][] = [];
    queue.on("progress", (id, progress) => told.push([id, progress]));
    const job = await queue.add("n", {}, { jobId: "j" });
    await queue.updateJobProgress("j", { half: true });
    await job.updateProgress(75);
    assert.equal((await queue.getJob("j"))?.progress, 75);
    assert.deepEqual(told, [
      ["j", { half: true }],
      ["j", 75],
    ]);
    assert.equal(await queue.addJobLog("j", "one"), 1);
    assert.equal(await queue.addJobLog("j", "two"), 2);
    assert.deepEqual(await queue.getJobLogs("j"), { logs: ["one", "two"], count: 2 });
    await assert.rejects(queue.updateJobProgress("gone", 1), {
      code: ErrorCode.JobNotExist,
      message: "Missing key for job gone. updateProgress",
    });
    await assert.rejects(queue.addJobLog("gone", "x"), {
      code: -1,
      message: "Missing key for job gone. addLog",
    });
  });

  it("Queue.metaValues, Queue.getVersion: name the library", async (t) => {
    const queue = new Bench(t).queue("q", { streams: { events: { maxLen: 500 } } });
    const version = await queue.getVersion();
    assert.match(String(version), /^millrace:\d+\.\d+\.\d+/);
    assert.deepEqual(queue.metaValues, { "opts.maxLenEvents": 500, version });
    assert.equal((await queue.getMeta()).maxLenEvents, 500);
  });

  it("Queue.removeOrphanedJobs, Queue.removeDeprecatedPriorityKey: have nothing to do", async (t) => {
    const queue = new Bench(t).queue();
    await queue.add("n", {});
    assert.equal(await queue.removeOrphanedJobs(), 0);
    assert.equal(await queue.removeDeprecatedPriorityKey(), 0);
    assert.equal(await queue.count(), 1);
  });
});

describe("Queue's events", () => {
  it("Queue event waiting: once for each job that this object adds, in order", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const waiting: string[] = [];
    queue.on("waiting", ({ id }) => waiting.push(id));
    await bench.queue().add("n", {}, { jobId: "of another object" });
    await queue.add("n", {}, { jobId: "a" });
    await queue.add("n", {}, { jobId: "b", delay: 100_000 });
    await queue.addBulk([{ name: "n", data: 1, opts: { jobId: "c" } }]);
    assert.deepEqual(waiting, ["a", "b", "c"]);
  });

  it("Queue event error: what a listener throws, and a store that cannot be opened", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const errors: string[] = [];
    queue.on("error", ({ message }) => errors.push(message));
    queue.on("paused", () => {
      throw new Error("from the listener");
    });
    await queue.pause();
    assert.deepEqual(errors, ["from the listener"]);
    const broken = bench.add(new Queue("q", { store: "/proc/no/such/place.db" }));
    const [error] = (await once(broken, "error")) as [Error];
    assert.equal(error.name, "MillraceError");
  });
});
