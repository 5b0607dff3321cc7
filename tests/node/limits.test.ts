// Limits and groups.
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { Queue, RateLimitError, Worker, openStore } from "millrace";
import { openTestStore } from "millrace/testing";

import { Bench, deferred, until } from "./support.js";

describe("store.limits", () => {
  it("sets, lists, replaces and removes", async (t) => {
    await using store = await openStore(new Bench(t).store);
    const { limits } = store;
    await limits.set({ queue: "q", max: 10, duration: 1000, concurrency: 4 });
    await limits.set({ task: "resize", concurrency: 2 });
    await limits.set({ queue: "q", eachGroup: true, concurrency: 1, maxSize: 100 });
    await limits.set({ queue: "q", group: "big", concurrency: 3 });
    await limits.set({ concurrency: 50 });
    const idle = { active: 0, limitedUntil: undefined };
    const byKind = (a: object, b: object): number =>
      JSON.stringify(a) < JSON.stringify(b) ? -1 : 1;
    assert.deepEqual((await limits.list()).sort(byKind), [
      ...[
        { ...idle, concurrency: 50 },
        { ...idle, queue: "q", max: 10, duration: 1000, concurrency: 4 },
        { ...idle, queue: "q", eachGroup: true, concurrency: 1, maxSize: 100 },
        { ...idle, queue: "q", group: "big", concurrency: 3 },
        { ...idle, task: "resize", concurrency: 2 },
      ].sort(byKind),
    ]);
    await limits.set({ task: "resize", max: 1, duration: 5 });
    const replaced = (await limits.list()).find(({ task }) => task !== undefined);
    assert.deepEqual(replaced, { ...idle, task: "resize", max: 1, duration: 5 });
    for (const scope of [
      { queue: "q" },
      { task: "resize" },
      { queue: "q", eachGroup: true },
      { queue: "q", group: "big" },
      {},
    ]) {
      await limits.remove(scope);
    }
    assert.deepEqual(await limits.list(), []);
  });

  it("bounds how many jobs run at once, of a queue and of a name", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    await using store = await openStore(bench.store);
    await store.limits.set({ queue: "q", concurrency: 3 });
    await store.limits.set({ task: "rare", concurrency: 1 });
    const events = await bench.events();
    const running = new Map<string, number>();
    let most = 0;
    let mostRare = 0;
    bench.worker(
      async ({ name }) => {
        running.set(name, (running.get(name) ?? 0) + 1);
        most = Math.max(
          most,
          [...running.values()].reduce((sum, each) => sum + each, 0),
        );
        mostRare = Math.max(mostRare, running.get("rare") ?? 0);
        await new Promise((resolve) => setImmediate(resolve));
        running.set(name, (running.get(name) ?? 0) - 1);
      },
      { concurrency: 10 },
    );
    const jobs = await queue.addBulk(
      Array.from({ length: 30 }, (_, i) => ({ name: i % 2 === 0 ? "rare" : "often", data: {} })),
    );
    await Promise.all(jobs.map((job) => job.waitUntilFinished(events)));
    assert.ok(most <= 3, `${most} at once`);
    assert.equal(mostRare, 1);
  });

  it("bounds how many jobs start in a time", async () => {
    await using store = await openTestStore();
    await using queue = new Queue("q", { store });
    await store.limits.set({ queue: "q", max: 2, duration: 1000 });
    await queue.addBulk(Array.from({ length: 5 }, () => ({ name: "n", data: {} })));
    let ran = 0;
    const count = async (): Promise<number> => {
      await store.runAll("q", () => ran++);
      return ran;
    };
    assert.equal(await count(), 2);
    assert.ok((await store.limits.list())[0]?.limitedUntil);
    store.advance(500);
    assert.equal(await count(), 3);
    store.advance(1000);
    assert.equal(await count(), 5);
  });

  it("holds a queue back for a time, by a call or from a processor", async () => {
    await using store = await openTestStore();
    await using queue = new Queue("q", { store });
    await queue.addBulk([
      { name: "n", data: {} },
      { name: "n", data: {} },
    ]);
    const attempts: number[] = [];
    const limited = (job: { attemptsMade: number }): void => {
      attempts.push(job.attemptsMade);
      if (attempts.length === 1) throw new RateLimitError("429", { ms: 1000 });
    };
    await store.runAll("q", limited);
    assert.deepEqual(attempts, [0]);
    assert.equal(await queue.getWaitingCount(), 2);
    store.advance(1000);
    await store.runAll("q", limited);
    assert.deepEqual(attempts, [0, 0, 0]);
    await queue.add("n", {});
    await store.limits.throttle({ queue: "q" }, 5000);
    const [limit] = await store.limits.list();
    assert.equal(limit?.limitedUntil, store.now() + 5000);
    const worker = new Worker("q", limited, { store });
    await worker.waitUntilReady();
    assert.equal(await queue.getWaitingCount(), 1);
    await store.limits.throttle({ queue: "q" }, 0);
    await until(() => attempts.length === 4);
    await worker.close();
    assert.deepEqual(await store.limits.list(), []);
  });

  it("is what worker.rateLimit() does, in BullMQ's words", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    await using store = await openStore(bench.store);
    let calls = 0;
    const worker = bench.worker(async () => {
      if (++calls > 1) return;
      await worker.rateLimit(60_000);
      throw new RateLimitError();
    });
    const job = await queue.add("n", {});
    await until(async () => calls === 1 && (await job.isWaiting()));
    assert.ok((await store.limits.list())[0]?.limitedUntil);
    await store.limits.throttle({ queue: "q" }, 0);
    await job.waitUntilFinished(await bench.events());
    assert.equal((await queue.getJob(job.id))?.attemptsMade, 1);
  });
});

