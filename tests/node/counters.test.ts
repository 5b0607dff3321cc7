// What the store counts of each task.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isDeepStrictEqual } from "node:util";

import { openStore } from "millrace";

import { Bench, until } from "./support.js";

describe("store.counters", () => {
  it("counts what happened, by queue and name", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    await using store = await openStore(bench.store);
    bench.worker((job) => {
      if (job.name === "bad" && job.attemptsMade === 0) throw new Error("no");
    });
    const events = await bench.events();
    const jobs = [
      await queue.add("good", {}),
      await queue.add("good", {}),
      await queue.add("bad", {}, { attempts: 2 }),
    ];
    for (const job of jobs) await job.waitUntilFinished(events);
    const counted = async (): Promise<unknown[]> =>
      (await store.counters("q"))
        .sort((a, b) => (a.task < b.task ? -1 : 1))
        .map((each) => [each.task, each.enqueued, each.started, each.completed, each.retried]);
    // They are a second late at most, and each task's come when they come.
    const all = [
      ["bad", 1, 2, 1, 1],
      ["good", 2, 2, 2, 0],
    ];
    await until(async () => isDeepStrictEqual(await counted(), all));
    const [one] = await store.counters();
    assert.equal(one?.queue, "q");
    assert.equal(
      one.runMs.reduce((sum, count) => sum + count, 0),
      one.started,
    );
    assert.deepEqual(await store.counters("nobody"), []);
  });
});
