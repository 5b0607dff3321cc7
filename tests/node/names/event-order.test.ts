// In which order events are told, and with which arguments, over the whole life of jobs.
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { FlowProducer, type Job, type Queue, type QueueEvents, type Worker } from "millrace";

import { Bench, deferred, until } from "../support.js";

const KINDS = [
  ...(["added", "waiting", "active", "delayed", "waiting-children", "progress"] as const),
  ...(["completed", "failed", "retries-exhausted", "removed", "paused", "resumed"] as const),
  ...(["cleaned", "duplicated", "deduplicated", "stalled"] as const),
];

/** All that a reader hears, as [kind, arguments], and the ids of the events. */
function hear(events: QueueEvents): { told: unknown[][]; ids: string[] } {
  const heard: { told: unknown[][]; ids: string[] } = { told: [], ids: [] };
  for (const kind of KINDS) {
    events.on(kind as "added", (args, id) => {
      heard.told.push([kind, args]);
      heard.ids.push(id);
    });
  }
  events.on("drained", (id) => {
    heard.told.push(["drained"]);
    heard.ids.push(id);
  });
  return heard;
}

/** The same of a worker: jobs by their ids. */
function hearWorker(worker: Worker): unknown[][] {
  const told: unknown[][] = [];
  const id = (value: unknown): unknown =>
    typeof value === "object" && value !== null && "queueName" in value
      ? (value as Job).id
      : value instanceof Error
        ? value.message
        : value;
  const kinds = [
    "ready",
    "active",
    "progress",
    "completed",
    "failed",
    "drained",
    "stalled",
  ] as const;
  for (const kind of [...kinds, "paused", "resumed", "closing", "closed", "error"] as const) {
    worker.on(kind as "failed", (...args: unknown[]) => told.push([kind, ...args.map(id)]));
  }
  return told;
}

const has = (told: unknown[][], kind: string): boolean => told.some(([each]) => each === kind);

