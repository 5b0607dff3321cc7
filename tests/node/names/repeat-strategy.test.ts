// Job schedulers whose times the program computes.
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";

import { Queue, type RepeatOptions, type RepeatStrategy, Worker } from "millrace";
import { type TestStore, openTestStore } from "millrace/testing";

import { Bench, type TestHooks, onEnd, runFixture, until } from "../support.js";

const START = Date.parse("2026-01-01T00:00:30Z");
const MINUTE = 60_000;

/** "after 90 30": a minute and a half later, then half a minute, and so on round; "once 5". */
const steps: RepeatStrategy = (millis, { pattern = "" }) => {
  const [kind, ...seconds] = pattern.split(" ");
  if (kind === "never") return undefined;
  if (kind === "until") return millis < Number(seconds[0]) ? millis + MINUTE : undefined;
  const step = Number(seconds[Math.floor(millis / 1000) % seconds.length]);
  return millis + step * 1000;
};

interface Scene {
  /** Closes it with the rest, in time. */
  add: <T extends { close(): Promise<void> }>(one: T) => T;
  store: TestStore;
  queue: Queue;
  worker: Worker;
  ran: number[];
  /** Moves the clock; resolves when so many jobs have run in all and the next slot is known. */
  advance: (ms: number, jobs: number) => Promise<void>;
}

async function scene(t: TestHooks, repeatStrategy: RepeatStrategy = steps): Promise<Scene> {
  const store = await openTestStore({ now: START });
  const settings = { repeatStrategy };
  const queue = new Queue("q", { store, settings });
  const ran: number[] = [];
  const worker = new Worker("q", () => void ran.push(store.now() - START), { store, settings });
  worker.on("error", (error) => assert.fail(error));
  await worker.waitUntilReady();
  const add = <T extends { close(): Promise<void> }>(one: T): T => {
    onEnd(t, () => one.close());
    return one;
  };
  for (const one of [store, queue, worker]) add(one);
  const advance = async (ms: number, jobs: number): Promise<void> => {
    store.advance(ms);
    await until(async () => {
      const all = await store.schedules.list();
      return ran.length >= jobs && all.every(({ next }) => (next ?? Infinity) > store.now());
    });
    assert.equal(ran.length, jobs);
  };
  return { add, store, queue, worker, ran, advance };
}

const nextOf = async (queue: Queue, id = "s"): Promise<number | undefined> => {
  const next = (await queue.getJobScheduler(id))?.next;
  return next === undefined ? undefined : next - START;
};

