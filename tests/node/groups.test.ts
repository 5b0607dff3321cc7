// Groups by the names of BullMQ Pro: a worker's option `group`, and a queue's methods.
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { Worker, openStore } from "millrace";

import { Bench, deferred } from "./support.js";

describe("groups, as in BullMQ Pro", () => {
  it("are limited each by a worker's option `group`, for all processes", async (t) => {
    const bench = new Bench(t);
    await using store = await openStore(bench.store);
    const worker = bench.worker(() => 1, {
      group: { concurrency: 2, limit: { max: 10, duration: 1000 } },
    });
    await worker.waitUntilReady();
    const idle = { active: 0, limitedUntil: undefined };
    assert.deepEqual(await store.limits.list(), [
      { ...idle, queue: "q", eachGroup: true, max: 10, duration: 1000, concurrency: 2 },
    ]);
    const other = bench.worker(() => 1, { group: { concurrency: 3 } });
    await other.waitUntilReady();
    const [each] = await store.limits.list();
    assert.deepEqual([each?.concurrency, each?.max], [3, 10], "the rate stays as it was");
  });

  it("run no more jobs at once than `group.concurrency` allows", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    const jobs = await queue.addBulk(
      ["a", "a", "a", "b"].map((id) => ({ name: "n", data: {}, opts: { group: { id } } })),
    );
    const running = new Map<string, number>();
    const go = deferred();
    const both = deferred();
    let most = 0;
    bench.worker(
      async (job) => {
        const id = job.opts.group?.id as string;
        running.set(id, (running.get(id) ?? 0) + 1);
        most = Math.max(most, running.get(id) as number);
        if (running.get("a") === 1 && running.get("b") === 1) both.resolve();
        await go.promise;
        running.set(id, (running.get(id) as number) - 1);
      },
      { concurrency: 10, group: { concurrency: 1 } },
    );
    await both.promise;
    assert.deepEqual(
      [await queue.getGroupActiveCount("a"), await queue.getGroupJobsCount("a")],
      [1, 2],
    );
    assert.deepEqual([await queue.getGroupsCount(), await queue.getGroupsJobsCount()], [2, 2]);
    assert.equal(await queue.getGroupActiveCount("none"), 0);
    go.resolve();
    for (const job of jobs) await job.waitUntilFinished(events);
    assert.equal(most, 1);
    assert.equal(await queue.getGroupsCount(), 0);
  });

  it("have a concurrency and a rate of their own, beside what holds for each", async (t) => {
    const bench = new Bench(t);
    await using store = await openStore(bench.store);
    const queue = bench.queue();
    await store.limits.set({ queue: "q", eachGroup: true, concurrency: 1, maxSize: 50 });
    assert.equal(await queue.getGroupConcurrency("vip"), null);
    assert.equal(await queue.getGroupRateLimit("vip"), null);
    await queue.setGroupRateLimit("vip", 100, 1000);
    assert.deepEqual(await queue.getGroupRateLimit("vip"), { max: 100, duration: 1000 });
    assert.equal(await queue.getGroupConcurrency("vip"), 1, "taken over from that of each group");
    await queue.setGroupConcurrency("vip", 4);
    assert.deepEqual(
      [await queue.getGroupConcurrency("vip"), await queue.getGroupRateLimit("vip")],
      [4, { max: 100, duration: 1000 }],
    );
    const own = (await store.limits.list()).find(({ group }) => group === "vip");
    assert.equal(own?.maxSize, 50);
    assert.equal(await queue.getGroupConcurrency("other"), null);
  });

  it("are named with what is wrong", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = (group: unknown): Worker =>
      new Worker("q", () => 1, { store: bench.store, group: group as { concurrency: number } });
    for (const [group, message] of [
      [5, "new Worker: group must be an object, not 5"],
      [
        { concurrency: 0 },
        "new Worker: group.concurrency must be an integer from 1 to 1000000000, not 0",
      ],
      [
        { limit: { max: 1 } },
        "new Worker: group.limit.duration must be an integer from 1 to 31622400000, not undefined",
      ],
      [
        { maxSize: 5 },
        'new Worker: group: option "maxSize" is set with store.limits.set({ queue, eachGroup: true, maxSize })',
      ],
    ] as const) {
      assert.throws(() => worker(group), { code: "invalid_argument", message });
    }
    await assert.rejects(queue.setGroupConcurrency("a", 0), /queue.setGroupConcurrency: concurr/);
    await assert.rejects(queue.setGroupRateLimit("a", 1, 0), /duration \(milliseconds\) must be/);
    await assert.rejects(queue.getGroupConcurrency(""), /groupId must not be empty/);
  });
});
