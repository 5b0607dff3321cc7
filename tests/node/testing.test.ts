import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe, it } from "node:test";

import { Queue } from "millrace";
import { openTestStore } from "millrace/testing";

const HOUR = 3_600_000;

describe("openTestStore", () => {
  it("runs what is due, and nothing else, as the clock moves", async () => {
    await using store = await openTestStore({ now: new Date("2026-01-01T00:00:00Z") });
    await using queue = new Queue("mail", { store });
    const sent: string[] = [];
    const send = (job: { data: { to: string } }): void => void sent.push(job.data.to);
    await queue.add("remind", { to: "ann" }, { delay: HOUR });
    await queue.add("remind", { to: "bob" });
    await store.assertEnqueued("mail", "remind", { to: "ann" });
    assert.equal(store.now(), Date.parse("2026-01-01T00:00:00Z"));
    assert.equal(await store.runAll("mail", send), 1);
    assert.equal(await store.runAll("mail", send), 0);
    store.advance(HOUR - 1);
    assert.equal(await store.runAll("mail", send), 0);
    store.advance(1);
    assert.equal(await store.runAll("mail", send), 1);
    assert.deepEqual(sent, ["bob", "ann"]);
  });

  it("repeats failed attempts when their back-off has passed", async () => {
    await using store = await openTestStore();
    await using queue = new Queue("q", { store });
    const { id } = await queue.add(
      "n",
      {},
      { attempts: 3, backoff: { type: "exponential", delay: HOUR } },
    );
    const fail = (): never => {
      throw new Error("no");
    };
    assert.equal(await store.runAll("q", fail), 1);
    store.advance(HOUR);
    assert.equal(await store.runAll("q", fail), 1);
    store.advance(HOUR);
    assert.equal(await store.runAll("q", fail), 0, "the second wait is twice as long");
    store.advance(HOUR);
    assert.equal(await store.runAll("q", fail), 1);
    assert.equal(await queue.getJobState(id), "failed");
  });

  it("expires jobs that were not started in time", async () => {
    await using store = await openTestStore();
    await using queue = new Queue("q", { store });
    const { id } = await queue.add("n", {}, { expires: 1000 });
    store.advance(1000);
    assert.equal(await store.runAll("q", () => 1), 0);
    assert.equal(await queue.getJobState(id), "cancelled");
  });

  it("leaves what a limit or a pause holds back", async () => {
    await using store = await openTestStore();
    await using queue = new Queue("q", { store });
    await store.limits.set({ queue: "q", max: 1, duration: HOUR });
    await queue.addBulk(Array.from({ length: 3 }, () => ({ name: "n", data: {} })));
    assert.equal(await store.runAll("q", () => 1), 1);
    assert.equal(await store.runAll("q", () => 1), 0);
    store.advance(HOUR);
    await queue.pause();
    assert.equal(await store.runAll("q", () => 1), 0);
    await queue.resume();
    assert.equal(await store.runAll("q", () => 1), 1);
    assert.equal(await queue.getWaitingCount(), 1);
  });

  it("assertEnqueued says what is there instead; close removes the folder", async () => {
    const store = await openTestStore();
    const queue = new Queue("q", { store });
    await queue.add("n", { x: 1 });
    await assert.rejects(store.assertEnqueued("q", "n", { x: 2 }), {
      message: 'no job n {"x":2} is to be done in queue "q"; there are:\n  n {"x":1}',
    });
    await assert.rejects(openTestStore({ now: 0.5 }), {
      message: "openTestStore: now must be an integer from 1 to 100000000000000, not 0.5",
    });
    await queue.close();
    await store.close();
    assert.equal(existsSync(store.path), false);
  });
});
