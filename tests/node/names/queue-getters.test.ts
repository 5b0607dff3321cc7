// What a queue can tell, under BullMQ's names.
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { type Job, type Meter, Queue, type Telemetry } from "millrace";

import { Bench, deferred, until } from "../support.js";

/** A queue with a job in each state; "a" is active, and ends with the bench. */
async function inEveryState(bench: Bench): Promise<Queue> {
  const queue = bench.queue();
  const gate = deferred();
  const worker = bench.worker(
    (job: Job) => {
      if (job.name === "fails") throw new Error("no");
      return job.name === "runs" ? gate.promise : "done";
    },
    { concurrency: 3 },
  );
  bench.add({ close: async () => gate.resolve() });
  const ended: string[] = [];
  worker.on("completed", ({ id }) => ended.push(id)).on("failed", (job) => ended.push(job!.id));
  await queue.addBulk([
    { name: "ends", data: {}, opts: { jobId: "c" } },
    { name: "fails", data: {}, opts: { jobId: "f" } },
    { name: "runs", data: {}, opts: { jobId: "a" } },
  ]);
  await until(async () => ended.length === 2 && (await queue.getActiveCount()) === 1);
  await worker.pause(true);
  await queue.addBulk([
    { name: "n", data: 1, opts: { jobId: "w1" } },
    { name: "n", data: 2, opts: { jobId: "w2" } },
    { name: "n", data: 3, opts: { jobId: "p5", priority: 5 } },
    { name: "n", data: 3, opts: { jobId: "p1", priority: 1 } },
    { name: "n", data: 4, opts: { jobId: "d", delay: 100_000 } },
  ]);
  await queue.addFlow({
    name: "parent",
    opts: { jobId: "b" },
    children: [{ name: "child", opts: { jobId: "child", delay: 100_000 } }],
  });
  return queue;
}

const ids = (jobs: Job[]): string[] => jobs.map(({ id }) => id);

