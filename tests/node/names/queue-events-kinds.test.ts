import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { type Queue, QueueEvents, UnrecoverableError } from "millrace";

import { Bench, runFixture, until } from "../support.js";

type Told = [args: Record<string, unknown>, id: string];

interface Scene {
  bench: Bench;
  queue: Queue;
}

/** What makes each event happen, and with which arguments it is told. */
const KINDS: Record<string, (scene: Scene) => Promise<unknown>> = {
  added: async ({ queue }) => {
    const { id } = await queue.add("n", {});
    return { jobId: id, name: "n" };
  },
  waiting: async ({ queue }) => ({ jobId: (await queue.add("n", {})).id }),
  delayed: async ({ queue }) => {
    const job = await queue.add("n", {}, { delay: 1_000_000 });
    return { jobId: job.id, delay: (await queue.getJob(job.id))!.timestamp + 1_000_000 };
  },
  active: async ({ bench, queue }) => {
    bench.worker(() => 1);
    return { jobId: (await queue.add("n", {})).id, prev: "waiting" };
  },
  progress: async ({ bench, queue }) => {
    bench.worker((job) => job.updateProgress({ done: 5 }));
    return { jobId: (await queue.add("n", {})).id, data: { done: 5 } };
  },
  completed: async ({ bench, queue }) => {
    bench.worker(() => [1, 2]);
    return { jobId: (await queue.add("n", {})).id, returnvalue: [1, 2], prev: "active" };
  },
  failed: async ({ bench, queue }) => {
    bench.worker(() => {
      throw new UnrecoverableError("no");
    });
    return { jobId: (await queue.add("n", {})).id, failedReason: "no", prev: "active" };
  },
  "retries-exhausted": async ({ bench, queue }) => {
    bench.worker(() => {
      throw new Error("no");
    });
    return { jobId: (await queue.add("n", {}, { attempts: 2 })).id, attemptsMade: "2" };
  },
  removed: async ({ queue }) => {
    const job = await queue.add("n", {});
    await job.remove();
    return { jobId: job.id, prev: "waiting" };
  },
  duplicated: async ({ queue }) => {
    await queue.add("n", {}, { jobId: "a" });
    await queue.add("n", {}, { jobId: "a" });
    return { jobId: "a" };
  },
  deduplicated: async ({ queue }) => {
    const opts = { deduplication: { id: "key" } };
    const { id } = await queue.add("n", {}, opts);
    await queue.add("n", {}, { ...opts, jobId: "second" });
    return { jobId: id, deduplicationId: "key", deduplicatedJobId: "second" };
  },
  "waiting-children": async ({ queue }) => {
    const { job } = await queue.addFlow({ name: "p", children: [{ name: "c" }] });
    return { jobId: job.id };
  },
  cleaned: async ({ queue }) => {
    await queue.addBulk([1, 2, 3].map((data) => ({ name: "n", data })));
    await queue.drain(); // clean() tells `removed` of each job
    return { count: "3" };
  },
  paused: async ({ queue }) => {
    await queue.pause();
    return {};
  },
  resumed: async ({ queue }) => {
    await queue.pause();
    await queue.resume();
    return {};
  },
};

describe("QueueEvents", () => {
  for (const [kind, make] of Object.entries(KINDS)) {
    it(`QueueEvents event: ${kind}`, async (t) => {
      const bench = new Bench(t);
      const queue = bench.queue();
      const events = await bench.events();
      const told: Told[] = [];
      events.on(kind as "added", (args, id) => told.push([args, id]));
      const expected = await make({ bench, queue });
      await until(() => told.length > 0);
      assert.deepEqual(told[0]![0], expected);
      assert.match(told[0]![1], /^\d+-\d+$/);
      assert.equal(told.length, 1);
    });
  }

  it("QueueEvents event drained", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    const ids: string[] = [];
    events.on("drained", (id) => ids.push(id));
    await queue.add("n", {});
    bench.worker(() => 1);
    await until(() => ids.length > 0);
    assert.match(ids[0]!, /^\d+-\d+$/);
  });

  it("QueueEvents event stalled", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    const told: string[] = [];
    events.on("stalled", ({ jobId }) => told.push(jobId));
    const { id } = await queue.add("n", {});
    await runFixture("exit-while-working.mjs", bench.store).ended;
    bench.worker(() => 1);
    await until(() => told.includes(id));
  });

  it("QueueEvents event error", async (t) => {
    const bench = new Bench(t);
    const events = bench.add(new QueueEvents("q", { store: `${bench.store}/none/jobs.db` }));
    const error = await new Promise<Error>((resolve) => events.once("error", resolve));
    assert.match(error.message, /none/);
  });

  it("QueueEventsOptions.autorun", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = bench.add(new QueueEvents("q", { store: bench.store, autorun: false }));
    const told: string[] = [];
    events.on("added", ({ jobId }) => told.push(jobId));
    await queue.add("n", {}, { jobId: "before" });
    const running = events.run();
    await events.waitUntilReady();
    await queue.add("n", {}, { jobId: "after" });
    await until(() => told.length > 0);
    assert.deepEqual(told, ["after"]);
    await events.close();
    await running;
  });

  it("QueueEventsOptions.blockingTimeout", async (t) => {
    const bench = new Bench(t);
    const options = { store: bench.store, blockingTimeout: 1 };
    const events = bench.add(new QueueEvents("q", options));
    await events.waitUntilReady();
    const told = new Promise((resolve) => events.once("paused", resolve));
    await bench.queue().pause();
    await told;
  });
});