describe("the order of events", () => {
  it("Worker: a job that fails once, is tried again and completes", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = bench.worker(async (job: Job) => {
      await job.updateProgress(job.attemptsStarted);
      if (job.attemptsMade === 0) throw new Error("not yet");
      return "done";
    });
    const told = hearWorker(worker);
    await worker.waitUntilReady();
    await queue.add("n", {}, { jobId: "j", attempts: 2 });
    await until(() => has(told, "completed") && told.at(-1)?.[0] === "drained");
    await worker.pause();
    await worker.resume();
    await worker.close();
    const withoutDrained = told.filter(([kind]) => kind !== "drained");
    assert.deepEqual(withoutDrained, [
      ["ready"],
      ["active", "j", "waiting"],
      ["progress", "j", 1],
      ["failed", "j", "not yet", "active"],
      ["active", "j", "waiting"],
      ["progress", "j", 2],
      ["completed", "j", "done", "active"],
      ["paused"],
      ["resumed"],
      ["closing", "closing queue"],
      ["closed"],
    ]);
    const after = told.findIndex(([kind]) => kind === "completed");
    assert.deepEqual(told[after + 1], ["drained"], "when the last job is over");
  });

  it("QueueEvents: a job that fails once, is tried again later and completes", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const heard = hear(await bench.events());
    bench.worker(async (job: Job) => {
      await job.updateProgress({ attempt: job.attemptsStarted });
      if (job.attemptsMade === 0) throw new Error("not yet");
      return "done";
    });
    const backoff = { type: "fixed", delay: 20 };
    await queue.add("n", {}, { jobId: "j", attempts: 2, backoff });
    await until(() => has(heard.told, "completed"));
    for (const [i, [kind]] of heard.told.entries()) {
      const before = heard.told[i - 1]?.[0];
      assert.equal(kind === "drained", before === "active", "the last that waited was taken");
    }
    const delayed = heard.told.find(([kind]) => kind === "delayed") as [string, { delay: number }];
    assert.ok(delayed[1].delay > 1e12, "the time at which it is due");
    const jobId = "j";
    assert.deepEqual(
      heard.told.filter(([kind]) => kind !== "drained"),
      [
        ["added", { jobId, name: "n" }],
        ["waiting", { jobId }],
        ["active", { jobId, prev: "waiting" }],
        ["progress", { jobId, data: { attempt: 1 } }],
        ["delayed", { jobId, delay: delayed[1].delay }],
        ["waiting", { jobId, prev: "delayed" }],
        ["active", { jobId, prev: "waiting" }],
        ["progress", { jobId, data: { attempt: 2 } }],
        ["completed", { jobId, returnvalue: "done", prev: "active" }],
      ],
    );
    const [sorted] = [heard.ids.map((id) => id.split("-").map(Number))];
    for (let i = 1; i < sorted.length; i++) {
      const [one, other] = [sorted[i - 1]!, sorted[i]!];
      assert.ok(one[0]! < other[0]! || (one[0] === other[0] && one[1]! <= other[1]!));
    }
  });

  it("QueueEvents: a job that fails for good, is tried again by hand and removed", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const heard = hear(await bench.events());
    const gate = deferred();
    bench.worker(async (job: Job) => {
      if (job.attemptsMade < 2) throw new Error("no");
      await gate.promise;
    });
    const job = await queue.add("n", {}, { jobId: "j", attempts: 2 });
    await until(() => has(heard.told, "retries-exhausted"));
    await job.retry();
    gate.resolve();
    await until(() => has(heard.told, "completed"));
    await job.remove();
    await until(() => has(heard.told, "removed"));
    const jobId = "j";
    const failedReason = "no";
    assert.deepEqual(
      heard.told.filter(([kind]) => kind !== "drained"),
      [
        ["added", { jobId, name: "n" }],
        ["waiting", { jobId }],
        ["active", { jobId, prev: "waiting" }],
        ["waiting", { jobId, prev: "active" }],
        ["active", { jobId, prev: "waiting" }],
        ["failed", { jobId, failedReason, prev: "active" }],
        ["retries-exhausted", { jobId, attemptsMade: "2" }],
        ["waiting", { jobId, prev: "failed" }],
        ["active", { jobId, prev: "waiting" }],
        ["completed", { jobId, returnvalue: null, prev: "active" }],
        ["removed", { jobId, prev: "completed" }],
      ],
    );
  });

  it("QueueEvents and FlowProducer: a parent after its child", async (t) => {
    const bench = new Bench(t);
    const heard = hear(await bench.events());
    const producer = bench.add(new FlowProducer({ store: bench.store }));
    await producer.add({
      ...{ name: "p", queueName: "q", opts: { jobId: "parent" } },
      children: [{ name: "c", opts: { jobId: "child" } }],
    });
    bench.worker((job: Job) => job.name);
    await until(() => heard.told.filter(([kind]) => kind === "completed").length === 2);
    const [parent, child] = [{ jobId: "parent" }, { jobId: "child" }];
    assert.deepEqual(
      heard.told.filter(([kind]) => kind !== "drained"),
      [
        ["added", { ...child, name: "c" }],
        ["waiting", child],
        ["added", { ...parent, name: "p" }],
        ["waiting-children", parent],
        ["active", { ...child, prev: "waiting" }],
        ["completed", { ...child, returnvalue: "c", prev: "active" }],
        ["waiting", { ...parent, prev: "waiting-children" }],
        ["active", { ...parent, prev: "waiting" }],
        ["completed", { ...parent, returnvalue: "p", prev: "active" }],
      ],
    );
    const refused = bench.add(new FlowProducer({ store: "/proc/no/such/place.db" }));
    const error = await new Promise<Error>((resolve) => refused.once("error", resolve));
    assert.equal(error.name, "MillraceError");
  });

  it("Queue: what this object does, each when it is done", async (t) => {
    const bench = new Bench(t);
    const queue: Queue = bench.queue();
    const told: unknown[][] = [];
    for (const kind of [
      "waiting",
      "progress",
      "removed",
      "cleaned",
      "paused",
      "resumed",
    ] as const) {
      queue.on(kind as "removed", (...args: unknown[]) =>
        told.push([kind, ...args.map((arg) => (arg as Job).id ?? arg)]),
      );
    }
    const job = await queue.add("n", {}, { jobId: "a" });
    await queue.addBulk(["b", "c"].map((jobId) => ({ name: "n", data: 1, opts: { jobId } })));
    await job.updateProgress(5);
    await queue.pause();
    await queue.resume();
    await job.remove();
    await queue.remove("b");
    await queue.clean(0, 0, "wait");
    assert.deepEqual(told, [
      ["waiting", "a"],
      ["waiting", "b"],
      ["waiting", "c"],
      ["progress", "a", 5],
      ["paused"],
      ["resumed"],
      ["removed", "a"],
      ["removed", "b"],
      ["cleaned", ["c"], "wait"],
    ]);
  });
});
