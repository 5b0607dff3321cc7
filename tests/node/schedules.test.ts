import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { Queue } from "millrace";
import { openTestStore } from "millrace/testing";

const START = Date.parse("2026-01-01T00:00:00Z");
const MINUTE = 60_000;

describe("store.schedules", () => {
  it("adds one job a slot, with its headers, as the clock moves", async () => {
    await using store = await openTestStore({ now: START });
    await using queue = new Queue("reports", { store });
    const put = await store.schedules.put(
      "hourly",
      { pattern: "0 * * * *", tz: "Europe/Paris" },
      { name: "report", queue: "reports", data: { kind: "sales" }, opts: { attempts: 3 } },
    );
    assert.equal(put.next, START + 60 * MINUTE);
    assert.equal(put.iterationCount, 0);
    const slots: (string | undefined)[] = [];
    const run = (job: { data: unknown; opts: { headers?: Record<string, string> } }): void => {
      assert.deepEqual(job.data, { kind: "sales" });
      assert.equal(job.opts.headers?.["millrace-schedule"], "hourly");
      slots.push(job.opts.headers?.["millrace-slot"]);
    };
    assert.equal(await store.runAll("reports", run), 0);
    for (let hour = 1; hour <= 2; hour++) {
      store.advance(60 * MINUTE);
      await due(queue);
      assert.equal(await store.runAll("reports", run), 1);
    }
    assert.deepEqual(slots, [String(START + 60 * MINUTE), String(START + 120 * MINUTE)]);
    const now = await store.schedules.get("hourly");
    assert.equal(now.iterationCount, 2);
    assert.equal(now.last, START + 120 * MINUTE);
    assert.equal(now.next, START + 180 * MINUTE);
    assert.equal(now.pattern, "0 * * * *");
    assert.equal(now.tz, "Europe/Paris");
    assert.equal(now.template.opts?.attempts, 3);
    assert.ok(now.lastJobId);
  });

  it("runAll runs the jobs of the slots that have passed", async () => {
    await using store = await openTestStore({ now: START });
    await store.schedules.put("s", { every: 10 * MINUTE }, { name: "n", queue: "q" });
    let runs = 0;
    for (let i = 0; i < 50; i++) {
      store.advance(10 * MINUTE);
      runs += await store.runAll("q", () => 1);
    }
    assert.equal(runs, 50);
  });

  it("keeps the next slot of a schedule that is put again with the same timing", async () => {
    await using store = await openTestStore({ now: START });
    const template = { name: "n", queue: "q" };
    const first = await store.schedules.put("s", { every: 10 * MINUTE, offset: 1000 }, template);
    store.advance(MINUTE);
    const again = await store.schedules.put(
      "s",
      { every: 10 * MINUTE, offset: 1000 },
      { ...template, data: { x: 1 } },
    );
    assert.equal(again.next, first.next);
    assert.equal(again.offset, 1000);
    assert.deepEqual(again.template.data, { x: 1 });
    const other = await store.schedules.put("s", { every: 7 * MINUTE }, template);
    assert.notEqual(other.next, first.next);
  });

  it("lists, pauses, resumes and removes", async () => {
    await using store = await openTestStore({ now: START });
    await using queue = new Queue("q", { store });
    const { schedules } = store;
    for (const id of ["a", "b", "c"]) {
      await schedules.put(id, { every: MINUTE, limit: 5 }, { name: id, queue: "q" });
    }
    assert.deepEqual(
      (await schedules.list({ after: "a" })).map(({ id, limit }) => [id, limit]),
      [
        ["b", 5],
        ["c", 5],
      ],
    );
    await schedules.remove("a");
    await schedules.remove("b");
    await schedules.pause("c");
    assert.equal((await schedules.get("c")).paused, true);
    assert.equal((await schedules.get("c")).next, undefined);
    store.advance(10 * MINUTE);
    assert.equal(await store.runAll("q", () => 1), 0);
    await schedules.resume("c");
    store.advance(MINUTE);
    await due(queue);
    assert.equal(await store.runAll("q", () => 1), 1);
    await assert.rejects(schedules.get("a"), { code: "not_found" });
    await assert.rejects(schedules.remove("a"), { code: "not_found" });
  });

  it("starts at once if asked, and keeps the options that it was given", async () => {
    await using store = await openTestStore({ now: START });
    await using queue = new Queue("q", { store });
    const end = new Date(START + 100 * MINUTE);
    const put = await store.schedules.put(
      "s",
      {
        ...{ every: MINUTE, immediately: true, endDate: end, jitter: 500 },
        ...{ overlap: "queue-one" as const, catchUp: "all" as const, catchUpMax: 7 },
      },
      { name: "n", queue: "q", opts: { priority: 5, group: { id: "g" } } },
    );
    assert.equal(await queue.count(), 1);
    assert.equal(put.endDate, end.getTime());
    assert.equal(put.jitter, 500);
    assert.equal(put.overlap, "queue-one");
    assert.equal(put.catchUpMax, 7);
    assert.equal(put.template.opts?.priority, 5);
    assert.deepEqual(put.template.opts?.group, { id: "g" });
  });

  it("counts an interval from its start if asked", async () => {
    await using store = await openTestStore({ now: START + 7001 });
    const template = { name: "n", queue: "q" };
    const every = { every: MINUTE, fromStart: true };
    const put = await store.schedules.put("s", every, template);
    assert.equal(put.next, START + 7001 + MINUTE);
    await assert.rejects(store.schedules.put("s", { ...every, offset: 1 }, template), {
      message: "store.schedules.put: fromStart is for every, without an offset",
    });
    const cron = { pattern: "@daily", fromStart: true };
    await assert.rejects(store.schedules.put("s", cron, template), { code: "invalid_argument" });
  });

  it("previews cron, intervals and the sun without a schedule", async () => {
    await using store = await openTestStore({ now: START });
    const { schedules } = store;
    const zone = { pattern: "30 2 * * *", tz: "Europe/Paris" };
    // The night in which 02:30 does not exist: it runs once, at the jump.
    const spring = await schedules.preview(zone, {
      count: 2,
      after: new Date("2026-03-28T12:00Z"),
    });
    assert.deepEqual(
      spring.map((date) => date.toISOString()),
      ["2026-03-29T01:00:00.000Z", "2026-03-30T00:30:00.000Z"],
    );
    const every = await schedules.preview({ every: MINUTE }, { count: 2 });
    assert.deepEqual(every.map(Number), [START + MINUTE, START + 2 * MINUTE]);
    const [sunrise] = await schedules.preview(
      { solar: { event: "sunrise", latitude: 51.48, longitude: 0 } },
      { after: new Date("2026-06-21T00:00Z"), count: 1 },
    );
    assert.match(sunrise!.toISOString(), /^2026-06-21T03:4/);
  });

  it("refuses what the core cannot make sense of, in its words", async () => {
    await using store = await openTestStore({ now: START });
    const put = (options: object): Promise<unknown> =>
      store.schedules.put("s", options, { name: "n", queue: "q" });
    for (const [options, says] of [
      [{ pattern: "61 * * * *" }, /61/],
      [{ pattern: "0 0 30 2 *" }, /never/],
      [{ pattern: "0 0 * * *", tz: "Europe/Atlantis" }, /Europe\/Atlantis/],
      [{ solar: { event: "moonrise", latitude: 0, longitude: 0 } }, /moonrise/],
    ] as const) {
      await assert.rejects(put(options), { code: "invalid_argument", message: says });
    }
    assert.deepEqual(await store.schedules.list(), []);
  });
});

/** The pump fires schedules: resolves when a job waits. */
async function due(queue: Queue): Promise<void> {
  while ((await queue.getWaitingCount()) + (await queue.getPrioritizedCount()) === 0) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}
