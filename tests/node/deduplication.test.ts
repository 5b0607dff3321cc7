import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";

import { Queue } from "millrace";
import { openTestStore } from "millrace/testing";

import { Bench, deferred } from "./support.js";

describe("deduplication", () => {
  it("drops a job while another one of its key is unfinished, and tells which one counts", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    const told = once(events, "deduplicated");
    const first = await queue.add("n", { x: 1 }, { deduplication: { id: "k" } });
    const second = await queue.add("n", { x: 2 }, { deduplication: { id: "k" }, jobId: "mine" });
    assert.equal(first.existing, false);
    assert.equal(second.existing, true);
    assert.equal(second.id, first.id);
    assert.equal(await queue.getDeduplicationJobId("k"), first.id);
    assert.equal((await queue.getJob(first.id))?.deduplicationId, "k");
    assert.equal(await queue.count(), 1);
    const [event] = (await told) as [object];
    assert.deepEqual(event, {
      jobId: first.id,
      deduplicationId: "k",
      deduplicatedJobId: "mine",
    });
    bench.worker(() => 1);
    await first.waitUntilFinished(await bench.events());
    const third = await queue.add("n", {}, { deduplication: { id: "k" } });
    assert.equal(third.existing, false);
  });

  it("frees a key by a call", async (t) => {
    const queue = new Bench(t).queue();
    const first = await queue.add("n", {}, { deduplication: { id: "k", ttl: Infinity } });
    await first.remove();
    assert.equal((await queue.add("n", {}, { deduplication: { id: "k" } })).existing, true);
    assert.equal(await queue.removeDeduplicationKey("k"), 1);
    assert.equal(await queue.removeDeduplicationKey("k"), 0);
    assert.equal(await queue.getDeduplicationJobId("k"), null);
    assert.equal((await queue.add("n", {}, { deduplication: { id: "k" } })).existing, false);
  });

  it("throttles: one job in a time, whatever became of it", async () => {
    await using store = await openTestStore();
    await using queue = new Queue("q", { store });
    const deduplication = { id: "k", ttl: 1000 };
    await queue.add("n", {}, { deduplication });
    await store.runAll("q", () => 1);
    assert.equal((await queue.add("n", {}, { deduplication })).existing, true);
    store.advance(1000);
    assert.equal((await queue.add("n", {}, { deduplication })).existing, false);
  });

  it("debounces: the newest job takes the place of a delayed one, and the delay begins anew", async () => {
    await using store = await openTestStore();
    await using queue = new Queue("q", { store });
    const deduplication = { id: "k", ttl: 1000, extend: true, replace: true };
    const first = await queue.add("n", { x: 1 }, { deduplication, delay: 1000 });
    store.advance(600);
    const second = await queue.add("n", { x: 2 }, { deduplication, delay: 1000 });
    assert.equal(second.replacedId, first.id);
    assert.equal(await queue.getJob(first.id), undefined);
    store.advance(600);
    const ran: number[] = [];
    const run = (job: { data: { x: number } }): void => void ran.push(job.data.x);
    await store.runAll("q", run);
    assert.deepEqual(ran, []);
    store.advance(400);
    await store.runAll("q", run);
    assert.deepEqual(ran, [2]);
  });

  it("keeps one follow-up, the newest, while a job runs", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const go = deferred();
    const ran: number[] = [];
    const worker = bench.worker(async ({ data }) => {
      ran.push(data.x);
      await go.promise;
    });
    const deduplication = { id: "k", keepLastIfActive: true };
    const active = once(worker, "active");
    await queue.add("n", { x: 1 }, { deduplication });
    await active;
    await queue.add("n", { x: 2 }, { deduplication });
    const third = await queue.add("n", { x: 3 }, { deduplication });
    go.resolve();
    await third.waitUntilFinished(await bench.events());
    assert.deepEqual(ran, [1, 3]);
  });

  it("looks at the states that it is told", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const deduplication = { id: "k", states: ["completed" as const] };
    const first = await queue.add("n", {}, { deduplication });
    const second = await queue.add("n", {}, { deduplication });
    assert.equal(second.existing, false);
    bench.worker(() => 1);
    await second.waitUntilFinished(await bench.events());
    assert.equal((await queue.add("n", {}, { deduplication })).existing, true);
    assert.notEqual(first.id, second.id);
  });
});