describe("repeatStrategy", () => {
  it("computes slot after slot, and each has one job", async (t) => {
    const { queue, advance, ran } = await scene(t);
    await queue.upsertJobScheduler("s", { pattern: "after 90" }, { name: "n", data: { x: 1 } });
    assert.equal(await nextOf(queue), 90_000);
    await advance(89_000, 0);
    for (let i = 1; i <= 3; i++) {
      await advance(i === 1 ? 1000 : 90_000, i);
      await until(async () => (await nextOf(queue)) === (i + 1) * 90_000);
    }
    assert.deepEqual(ran, [90_000, 180_000, 270_000]);
    const [job] = await queue.getCompleted();
    assert.equal(job?.name, "n");
    assert.deepEqual(job?.data, { x: 1 });
    assert.equal(job?.repeatJobKey, "s");
    const { iterationCount, pattern } = (await queue.getJobScheduler("s"))!;
    assert.deepEqual({ iterationCount, pattern }, { iterationCount: 3, pattern: "after 90" });
  });

  it("is called with the instant, the options and the name of the job", async (t) => {
    const calls: unknown[][] = [];
    const { queue, advance } = await scene(t, (...args) => {
      calls.push(args);
      return Promise.resolve(args[0] + MINUTE);
    });
    const repeat: RepeatOptions = { pattern: "my rule", tz: "Europe/Paris", limit: 5 };
    const dates = { startDate: new Date(START - MINUTE), endDate: "2027-01-01T00:00:00Z" };
    await queue.upsertJobScheduler("s", { ...repeat, ...dates }, { name: "n" });
    await advance(MINUTE, 1);
    const opts = { ...repeat, startDate: START - MINUTE, endDate: Date.UTC(2027, 0, 1) };
    await until(() => calls.length === 2);
    assert.deepEqual(calls, [
      [START, opts, "n"],
      [START + MINUTE, opts, "n"],
    ]);
    const { startDate, endDate, tz, limit } = (await queue.getJobScheduler("s"))!;
    assert.deepEqual({ startDate, endDate, tz, limit, pattern: "my rule" }, opts);
    await queue.upsertJobScheduler("i", { pattern: "p", immediately: true });
    assert.deepEqual(calls[2], [START + MINUTE, { pattern: "p", immediately: true }, "i"]);
  });

  it("ends with undefined, with the limit and after endDate", async (t) => {
    const { queue, advance, store } = await scene(t);
    assert.equal(await queue.upsertJobScheduler("n", { pattern: "never" }), undefined);
    assert.equal(await queue.getJobSchedulersCount(), 0);
    await queue.upsertJobScheduler("u", { pattern: `until ${START + 2 * MINUTE}` });
    await advance(MINUTE, 1);
    await until(async () => (await nextOf(queue, "u")) === 2 * MINUTE);
    await advance(MINUTE, 2);
    await advance(10 * MINUTE, 2);
    assert.equal(await nextOf(queue, "u"), undefined);
    await queue.upsertJobScheduler("l", { pattern: "after 60", limit: 1 });
    const endDate = store.now() + 90_000;
    await queue.upsertJobScheduler("e", { pattern: "after 60", endDate });
    await advance(MINUTE, 4);
    await advance(10 * MINUTE, 4);
    assert.equal((await queue.getJobScheduler("l"))?.iterationCount, 1);
  });

  it("an upsert of the same rule keeps the slot and the count, another rule begins anew", async (t) => {
    const { queue, advance } = await scene(t);
    await queue.upsertJobScheduler("s", { pattern: "after 60" }, { data: 1 });
    await advance(MINUTE, 1);
    await until(async () => (await nextOf(queue)) === 2 * MINUTE);
    await advance(30_000, 1);
    await queue.upsertJobScheduler("s", { pattern: "after 60", limit: 9 }, { data: 2 });
    assert.equal(await nextOf(queue), 2 * MINUTE);
    const same = (await queue.getJobScheduler("s"))!;
    assert.deepEqual([same.iterationCount, same.limit, same.template.data], [1, 9, 2]);
    await queue.upsertJobScheduler("s", { pattern: "after 10" }, { data: 3 });
    assert.equal(await nextOf(queue), 100_000);
    assert.equal((await queue.getJobScheduler("s"))?.iterationCount, 0);
    await queue.upsertJobScheduler("s", { every: MINUTE });
    assert.equal((await queue.getJobScheduler("s"))?.every, MINUTE);
    assert.equal(await queue.removeJobScheduler("s"), true);
  });

  it("a slot that has passed comes at once; one that is answered twice has one job", async (t) => {
    // Of the kind that counts the instant itself: every full minute.
    const full = (millis: number): number => Math.ceil(millis / MINUTE) * MINUTE;
    const { queue, advance, ran } = await scene(t, (millis, { pattern }) =>
      pattern === "past" ? (ran.length === 0 ? 1 : undefined) : full(millis),
    );
    await queue.upsertJobScheduler("s", { pattern: "full" });
    await advance(30_000, 1);
    await until(async () => (await nextOf(queue)) === 90_000);
    await queue.removeJobScheduler("s");
    ran.length = 0;
    await queue.upsertJobScheduler("p", { pattern: "past" });
    await until(() => ran.length === 1);
    await advance(MINUTE, 1);
  });

  it("goes on when a worker with the strategy comes, whoever ran the job of the last slot", async (t) => {
    const { add, store, queue, worker } = await scene(t);
    await queue.upsertJobScheduler("s", { pattern: "after 60" });
    await worker.close();
    // One without it says so, and the scheduler stands still.
    const other = add(new Worker("q", () => 1, { store }));
    let [completed, told] = ["", ""];
    other.on("completed", (job) => (completed = job.id));
    other.on("error", (error) => (told = error.message));
    await other.waitUntilReady();
    store.advance(MINUTE);
    await until(() => completed !== "");
    assert.match(told, /job scheduler "s" of queue "q" stands still/);
    assert.equal(await nextOf(queue), undefined);
    await other.close();
    // A removed job holds nothing up either.
    store.advance(10 * MINUTE);
    add(new Worker("q", () => 1, { store, settings: { repeatStrategy: steps } }));
    await until(async () => (await nextOf(queue)) === 12 * MINUTE);
    assert.equal((await queue.getJobScheduler("s"))?.iterationCount, 1);
  });

  it("of many workers that start at once one gives the next slot", async (t) => {
    let asked = 0;
    const strategy: RepeatStrategy = (millis) => millis + MINUTE + asked++;
    const { add, store, queue, worker } = await scene(t, strategy);
    await queue.upsertJobScheduler("s", { pattern: "p" });
    await worker.close();
    const plain = add(new Worker("q", () => 1, { store }));
    plain.on("error", () => undefined);
    let ended = false;
    plain.on("completed", () => (ended = true));
    store.advance(MINUTE);
    await until(() => ended);
    await plain.close();
    const jobs: string[] = [];
    const settings = { repeatStrategy: strategy };
    const workers = [1, 2, 3, 4].map(() =>
      add(new Worker("q", (job) => void jobs.push(job.id), { store, settings })),
    );
    for (const each of workers) each.on("error", (error) => assert.fail(error));
    await Promise.all(workers.map((each) => each.waitUntilReady()));
    await until(async () => (await nextOf(queue)) !== undefined);
    store.advance(MINUTE + 10);
    await until(async () => jobs.length === 1 && (await nextOf(queue))! > 2 * MINUTE + 10);
    assert.equal((await queue.getJobScheduler("s"))?.iterationCount, 2);
  });

  it("goes on after the death of the worker that ran the job", async (t) => {
    const bench = new Bench(t);
    const dying = runFixture("repeat-and-die.mjs", bench.store);
    assert.equal((await dying.ended).signal, "SIGKILL", (await dying.ended).err);
    const settings = { repeatStrategy: (millis: number) => millis + 20 };
    const queue = bench.queue("q", { settings });
    const slots: string[] = [];
    const worker = bench.worker((job) => void slots.push(job.opts.headers!["millrace-slot"]!), {
      settings,
    });
    worker.on("error", (error) => assert.fail(error));
    await until(() => slots.length > 10);
    assert.equal(new Set(slots).size, slots.length);
    assert.equal(await queue.getFailedCount(), 0);
  });

  it("refuses what is no function, and reports what answers no time", async (t) => {
    const bad = { settings: { repeatStrategy: "daily" } } as never;
    assert.throws(() => new Queue("q", bad), /settings\.repeatStrategy must be a function/);
    assert.throws(
      () => new Worker("q", null, bad),
      /new Worker: settings\.repeatStrategy must be a function, not "daily"/,
    );
    let answer: unknown = "soon";
    const { queue, worker, store } = await scene(t, () => answer as number);
    await assert.rejects(queue.upsertJobScheduler("s", { pattern: "my rule" }), {
      code: "invalid_argument",
      message: /must answer milliseconds UTC or undefined, not "soon", for pattern "my rule"/,
    });
    answer = START + MINUTE;
    await queue.upsertJobScheduler("s", { pattern: "my rule" });
    worker.removeAllListeners("error");
    const told = once(worker, "error");
    answer = NaN;
    store.advance(MINUTE);
    assert.match(((await told) as [Error])[0].message, /not NaN/);
    // A strategy that works again is asked when the next worker starts, or by the upsert.
    answer = START + 5 * MINUTE;
    await queue.upsertJobScheduler("s", { pattern: "my rule" });
    assert.equal(await nextOf(queue), 5 * MINUTE);
  });

  it("leaves `every` to the engine, and a queue without it refuses the pattern", async (t) => {
    const { add, queue, store } = await scene(t, () => assert.fail("asked for patterns only"));
    await queue.upsertJobScheduler("s", { every: MINUTE });
    assert.equal(await nextOf(queue), MINUTE);
    const plain = add(new Queue("q", { store }));
    await assert.rejects(plain.upsertJobScheduler("x", { pattern: "after 90" }), /after 90/);
  });
});
