// The option `telemetry`: a tracer, a context manager and a meter of the user's.
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { describe, it } from "node:test";

import { type Attributes, type Span, SpanKind, type Telemetry, Worker } from "millrace";

import { Bench, until } from "../support.js";

interface Recorded {
  name: string;
  kind: SpanKind | undefined;
  /** The names of the spans that it is inside. */
  inside: string[];
  attributes: Attributes;
  events: string[];
  exceptions: string[];
  ended: boolean;
}

/** Records what it is told. A context is the list of the spans around. */
class Recorder {
  readonly spans: Recorded[] = [];
  readonly metrics: [name: string, value: number, state: unknown][] = [];
  readonly #active = new AsyncLocalStorage<string[]>();
  readonly telemetry: Telemetry = {
    tracer: { startSpan: (name, options, context) => this.#start(name, options?.kind, context) },
    contextManager: {
      with: (context, fn) => this.#active.run(context as string[], fn) as never,
      active: () => this.#active.getStore() ?? [],
      getMetadata: (context) => JSON.stringify(context),
      fromMetadata: (_active, metadata) => JSON.parse(metadata) as string[],
    },
    meter: {
      createCounter: (name) => ({
        add: (value, attributes) =>
          this.metrics.push([name, value, attributes?.["bullmq.job.state"]]),
      }),
      createHistogram: (name) => ({
        record: (value, attributes) =>
          this.metrics.push([name, Math.sign(value), attributes?.["bullmq.job.state"]]),
      }),
      createGauge: () => assert.fail("not asked for"),
    },
  };

  #start(name: string, kind: SpanKind | undefined, context: unknown): Span {
    const inside = (context ?? this.#active.getStore() ?? []) as string[];
    const recorded: Recorded = {
      ...{ name, kind, inside, attributes: {}, events: [], exceptions: [], ended: false },
    };
    this.spans.push(recorded);
    return {
      setSpanOnContext: () => [...inside, name],
      setAttribute: (key, value) => Object.assign(recorded.attributes, { [key]: value }),
      setAttributes: (attributes) => Object.assign(recorded.attributes, attributes),
      addEvent: (event) => recorded.events.push(event),
      recordException: (error) => recorded.exceptions.push(String(error)),
      end: () => (recorded.ended = true),
    };
  }
}

function workerOf(bench: Bench, telemetry: Telemetry): Worker {
  const options = { store: bench.store, telemetry, name: "painter", autorun: false };
  return bench.add(
    new Worker(
      "q",
      ({ name }) => (name === "fails" ? Promise.reject(new Error("no")) : 1),
      options,
    ),
  );
}

describe("telemetry", () => {
  it("tracer: spans of adding and of each attempt, with attributes", async (t) => {
    const bench = new Bench(t);
    const { telemetry, spans } = new Recorder();
    const queue = bench.queue("q", { telemetry });
    const worker = workerOf(bench, telemetry);
    let ended = 0;
    worker.on("completed", () => ended++).on("failed", () => ended++);
    await queue.add("paint", {}, { jobId: "a" });
    await queue.addBulk([{ name: "fails", data: {}, opts: { jobId: "b" } }]);
    await assert.rejects(queue.add("bad", 5n), /BigInt/);
    void worker.run();
    await until(() => ended === 2);
    const told = spans.map(({ name, kind, exceptions }) => [name, kind, exceptions.length]);
    assert.deepEqual(told, [
      ["add q.paint", SpanKind.PRODUCER, 0],
      ["addBulk q", SpanKind.PRODUCER, 0],
      ["add q.bad", SpanKind.PRODUCER, 1],
      ["process q", SpanKind.CONSUMER, 0],
      ["process q", SpanKind.CONSUMER, 1],
    ]);
    assert.ok(spans.every((span) => span.ended));
    assert.deepEqual(spans[0]?.attributes, {
      ...{ "bullmq.queue.name": "q", "bullmq.queue.operation": "add" },
      ...{ "bullmq.job.name": "paint", "bullmq.job.id": "a" },
    });
    assert.deepEqual(spans[1]?.attributes, {
      ...{ "bullmq.queue.name": "q", "bullmq.queue.operation": "addBulk" },
      ...{ "bullmq.job.bulk.names": ["fails"], "bullmq.job.bulk.count": 1 },
    });
    assert.deepEqual(spans[3]?.attributes, {
      ...{ "bullmq.queue.name": "q", "bullmq.queue.operation": "process" },
      ...{ "bullmq.worker.id": worker.id, "bullmq.worker.name": "painter" },
      ...{ "bullmq.job.name": "paint", "bullmq.job.id": "a" },
    });
    assert.deepEqual([spans[3]?.events, spans[4]?.events], [["job completed"], ["job failed"]]);
  });

  it("contextManager: an attempt continues the trace of whoever added the job", async (t) => {
    const bench = new Bench(t);
    const { telemetry, spans } = new Recorder();
    const queue = bench.queue("q", { telemetry });
    const worker = workerOf(bench, telemetry);
    let ended = 0;
    worker.on("completed", () => ended++);
    await telemetry.contextManager.with(["request"], async () => {
      await queue.add("a", {}, { jobId: "a" });
      await queue.addBulk([{ name: "b", data: {}, opts: { jobId: "b" } }]);
      await queue.add("own", {}, { jobId: "c", telemetry: { omitContext: true } });
    });
    const job = await queue.getJob("a");
    assert.deepEqual(job?.opts.telemetry, { metadata: '["request","add q.a"]' });
    assert.deepEqual((await queue.getJob("c"))?.opts.telemetry, { omitContext: true });
    void worker.run();
    await until(() => ended === 3);
    const attempts = spans.filter(({ name }) => name === "process q");
    assert.deepEqual(
      attempts.map(({ inside, attributes }) => [attributes["bullmq.job.id"], inside]),
      [
        ["a", ["request", "add q.a"]],
        ["b", ["request", "addBulk q"]],
        ["c", []],
      ],
    );
  });

  it("meter: counts and lengths of attempts", async (t) => {
    const bench = new Bench(t);
    const { telemetry, metrics } = new Recorder();
    const queue = bench.queue();
    const worker = workerOf(bench, telemetry);
    let ended = 0;
    worker.on("completed", () => ended++).on("failed", () => ended++);
    await queue.addBulk(["good", "fails"].map((name) => ({ name, data: {} })));
    void worker.run();
    await until(() => ended === 2);
    assert.deepEqual(metrics, [
      ["bullmq.jobs.completed", 1, "completed"],
      ["bullmq.job.duration", 1, "completed"],
      ["bullmq.jobs.failed", 1, "failed"],
      ["bullmq.job.duration", 1, "failed"],
    ]);
  });

  it("what is none is refused", (t) => {
    const bench = new Bench(t);
    assert.throws(() => bench.queue("q", { telemetry: {} as Telemetry }), {
      code: "invalid_argument",
      message: "new Queue: telemetry must be {tracer, contextManager, meter?}, not an object",
    });
  });
});
