import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";

import { QueueEvents } from "millrace";

import { Bench, until } from "./support.js";

const NAMES = [
  "added",
  "waiting",
  "delayed",
  "active",
  "progress",
  "completed",
  "failed",
  "retries-exhausted",
  "removed",
  "duplicated",
  "cancelled",
  "paused",
  "resumed",
] as const;

/** Every event as [name, arguments, id], in the order of its arrival. */
function record(events: QueueEvents): [string, Record<string, unknown>, string][] {
  const heard: [string, Record<string, unknown>, string][] = [];
  for (const name of NAMES) {
    events.on(name, (args: object, id: string) => heard.push([name, args as never, id]));
  }
  return heard;
}

describe("QueueEvents", () => {
  it("tell the whole life of a job in order", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    const heard = record(events);
    const { id: jobId } = await queue.add("n", {});
    await queue.add("n", {}, { jobId });
    bench.worker(async (job) => {
      await job.updateProgress(10);
      return { ok: 1 };
    });
    await once(events, "completed");
    assert.deepEqual(
      heard.map(([name, args]) => [name, args]),
      [
        ["added", { jobId, name: "n" }],
        ["waiting", { jobId }],
        ["duplicated", { jobId }],
        ["active", { jobId, prev: "waiting" }],
        ["progress", { jobId, data: 10 }],
        ["completed", { jobId, returnvalue: { ok: 1 }, prev: "active" }],
      ],
    );
  });

  it("tell retries, failures, cancels and what happens to the queue", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    const heard = record(events);
    await queue.pause();
    await queue.resume();
    const worker = bench.worker(() => {
      throw new Error("no");
    });
    const job = await queue.add("n", {}, { attempts: 2, backoff: 1 });
    await until(() => heard.some(([name]) => name === "failed"));
    await worker.close();
    const other = await queue.add("later", {}, { delay: 100_000 });
    await other.cancel("enough");
    await job.remove();
    await until(() => heard.some(([name]) => name === "removed"));
    const names = heard.map(([name]) => name);
    assert.deepEqual(names.slice(0, 5), ["paused", "resumed", "added", "waiting", "active"]);
    assert.deepEqual(
      names.filter((name) =>
        ["failed", "retries-exhausted", "cancelled", "removed"].includes(name),
      ),
      ["failed", "retries-exhausted", "cancelled", "removed"],
    );
    const args = (name: string): unknown =>
      heard.findLast(([heardName]) => heardName === name)?.[1];
    assert.deepEqual(args("failed"), { jobId: job.id, failedReason: "no", prev: "active" });
    assert.deepEqual(args("retries-exhausted"), { jobId: job.id, attemptsMade: "2" });
    assert.deepEqual(args("removed"), { jobId: job.id, prev: "failed" });
    assert.equal((args("cancelled") as { reason: string }).reason, "enough");
    assert.equal((args("delayed") as { jobId: string }).jobId, other.id);
  });

  it("go on after an event that was seen, without a gap and without a repetition", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const first = await bench.events();
    const heard = record(first);
    for (let i = 0; i < 20; i++) await queue.add("n", {}, { jobId: `a${i}` });
    await until(() => heard.length === 40);
    await first.close();
    for (let i = 0; i < 20; i++) await queue.add("n", {}, { jobId: `b${i}` });
    const resumed = bench.add(
      new QueueEvents("q", { store: bench.store, lastEventId: heard.at(-1)![2], autorun: false }),
    );
    const more = record(resumed);
    resumed.run().catch(() => undefined);
    await until(() => more.length >= 40);
    assert.deepEqual(
      more.filter(([name]) => name === "added").map(([, args]) => args["jobId"]),
      Array.from({ length: 20 }, (_, i) => `b${i}`),
    );
  });

  it('start at the oldest with lastEventId "0", and page through more than one page', async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    await queue.addBulk(
      Array.from({ length: 2500 }, (_, i) => ({ name: "n", data: {}, opts: { jobId: `j${i}` } })),
    );
    const events = await bench.events("q", { lastEventId: "0" });
    const ids: string[] = [];
    events.on("added", ({ jobId }) => ids.push(jobId));
    await until(() => ids.length === 2500);
    assert.deepEqual(
      ids,
      Array.from({ length: 2500 }, (_, i) => `j${i}`),
    );
  });

  it("a reader that closes twice, or before it is open, ends", async (t) => {
    const bench = new Bench(t);
    bench.queue();
    const events = new QueueEvents("q", { store: bench.store, autorun: false });
    const running = events.run();
    await events.close();
    await events.close();
    await running;
    await assert.rejects(events.run(), { code: "closed" });
  });
});
