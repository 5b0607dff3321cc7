// What only shows from outside: when processes end, and what they leave.
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";

import { Bench, runFixture, until } from "./support.js";

describe("a process", () => {
  it("with only a Queue ends by itself, after its add was acknowledged", async (t) => {
    const bench = new Bench(t);
    const { code, out, err } = await runFixture("only-queue.mjs", bench.store).ended;
    assert.equal(err, "");
    assert.equal(code, 0);
    assert.match(out, /^added /);
    assert.equal(await bench.queue().getWaitingCount(), 1);
  });

  it("with a QueueEvents stays while it listens or waits, and no longer", async (t) => {
    const bench = new Bench(t);
    const { code, out, err } = await runFixture("only-events.mjs", bench.store).ended;
    assert.deepEqual([code, out, err], [0, "waited 1\nheard\n", ""]);
  });

  it("with a Worker stays until the worker is closed", async (t) => {
    const bench = new Bench(t);
    const run = runFixture("worker-alone.mjs", bench.store);
    await run.says("ready");
    const job = await bench.queue().add("n", {});
    const { code, out, err } = await run.ended;
    assert.equal(err, "");
    assert.equal(code, 0);
    assert.ok(out.includes(`completed ${job.id}`));
  });

  it("that calls process.exit() in the middle leaves its jobs to others", async (t) => {
    const bench = new Bench(t);
    const run = runFixture("exit-while-working.mjs", bench.store);
    const { code, signal, err } = await run.ended;
    assert.equal(signal, null);
    assert.equal(code, 7);
    assert.equal(err, "");
    const worker = bench.worker(() => "taken over");
    const [, result] = (await once(worker, "completed")) as [unknown, string];
    assert.equal(result, "taken over");
  });

  it("that is killed loses its jobs to others at once", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const run = runFixture("blocked-loop.mjs", bench.store, "600000");
    await queue.add("n", {});
    await run.says("blocking");
    const stalled: string[] = [];
    const worker = bench.worker((job) => job.stalledCounter);
    worker.on("stalled", (jobId, prev) => stalled.push(`${jobId} ${prev}`));
    await worker.waitUntilReady();
    const completed = once(worker, "completed");
    run.child.kill("SIGKILL");
    const [job, crashes] = (await completed) as [{ id: string }, number];
    assert.equal(crashes, 1);
    await until(() => stalled.length === 1);
    assert.deepEqual(stalled, [`${job.id} active`]);
  });

  it("with a blocked event loop keeps its lease", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const run = runFixture("blocked-loop.mjs", bench.store, "3000");
    const job = await queue.add("n", {});
    await run.says("blocking");
    const taken: string[] = [];
    bench.worker((other) => void taken.push(other.id));
    const { out } = await run.ended;
    assert.match(out, /completed kept attempts 1 crashes 0/);
    assert.doesNotMatch(out, /error/);
    assert.deepEqual(taken, []);
    assert.equal((await queue.getJob(job.id))?.returnvalue, "kept");
  });

  it("may use the CommonJS and the ES module copy of the package at once", async (t) => {
    const bench = new Bench(t);
    const { code, out, err } = await runFixture("both-systems.cjs", bench.store).ended;
    assert.equal(err, "");
    assert.equal(code, 0);
    assert.equal(out, "result 2\none addon true\ntwo classes true\nshared 1\n");
  });
});
