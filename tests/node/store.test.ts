import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";

import { Queue, openStore, sqliteVersion, version } from "millrace";

import { Bench, newStore, until } from "./support.js";

describe("Store", () => {
  it("answers reports about itself", async (t) => {
    const bench = new Bench(t);
    const store = bench.add(await openStore(bench.store));
    const queue = bench.add(new Queue("q", { store }));
    const worker = bench.worker(() => {
      throw new Error("dead");
    });
    const failed = once(worker, "failed");
    const { id } = await queue.add("n", { x: 1 });
    await failed;
    assert.equal(store.path, bench.store);
    assert.ok(Array.isArray((await store.inspect())["queues"]));
    assert.equal((await store.job(id))["id"], id);
    const dead = await store.deadLetters({ queue: "q" });
    assert.equal(dead.total, 1);
    assert.equal(dead.jobs[0]?.["id"], id);
    assert.equal((await store.doctor()).ok, true);
    assert.ok((await store.stats())["commits"]! > 0);
    assert.equal((await store.queues())[0]?.failed, 1);
    const workers = await store.workers();
    assert.equal(workers[0]?.language, "node");
    assert.equal(workers[0]?.pid, process.pid);
    assert.equal((await queue.getWorkers()).length, 1);
  });

  it("changes jobs and queues", async (t) => {
    const bench = new Bench(t);
    const store = bench.add(await openStore(bench.store));
    const queue = bench.add(new Queue("q", { store }));
    const a = await queue.add("a", {});
    assert.equal(await store.cancel(a.id, { reason: "no" }), "cancelled");
    await store.retry(a.id);
    assert.equal(await a.getState(), "waiting");
    await store.pause("q");
    assert.equal(await queue.isPaused(), true);
    await store.resume("q");
    assert.equal(await queue.isPaused(), false);
    await queue.add("b", {}, { delay: 50_000 });
    assert.equal(await store.purge("q", { delayed: true }), 2);
    const worker = bench.worker(() => {
      throw new Error("dead");
    });
    await queue.addBulk([1, 2, 3].map((data) => ({ name: data === 3 ? "y" : "x", data })));
    await until(async () => (await queue.getFailedCount()) === 3);
    await worker.close();
    assert.equal(await store.retryDead("q", "x"), 2);
    assert.equal(await store.removeDead("q"), 1);
    assert.equal(await queue.getWaitingCount(), 2);
  });

  it("backs up a store in use; the copy is a store", async (t) => {
    const bench = new Bench(t);
    const store = bench.add(await openStore(bench.store));
    const queue = bench.add(new Queue("q", { store }));
    await queue.add("n", {});
    const copy = join(dirname(bench.store), "copy.db");
    const { bytes, pages } = await store.backup(copy);
    assert.ok(bytes > 0 && pages > 0);
    const copied = bench.add(new Queue("q", { store: copy }));
    assert.equal(await copied.getWaitingCount(), 1);
    await assert.rejects(store.backup(copy), { code: "invalid_argument" });
  });

  it("finds one store by all of its names", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    await queue.add("n", {});
    const url = bench.add(new Queue("q", { store: `sqlite:///${bench.store}` }));
    assert.equal(await url.getWaitingCount(), 1);
    process.env["MILLRACE_STORE"] = bench.store;
    try {
      const byEnvironment = bench.add(new Queue("q"));
      assert.equal(await byEnvironment.getWaitingCount(), 1);
    } finally {
      delete process.env["MILLRACE_STORE"];
    }
  });

  it("refuses options that differ from those in force", async (t) => {
    const bench = new Bench(t);
    bench.add(await openStore(bench.store, { keepEvents: 500 }));
    bench.add(await openStore(bench.store, { keepEvents: 500 }));
    await assert.rejects(openStore(bench.store, { keepEvents: 501 }), (error: Error) => {
      assert.match(
        error.message,
        /^store option keepEvents differs from the one that .* is already open with/,
      );
      return true;
    });
  });

  it("applies the rules of the whole store", async (t) => {
    const bench = new Bench(t);
    const store = bench.add(
      await openStore(bench.store, { removeOnComplete: true, maxPayloadBytes: 2048 }),
    );
    const queue = bench.add(new Queue("q", { store }));
    await assert.rejects(queue.add("n", "x".repeat(3000)), { code: "too_large" });
    await queue.add("n", {});
    await once(
      bench.worker(() => 1),
      "drained",
    );
    assert.equal(await queue.getCompletedCount(), 0);
  });

  it("refuses what is no store, and does not create one against orders", async (t) => {
    const path = newStore(t);
    await assert.rejects(openStore(path, { create: false }), { code: "not_found" });
    writeFileSync(
      path,
      "this is no database at all, but a text that is long enough to be one".repeat(50),
    );
    await assert.rejects(openStore(path), { code: "not_a_store" });
  });

  it("refuses calls after close", async (t) => {
    const bench = new Bench(t);
    const store = await openStore(bench.store);
    await store.close();
    await store.close();
    await assert.rejects(store.inspect(), { code: "closed" });
  });

  it("versions are known", () => {
    assert.match(version, /^\d+\.\d+\.\d+/);
    assert.match(sqliteVersion, /^3\.\d+\.\d+$/);
  });
});
