// The numbers of BullMQ's errors that concern parents and children, and their sentences.
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { ErrorCode, type Job, UnrecoverableError, Worker } from "millrace";

import { Bench, until } from "../support.js";

const PARENT = { id: "nobody", queue: "q" };

function told(worker: Worker): { failed: Error[]; completed: string[] } {
  const heard: { failed: Error[]; completed: string[] } = { failed: [], completed: [] };
  worker.on("failed", (_job, error) => heard.failed.push(error));
  worker.on("completed", (job) => heard.completed.push(job.id));
  worker.on("error", (error) => assert.fail(error));
  return heard;
}

describe("error codes", () => {
  it("ErrorCode.ParentJobNotExist: by add, addBulk and removeChildDependency", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const missing = (command: string): object => ({
      name: "JobError",
      code: ErrorCode.ParentJobNotExist,
      reason: "not_found",
      message: `Missing key for parent job q:nobody. ${command}`,
    });
    await assert.rejects(queue.add("n", {}, { parent: PARENT }), missing("addJob"));
    const jobs = [
      { name: "a.b", data: 1 },
      { name: "n", data: 2, opts: { parent: PARENT } },
    ];
    await assert.rejects(queue.addBulk(jobs), missing("addJob"));
    assert.equal(await queue.count(), 0);
    const { job: parent, children } = await queue.addFlow({ name: "p", children: [{ name: "c" }] });
    const child = (await queue.getJob(children![0]!.job.id))!;
    await parent.remove({ removeChildren: false });
    await assert.rejects(child.removeChildDependency(), {
      ...missing("removeChildDependency"),
      message: `Missing key for parent job q:${parent.id}. removeChildDependency`,
    });
    await child.remove();
    await assert.rejects(child.removeChildDependency(), {
      code: ErrorCode.JobNotExist,
      message: `Missing key for job ${child.id}. removeChildDependency`,
    });
  });

  it("ErrorCode.JobPendingChildren: a processor returns while its new child waits", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const children = bench.queue("children");
    const worker = bench.worker(async (job: Job) => {
      const parent = job.id === "mother" ? job : { id: job.id, queue: "q" };
      await children.add("child", {}, { parent });
    });
    const heard = told(worker);
    const mothers = ["mother", "other", "again"];
    for (const jobId of mothers)
      await queue.add("n", {}, { jobId, attempts: jobId === "again" ? 2 : 1 });
    await until(() => heard.failed.length === 3);
    for (const [i, error] of heard.failed.entries()) {
      const { name, code, message } = error as Error & { code: ErrorCode };
      assert.deepEqual([name, code], ["JobError", ErrorCode.JobPendingChildren]);
      assert.equal(message, `Job ${mothers[i]} has pending dependencies. moveToFinished`);
    }
    assert.equal(await queue.getJobState("other"), "failed");
    assert.equal(await queue.getJobState("again"), "waiting-children", "and then it is retried");
    assert.deepEqual(heard.completed, []);
    // By hand it is told to the caller, who still has the job.
    const byHand = bench.add(new Worker("hand", null, { store: bench.store }));
    await bench.queue("hand").add("n", {}, { jobId: "by-hand" });
    const held = (await byHand.getNextJob("token"))!;
    const child = await children.add("child", {}, { parent: held });
    await assert.rejects(held.moveToCompleted(1, "token"), {
      code: ErrorCode.JobPendingChildren,
      reason: "wrong_state",
    });
    await child.removeChildDependency();
    await held.moveToCompleted(1, "token", false);
    assert.equal(await held.getState(), "completed");
  });

  it("a job whose new children are done completes", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const children = bench.queue("children");
    bench.worker(() => "grown", {}, "children");
    const events = await bench.events("children");
    const worker = bench.worker(async (job: Job) => {
      const child = await children.add("child", {}, { parent: { id: job.id, queue: "q" } });
      return (await child.waitUntilFinished(events)) as string;
    });
    const heard = told(worker);
    const job = await queue.add("n", {});
    await until(() => heard.completed.length === 1);
    assert.deepEqual(heard, { failed: [], completed: [job.id] });
    assert.equal((await queue.getJob(job.id))?.returnvalue, "grown");
  });

  it("ErrorCode.JobHasFailedChildren: a child failed whose failure is its parent's", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const children = bench.queue("children");
    const bad = (): never => {
      throw new UnrecoverableError("bad child");
    };
    bench.worker(bad, {}, "children");
    const waiting: unknown[] = [];
    const worker = bench.worker(async (job: Job, token) => {
      const opts = { parent: { id: job.id, queue: "q" }, failParentOnFailure: true };
      const child = await children.add("child", {}, opts);
      await until(async () => (await child.getState()) === "failed");
      if (job.name === "waits") {
        await job.moveToWaitingChildren(token).catch((error: unknown) => waiting.push(error));
      }
    });
    const heard = told(worker);
    const job = await queue.add("n", {}, { jobId: "mother", attempts: 3 });
    await until(() => heard.failed.length > 0);
    assert.equal(await job.getState(), "failed", "it is not tried again");
    const error = heard.failed[0] as Error & { code: ErrorCode };
    assert.ok(error instanceof UnrecoverableError);
    assert.equal(error.code, ErrorCode.JobHasFailedChildren);
    const why = "because it has at least one failed child";
    assert.equal(error.message, `Cannot complete job mother ${why}. moveToFinished`);
    const other = await queue.add("waits", {}, { jobId: "other" });
    await until(async () => (await other.getState()) === "failed");
    const [refused] = waiting as (Error & { code: ErrorCode })[];
    assert.equal(refused?.code, ErrorCode.JobHasFailedChildren);
    assert.equal(refused?.message, `Cannot complete job other ${why}. moveToWaitingChildren`);
  });

  it("a job of a scheduler may be removed, and one id be the child of two", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const scheduled = await queue.upsertJobScheduler("s", { every: 60_000 });
    await scheduled!.remove(); // -8 in BullMQ, if it were the delayed one of the next slot
    const [first, second] = await Promise.all(
      ["one", "two"].map((name) => queue.addFlow({ name, children: [{ name: "c" }] })),
    );
    for (const { job } of [first!, second!]) {
      const parent = { id: job.id, queue: "q" };
      await queue.add("shared", {}, { jobId: "shared", parent }); // -7 in BullMQ for the second
      assert.equal((await job.dependencies()).total, 2);
    }
    assert.equal((await queue.getJob("shared"))?.parent?.id, first!.job.id);
  });
});
