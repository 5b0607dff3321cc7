import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { Queue, type RepeatOptions, Worker, openStore } from "millrace";
import { type TestStore, openTestStore } from "millrace/testing";

import { type TestHooks, newStore, onEnd, until } from "../support.js";

const START = Date.parse("2026-01-01T00:00:30Z");
const SECOND = 1000;
const MINUTE = 60 * SECOND;

/** A queue of a store whose clock stands. */
async function scene(t: TestHooks): Promise<{
  store: TestStore;
  queue: Queue;
  /** Moves the clock and answers how many jobs the queue has had since. */
  advance: (ms: number, jobs: number) => Promise<void>;
}> {
  const store = await openTestStore({ now: START });
  const queue = new Queue("q", { store });
  const worker = new Worker("elsewhere", () => 1, { store }); // who works fires schedules
  onEnd(t, async () => {
    await worker.close();
    await queue.close();
    await store.close();
  });
  let seen = 0;
  const advance = async (ms: number, jobs: number): Promise<void> => {
    store.advance(ms);
    seen += jobs;
    // First that all slots up to now have been seen to, so that none comes later.
    await until(async () =>
      (await store.schedules.list()).every(({ next }) => next === undefined || next > store.now()),
    );
    assert.equal(await queue.count(), seen);
  };
  return { store, queue, advance };
}