describe("groups", () => {
  it("take turns: a group of many does not starve one of few", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const add = (id: string, count: number): Promise<unknown> =>
      queue.addBulk(
        Array.from({ length: count }, (_, x) => ({
          name: "n",
          data: { x },
          opts: { group: { id } },
        })),
      );
    await add("many", 20);
    await add("few", 3);
    assert.deepEqual(
      (await queue.getGroups()).map(({ id, ready }) => [id, ready]),
      [
        ["few", 3],
        ["many", 20],
      ],
    );
    const ran: string[] = [];
    bench.worker((job) => void ran.push(`${job.opts.group?.id} ${job.data.x}`));
    await until(() => ran.length === 23);
    assert.ok(ran.indexOf("few 2") <= 6, ran.join(", "));
    assert.deepEqual(
      ran.filter((each) => each.startsWith("many")),
      Array.from({ length: 20 }, (_, x) => `many ${x}`),
    );
    await until(async () => (await queue.getGroups()).length === 0);
  });

  it("can be paused and resumed, and have a concurrency and a size of their own", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    await using store = await openStore(bench.store);
    await store.limits.set({ queue: "q", eachGroup: true, concurrency: 1, maxSize: 3 });
    await queue.pauseGroup("a");
    const add = (id: string): Promise<unknown> => queue.add("n", { id }, { group: { id } });
    for (const id of ["a", "a", "a", "b", "b"]) await add(id);
    await assert.rejects(add("a"), { code: "group_full", message: /"a"/ });
    const go = deferred();
    const ran: string[] = [];
    bench.worker(
      async ({ data }) => {
        ran.push(data.id);
        await go.promise;
      },
      { concurrency: 5 },
    );
    await until(() => ran.length === 1);
    assert.deepEqual(ran, ["b"]);
    const [a, b] = await queue.getGroups();
    assert.deepEqual([a?.id, a?.paused, a?.ready, a?.active], ["a", true, 3, 0]);
    assert.deepEqual([b?.id, b?.paused, b?.ready, b?.active], ["b", false, 1, 1]);
    await queue.resumeGroup("a");
    await until(() => ran.length === 2);
    assert.deepEqual(ran, ["b", "a"]);
    go.resolve();
    await until(() => ran.length === 5);
    assert.deepEqual(
      (await queue.getGroups({ after: "a", limit: 10 })).map(({ id }) => id),
      [],
    );
  });

  it("can be rate limited alone, from a processor", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    const worker = bench.worker(async (job) => {
      if (job.data.limited !== true) return;
      await worker.rateLimitGroup(job, 60_000);
      throw new RateLimitError();
    });
    const limited = await queue.add("n", { limited: true }, { group: { id: "slow" } });
    await until(async () => (await queue.getGroups())[0]?.limitedUntil !== undefined);
    await (await queue.add("n", {}, { group: { id: "fast" } })).waitUntilFinished(events);
    assert.equal(await limited.isWaiting(), true);
    const plain = await queue.add("n", {});
    await assert.rejects(worker.rateLimitGroup(plain, 5), {
      code: "invalid_argument",
      message: `worker.rateLimitGroup: job "${plain.id}" has no group`,
    });
  });
});