describe("Queue's getters", () => {
  it("Queue.count, Queue.getJobCounts, Queue.getJobCountByTypes: count by state", async (t) => {
    const queue = await inEveryState(new Bench(t));
    assert.deepEqual(await queue.getJobCounts(), {
      ...{ waiting: 2, prioritized: 2, delayed: 2, active: 1, "waiting-children": 1 },
      ...{ completed: 1, failed: 1, cancelled: 0 },
    });
    assert.deepEqual(await queue.getJobCounts("wait", "failed"), { wait: 2, failed: 1 });
    assert.equal(await queue.getJobCountByTypes("waiting", "delayed"), 4);
    assert.equal(await queue.count(), 7);
  });

  it("Queue.getCompletedCount and the others: one state each", async (t) => {
    const queue = await inEveryState(new Bench(t));
    assert.equal(await queue.getCompletedCount(), 1);
    assert.equal(await queue.getFailedCount(), 1);
    assert.equal(await queue.getActiveCount(), 1);
    assert.equal(await queue.getPrioritizedCount(), 2);
    assert.equal(await queue.getWaitingCount(), 2);
    assert.equal(await queue.getWaitingChildrenCount(), 1);
    assert.equal(await queue.getDelayedCount(), 2);
    assert.equal(await queue.getDelayedCount(Date.now() + 50_000), 0);
    assert.equal(await queue.getDelayedCount(Date.now() + 200_000), 2);
    await assert.rejects(queue.getDelayedCount(1.5), /timestamp must be a safe integer/);
  });

  it("Queue.getWaiting and the others: jobs of one state in order", async (t) => {
    const queue = await inEveryState(new Bench(t));
    assert.deepEqual(ids(await queue.getWaiting()), ["w1", "w2"]);
    assert.deepEqual(ids(await queue.getWaiting(1, 1)), ["w2"]);
    assert.deepEqual(ids(await queue.getPrioritized()), ["p1", "p5"]);
    assert.deepEqual(ids(await queue.getActive()), ["a"]);
    assert.deepEqual(ids(await queue.getDelayed()), ["d", "child"]);
    assert.deepEqual(ids(await queue.getWaitingChildren()), ["b"]);
    assert.deepEqual(ids(await queue.getCompleted()), ["c"]);
    assert.deepEqual(ids(await queue.getFailed()), ["f"]);
  });

  it("Queue.getJobs, Queue.getRanges: jobs and ids of several states, from either end", async (t) => {
    const queue = await inEveryState(new Bench(t));
    assert.deepEqual(ids(await queue.getJobs(["wait", "failed"], 0, -1, true)), ["w1", "w2", "f"]);
    assert.deepEqual(ids(await queue.getJobs("wait", 0, 0)), ["w2"]);
    assert.equal((await queue.getJobs()).length, 10);
    assert.deepEqual(await queue.getRanges(["waiting", "prioritized"], 0, -1, true), [
      ...["w1", "w2", "p1", "p5"],
    ]);
    assert.deepEqual(await queue.getRanges(["waiting"]), ["w2", "w1"]);
  });

  it("Queue.getCountsPerPriority: counts the jobs that wait with each", async (t) => {
    const queue = await inEveryState(new Bench(t));
    assert.deepEqual(await queue.getCountsPerPriority([0, 1, 2, 5, 5]), { 0: 2, 1: 1, 2: 0, 5: 1 });
  });

  it("Queue.getJob, Queue.getJobState: one job, and where it stands", async (t) => {
    const queue = await inEveryState(new Bench(t));
    assert.equal((await queue.getJob("w1"))?.data, 1);
    assert.equal(await queue.getJob("nobody"), undefined);
    const states: [string, string][] = [
      ["w1", "waiting"],
      ["p1", "prioritized"],
      ["d", "delayed"],
      ["a", "active"],
      ["b", "waiting-children"],
      ["c", "completed"],
      ["f", "failed"],
      ["nobody", "unknown"],
    ];
    for (const [id, state] of states) assert.equal(await queue.getJobState(id), state);
  });

  it("Queue.getDependencies: what a job waits for and has waited for, with results", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const opts = { ignoreDependencyOnFailure: true };
    await queue.addFlow({
      name: "parent",
      opts: { jobId: "p" },
      children: [
        { name: "good", opts: { jobId: "good" } },
        { name: "bad", opts: { jobId: "bad", ...opts } },
        { name: "late", opts: { jobId: "late", delay: 100_000 } },
      ],
    });
    let ended = 0;
    const worker = bench.worker(({ name }) => {
      if (name === "bad") throw new Error("no");
      return { fine: true };
    });
    worker.on("completed", () => ended++).on("failed", () => ended++);
    await until(() => ended === 2);
    const processed = await queue.getDependencies("p", "processed", 0, -1);
    assert.deepEqual(processed.items, [
      { id: "q:good", v: { fine: true } },
      { id: "q:bad", err: "no" },
    ]);
    assert.deepEqual(
      [processed.total, processed.jobs.map(({ id, name }) => `${id} ${name}`)],
      [2, ["good good", "bad bad"]],
    );
    const pending = await queue.getDependencies("p", "pending", 0, 0);
    assert.deepEqual([pending.items, pending.total], [[{ id: "q:late" }], 1]);
    const [job] = await queue.getWaitingChildren();
    assert.deepEqual(await job?.getDependenciesCount(), {
      ...{ processed: 1, unprocessed: 1, ignored: 1, failed: 0 },
    });
    assert.deepEqual(await job?.getDependenciesCount({ ignored: true }), { ignored: 1 });
    assert.deepEqual(await job?.getDependencies({ processed: { count: 1 }, unprocessed: {} }), {
      processed: { "q:good": { fine: true } },
      nextProcessedCursor: 0,
      unprocessed: ["q:late"],
      nextUnprocessedCursor: 0,
    });
    assert.deepEqual(await job?.getIgnoredChildrenFailures(), { "q:bad": "no" });
  });

  it("Queue.getJobLogs: lines from either end", async (t) => {
    const queue = new Bench(t).queue();
    await queue.add("n", {}, { jobId: "j" });
    for (const line of ["a", "b", "c"]) await queue.addJobLog("j", line);
    assert.deepEqual(await queue.getJobLogs("j", 1), { logs: ["b", "c"], count: 3 });
    assert.deepEqual(await queue.getJobLogs("j", 0, 1), { logs: ["a", "b"], count: 3 });
    assert.deepEqual(await queue.getJobLogs("j", 0, 1, false), { logs: ["c", "b"], count: 3 });
  });

  it("Queue.getWorkers, Queue.getWorkersCount: the processes that work the queue", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    assert.equal(await queue.getWorkersCount(), 0);
    const worker = bench.worker(() => 1, { name: "painter", concurrency: 3 });
    await worker.waitUntilReady();
    const [info] = await queue.getWorkers();
    assert.deepEqual(
      [info?.name, info?.language, info?.pid, info?.slots, info?.queues],
      ["painter", "node", process.pid, 3, ["q"]],
    );
    assert.equal(await queue.getWorkersCount(), 1);
  });

  it("Queue.getMetrics: finished jobs by the minute, and in all", async (t) => {
    const queue = await inEveryState(new Bench(t));
    for (const type of ["completed", "failed"] as const)
      await until(async () => (await queue.getMetrics(type)).meta.count === 1);
    for (const type of ["completed", "failed"] as const) {
      const { meta, data, count } = await queue.getMetrics(type);
      assert.equal(meta.count, 1);
      assert.equal(
        data.reduce((sum, each) => sum + each, 0),
        1,
      );
      assert.equal(data.length, count);
      assert.equal(meta.prevCount, 1 - data[0]!);
      assert.ok(meta.prevTS % 60_000 === 0 && Date.now() - meta.prevTS < 120_000);
      assert.equal((await queue.getMetrics(type, 0, 0)).data.length, 1);
      assert.deepEqual((await queue.getMetrics(type, 5000, 5010)).data, []);
    }
    const bad = queue.getMetrics("active" as "failed");
    await assert.rejects(bad, /type must be one of "completed", "failed"/);
  });

  it("Queue.trimEvents: removes the oldest events", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    for (let i = 0; i < 20; i++) await queue.add("n", {}, { jobId: `j${i}` });
    assert.ok((await queue.trimEvents(5)) > 0);
    const added: string[] = [];
    const events = await bench.events("q", { lastEventId: "0" });
    events.on("added", ({ jobId }) => added.push(jobId));
    await until(() => added.at(-1) === "j19");
    assert.ok(added.length >= 2 && added.length < 20, String(added.length));
    assert.equal(await queue.trimEvents(1000), 0);
    await assert.rejects(queue.trimEvents(-1), /maxLength must be an integer from 0/);
  });

  it("Queue.exportPrometheusMetrics: BullMQ's names, with escaped labels", async (t) => {
    const bench = new Bench(t);
    const queue = await inEveryState(bench);
    await until(async () => {
      const text = await queue.exportPrometheusMetrics();
      return ["completed", "failed"].every((end) => text.includes(`_${end}_total{queue="q"} 1`));
    });
    const text = await queue.exportPrometheusMetrics({ env: 'a"b' });
    const lines = text.split("\n");
    assert.deepEqual(lines.slice(0, 3), [
      "# HELP bullmq_job_count Number of jobs in the queue by state",
      "# TYPE bullmq_job_count gauge",
      'bullmq_job_count{queue="q", state="waiting", env="a\\"b"} 2',
    ]);
    assert.deepEqual(lines.slice(-3), [
      "# HELP bullmq_job_failed_total Total number of failed jobs",
      "# TYPE bullmq_job_failed_total counter",
      'bullmq_job_failed_total{queue="q", env="a\\"b"} 1',
    ]);
  });

  it("Queue.recordJobCountsMetric: records a gauge for each state", async (t) => {
    const bench = new Bench(t);
    const recorded: unknown[][] = [];
    const meter: Meter = {
      createCounter: () => assert.fail(),
      createHistogram: () => assert.fail(),
      createGauge: (name) => ({
        record: (value, attributes) => recorded.push([name, value, attributes]),
      }),
    };
    const telemetry = {
      meter,
      tracer: { startSpan: () => assert.fail() },
      contextManager: { with: () => assert.fail() },
    } as unknown as Telemetry;
    const queue = bench.queue("q", { telemetry });
    assert.deepEqual(await queue.recordJobCountsMetric("waiting", "failed"), {
      waiting: 0,
      failed: 0,
    });
    assert.deepEqual(recorded, [
      ["bullmq.queue.jobs", 0, { "bullmq.queue.name": "q", "bullmq.queue.jobs.state": "waiting" }],
      ["bullmq.queue.jobs", 0, { "bullmq.queue.name": "q", "bullmq.queue.jobs.state": "failed" }],
    ]);
  });
});