describe("job schedulers", () => {
  it("upsertJobScheduler: pattern", async (t) => {
    const { queue, advance } = await scene(t);
    const template = { name: "report", data: { kind: "sales" }, opts: { attempts: 3 } };
    assert.equal(
      await queue.upsertJobScheduler("s", { pattern: "* * * * *" }, template),
      undefined,
    );
    await advance(30 * SECOND, 1);
    await advance(MINUTE, 1);
    const [job] = await queue.getWaiting();
    assert.equal(job!.name, "report");
    assert.deepEqual(job!.data, { kind: "sales" });
    assert.equal(job!.opts.attempts, 3);
    // Six fields: the second first.
    await queue.upsertJobScheduler("t", { pattern: "15 * * * * *" });
    assert.equal((await queue.getJobScheduler("t"))?.next, START + 45 * SECOND + MINUTE);
  });

  it("upsertJobScheduler: every", async (t) => {
    const { queue, advance } = await scene(t);
    const first = await queue.upsertJobScheduler("s", { every: MINUTE }, { name: "n" });
    assert.equal(first?.name, "n");
    assert.equal(await first?.getState(), "waiting");
    assert.equal((await queue.getJobScheduler("s"))?.next, START + MINUTE);
    await advance(0, 1);
    await advance(59 * SECOND, 0);
    await advance(SECOND, 1);
    // Again: no further job at once, and the same times.
    assert.equal(await queue.upsertJobScheduler("s", { every: MINUTE }, { name: "m" }), undefined);
    await advance(30 * SECOND, 0);
    assert.equal((await queue.getJobScheduler("s"))?.next, START + 2 * MINUTE);
    await advance(30 * SECOND, 1);
  });

  it("upsertJobScheduler: limit", async (t) => {
    const { queue, advance } = await scene(t);
    await queue.upsertJobScheduler("s", { every: MINUTE, limit: 2 });
    await advance(0, 1);
    await advance(MINUTE, 1);
    await advance(5 * MINUTE, 0);
    const { next, iterationCount, limit } = (await queue.getJobScheduler("s"))!;
    assert.deepEqual(
      { next, iterationCount, limit },
      { next: undefined, iterationCount: 2, limit: 2 },
    );
  });

  it("upsertJobScheduler: count", async (t) => {
    const { queue, advance } = await scene(t);
    assert.equal(
      await queue.upsertJobScheduler("s", { every: MINUTE, limit: 2, count: 2 }),
      undefined,
    );
    assert.equal(await queue.getJobSchedulersCount(), 0);
    await queue.upsertJobScheduler("s", { every: MINUTE, limit: 3, count: 2 });
    await advance(0, 1);
    await advance(5 * MINUTE, 0);
  });

  it("upsertJobScheduler: startDate", async (t) => {
    const { queue, advance } = await scene(t);
    const startDate = new Date(START + 90 * SECOND);
    await queue.upsertJobScheduler("s", { every: MINUTE, startDate });
    await queue.upsertJobScheduler("p", {
      pattern: "* * * * *",
      startDate: startDate.toISOString(),
    });
    await advance(89 * SECOND, 0);
    await advance(SECOND, 2);
    assert.equal((await queue.getJobScheduler("s"))?.startDate, startDate.getTime());
  });

  it("upsertJobScheduler: endDate", async (t) => {
    const { queue, advance } = await scene(t);
    const endDate = START + 90 * SECOND;
    await queue.upsertJobScheduler("s", { every: MINUTE, endDate });
    await advance(0, 1);
    await advance(MINUTE, 1);
    await advance(10 * MINUTE, 0);
    assert.equal(await queue.upsertJobScheduler("s", { every: MINUTE, endDate }), undefined);
    assert.equal((await queue.getJobScheduler("s"))?.endDate, endDate);
  });

  it("upsertJobScheduler: tz", async (t) => {
    const { queue } = await scene(t);
    await queue.upsertJobScheduler("s", { pattern: "0 9 * * *", tz: "America/New_York" });
    const scheduler = await queue.getJobScheduler("s");
    assert.equal(scheduler?.next, Date.parse("2026-01-01T14:00:00Z"));
    assert.equal(scheduler.tz, "America/New_York");
  });

  it("upsertJobScheduler: immediately", async (t) => {
    const { queue, advance } = await scene(t);
    const job = await queue.upsertJobScheduler(
      "s",
      { pattern: "0 0 1 1 *", immediately: true },
      { data: 1 },
    );
    assert.equal(job?.name, "s");
    assert.equal(job.data, 1);
    await advance(0, 1);
    const again = { pattern: "0 0 1 1 *", immediately: true };
    assert.equal(await queue.upsertJobScheduler("s", again, { data: 2 }), undefined);
    await advance(0, 0);
  });

  it("upsertJobScheduler: offset", async (t) => {
    const { queue } = await scene(t);
    await queue.upsertJobScheduler("s", { every: MINUTE, offset: 10 * SECOND });
    const { next, offset } = (await queue.getJobScheduler("s"))!;
    assert.deepEqual({ next, offset }, { next: START + 40 * SECOND, offset: 10 * SECOND });
  });

  it("upsertJobScheduler: template", async (t) => {
    const { queue } = await scene(t);
    const data = { deep: [1, { x: "é" }] };
    await queue.upsertJobScheduler(
      "s",
      { pattern: "@daily" },
      { name: "n", data, opts: { priority: 5 } },
    );
    const { template, name } = (await queue.getJobScheduler("s"))!;
    assert.equal(name, "n");
    assert.deepEqual(template.data, data);
    assert.equal(template.opts?.priority, 5);
  });

  it("upsertJobScheduler refuses what cannot be, and changes nothing", async (t) => {
    const { queue } = await scene(t);
    const bad: [unknown, RegExp][] = [
      [{ pattern: "* * * * *", every: 1 }, /Both \.pattern and \.every options are defined/],
      [{}, /Either \.pattern or \.every options must be defined/],
      [
        { pattern: "@daily", immediately: true, startDate: 1 },
        /Both \.immediately and \.startDate/,
      ],
      [{ pattern: "no cron" }, /no cron/],
      [{ pattern: "0 0 30 2 *" }, /30 2/],
      [{ pattern: "@daily", tz: "Mars/Olympus" }, /Mars\/Olympus/],
      [{ every: 0 }, /every \(milliseconds\) must be/],
      [{ every: 10, offset: 10 }, /offset/],
      [{ every: 10, limit: 0 }, /limit must be/],
      [{ every: 10, endDate: "never" }, /endDate is no date: never/],
      [{ every: 10, jobId: "x" }, /each job gets an id of its own/],
      [{ evry: 10 }, /"evry"/],
      ["@daily", /repeatOpts must be/],
    ];
    for (const [options, message] of bad) {
      await assert.rejects(queue.upsertJobScheduler("s", options as RepeatOptions), {
        code: "invalid_argument",
        message,
      });
    }
    await assert.rejects(queue.upsertJobScheduler("", { every: 1 }), /jobSchedulerId/);
    const template = { opts: { jobId: "x" } } as never;
    await assert.rejects(queue.upsertJobScheduler("s", { every: 10 }, template), {
      message:
        "queue.upsertJobScheduler: template.opts must not have a jobId: each slot makes a job anew",
    });
    await assert.rejects(
      queue.upsertJobScheduler("s", { pattern: "* * * * *", tz: "Mars/Base" }),
      /^MillraceError: queue.upsertJobScheduler: tz is not a known time zone: got "Mars\/Base"/,
    );
    await assert.rejects(
      queue.upsertJobScheduler("s", { pattern: "hello" }),
      /^MillraceError: queue.upsertJobScheduler: pattern has 1 fields: got "hello"/,
    );
    assert.equal(await queue.getJobSchedulersCount(), 0);
  });

  it("Queue.getJobSchedulers", async (t) => {
    const { store, queue } = await scene(t);
    const other = new Queue("q2", { store });
    await other.upsertJobScheduler("theirs", { every: MINUTE });
    for (const minutes of [3, 1, 2]) {
      await queue.upsertJobScheduler(`s${minutes}`, { every: minutes * MINUTE });
    }
    const keys = async (...range: [number?, number?, boolean?]): Promise<string[]> =>
      (await queue.getJobSchedulers(...range)).map(({ key }) => key);
    assert.deepEqual(await keys(), ["s3", "s2", "s1"]);
    assert.deepEqual(await keys(0, -1, true), ["s1", "s2", "s3"]);
    assert.deepEqual(await keys(1, 1, true), ["s2"]);
    assert.equal(await queue.getJobSchedulersCount(), 3);
    assert.equal(await (await queue.jobScheduler).count(), 3);
    await other.close();
  });

  it("Queue.getJobScheduler", async (t) => {
    const { queue } = await scene(t);
    assert.equal(await queue.getJobScheduler("none"), undefined);
    await queue.upsertJobScheduler("s", { every: MINUTE }, { name: "n" });
    assert.deepEqual(await queue.getJobScheduler("s"), {
      ...{ key: "s", name: "n", iterationCount: 1, next: START + MINUTE, every: MINUTE },
      ...{ offset: START % MINUTE, template: { data: {}, opts: { attempts: 1, priority: 0 } } },
    });
  });

  it("Queue.removeJobScheduler", async (t) => {
    const { queue, advance } = await scene(t);
    await queue.upsertJobScheduler("s", { every: MINUTE });
    await advance(0, 1);
    assert.equal(await queue.removeJobScheduler("s"), true);
    assert.equal(await queue.removeJobScheduler("s"), false);
    assert.equal(await queue.getJobScheduler("s"), undefined);
    await advance(10 * MINUTE, 0);
  });
});

it("writes schedulers at the durability of their queue", async (t) => {
  const store = await openStore(newStore(t));
  onEnd(t, () => store.close());
  for (const durability of ["process", "power"] as const) {
    const queue = new Queue(durability, { store, durability });
    await queue.count(); // what opening writes is behind us
    const before = (await store.stats()).syncs ?? NaN;
    await queue.upsertJobScheduler("each-hour", { every: 60 * MINUTE });
    await queue.removeJobScheduler("each-hour");
    assert.equal(((await store.stats()).syncs ?? NaN) - before, durability === "power" ? 2 : 0);
    await queue.close();
  }
});
