import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";

import {
  type FlowJob,
  type FlowTree,
  type Job,
  type JobNode,
  type MillraceError,
  WaitingChildrenError,
} from "millrace";

import { Bench, deferred, until } from "./support.js";

/** The jobs of a tree, children first. */
function jobsOf({ job, children = [] }: JobNode): Job[] {
  return [...children.flatMap(jobsOf), job];
}

const shape = ({ name, state, children }: FlowTree): unknown[] => [
  name,
  state,
  ...children.map(shape),
];

describe("flows", () => {
  it("run children first, in their own queues, and hand their results to the parent", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue("pages");
    bench.queue("images");
    const events = await bench.events("pages");
    const ran: string[] = [];
    bench.worker(
      (job) => {
        ran.push(job.name);
        return { width: job.data.width };
      },
      {},
      "images",
    );
    let values: unknown;
    let order: unknown;
    bench.worker(
      async (job) => {
        ran.push(job.name);
        values = await job.getChildrenValues();
        order = (await job.dependencies()).dependencies.map(({ as, result }) => [as, result]);
        return "published";
      },
      {},
      "pages",
    );
    const { job, children } = await queue.addFlow({
      name: "publish",
      children: [
        { name: "small", queueName: "images", data: { width: 1 }, opts: { as: "small" } },
        { name: "large", queueName: "images", data: { width: 9 } },
      ],
    });
    assert.equal(await job.waitUntilFinished(events), "published");
    assert.equal(ran.at(-1), "publish");
    assert.deepEqual(ran.slice(0, 2), ["small", "large"]);
    const large = children?.[1]?.job as Job;
    assert.equal(large.queueName, "images");
    assert.deepEqual(values, { small: { width: 1 }, [`images:${large.id}`]: { width: 9 } });
    assert.deepEqual(order, [
      ["small", { width: 1 }],
      ["", { width: 9 }],
    ]);
    const sorted = await job.getDependencies();
    assert.deepEqual(sorted.processed, values);
    assert.deepEqual(sorted.unprocessed, []);
  });

  it("show as waiting for children, can be read back, and start nothing too early", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    const waiting = once(events, "waiting-children");
    const root = await queue.addFlow({
      name: "root",
      children: [{ name: "middle", children: [{ name: "leaf" }] }, { name: "other" }],
    });
    assert.deepEqual(shape(await queue.getFlow(root.job.id)), [
      ...["root", "waiting-children"],
      ["middle", "waiting-children", ["leaf", "waiting"]],
      ["other", "waiting"],
    ]);
    await waiting;
    assert.equal(await root.job.isWaitingChildren(), true);
    assert.equal(await queue.getWaitingChildrenCount(), 2);
    const shallow = await queue.getFlow(root.job.id, { depth: 2, maxChildren: 1 });
    assert.equal(shallow.more, 1);
    const page = await root.job.dependencies({ states: ["waiting"] });
    assert.deepEqual(
      page.dependencies.map(({ id, policy, done }) => [id, policy, done]),
      [[root.children?.[1]?.job.id, "wait", false]],
    );
    assert.equal(page.total, 2);
    assert.equal(page.pending, 2);
    await assert.rejects(queue.getFlow("nobody"), { code: "not_found" });
  });

  it("follow the policy of each edge when a child fails", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    bench.worker(async (job) => {
      if (job.name === "bad") throw new TypeError("broken");
      if (job.name === "never") await new Promise(() => undefined);
      return job.getFailedChildrenValues();
    });
    const flow = (opts: FlowJob["opts"]): Promise<JobNode> =>
      queue.addFlow({
        name: "parent",
        children: [{ name: "bad", opts: { as: "bad", ...opts } }, { name: "good" }],
      });
    const failed = await flow({ failParentOnFailure: true });
    await assert.rejects(failed.job.waitUntilFinished(events), { type: "DependencyFailed" });
    const ignored = await flow({ ignoreDependencyOnFailure: true });
    assert.deepEqual(await ignored.job.waitUntilFinished(events), { bad: "broken" });
    const removed = await flow({ removeDependencyOnFailure: true });
    assert.deepEqual(await removed.job.waitUntilFinished(events), {});
    const cancelled = await flow({ onFailure: "cancel" });
    await assert.rejects(cancelled.job.waitUntilFinished(events), { type: "DependencyFailed" });
    assert.equal(await cancelled.job.getState(), "cancelled");
    const waiting = await flow({});
    const [bad, good] = jobsOf(waiting);
    await assert.rejects(bad!.waitUntilFinished(events));
    await good!.waitUntilFinished(events);
    assert.equal(await waiting.job.isWaitingChildren(), true);
    assert.deepEqual((await waiting.job.getDependencies()).failed, ["bad"]);
    await bad!.remove();
    await waiting.job.waitUntilFinished(events);
  });

  it("run the parent at once with continueParentOnFailure", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    bench.worker((job) => {
      if (job.name === "bad") throw new Error("broken");
      return "early";
    });
    const { job, children } = await queue.addFlow({
      name: "parent",
      children: [
        { name: "bad", opts: { continueParentOnFailure: true } },
        { name: "late", queueName: "nobody works here" },
      ],
    });
    assert.equal(await job.waitUntilFinished(events), "early");
    assert.equal(await children?.[1]?.job.isWaiting(), true);
  });

  it("are any graph without a cycle: a job may wait for several, also for those that exist", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    const old = await queue.add("old", { x: 1 });
    const flow = queue.flow();
    const a = flow.add("a", queue, { x: 2 }, { as: "first" });
    const b = flow.add("b", "q", { x: 3 }, { after: [a] });
    const both = flow.add(
      "both",
      "q",
      { x: 0 },
      {
        after: [a, { job: b, as: "second" }, { job: old, policy: "ignore" }],
      },
    );
    const all = flow.add("all", "q", {}, { after: [a, b], join: "collect" });
    assert.equal(flow.size, 4);
    const added = await flow.enqueue();
    assert.deepEqual(added, [a, b, both, all]);
    assert.ok(both.id);
    const values: unknown[] = [];
    bench.worker(async (job) => {
      if (job.name === "both") values.push(await job.getChildrenValues());
      return job.data.x;
    });
    await both.waitUntilFinished(events);
    assert.deepEqual(values, [{ first: 2, second: 3, [`q:${old.id}`]: 1 }]);
    assert.deepEqual(await all.waitUntilFinished(events), [2, 3]);
    await assert.rejects(flow.enqueue(), {
      code: "wrong_state",
      message: "flow.enqueue: the flow was enqueued already",
    });
  });

  it("continue on success and on error", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    bench.worker((job) => {
      if (job.name === "bad") throw new Error("broken");
      return job.getFailedChildrenValues();
    });
    const flow = queue.flow();
    const bad = flow.add("bad", queue);
    const good = flow.add("good", queue);
    const onError = flow.add(
      "onError",
      queue,
      {},
      {
        after: [{ job: bad, policy: "on_failure", as: "it" }],
      },
    );
    const noError = flow.add(
      "noError",
      queue,
      {},
      { after: [{ job: good, policy: "on_failure" }] },
    );
    const onSuccess = flow.add("onSuccess", queue, {}, { after: [{ job: bad, policy: "cancel" }] });
    await flow.enqueue();
    assert.deepEqual(await onError.waitUntilFinished(events), { it: "broken" });
    await assert.rejects(onSuccess.waitUntilFinished(events), { type: "DependencyFailed" });
    await good.waitUntilFinished(events);
    await until(async () => (await queue.getJob(noError.id)) === undefined);
  });

  it("grow while they run: a processor adds children, waits, and is called again", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    const calls: string[] = [];
    const worker = bench.worker(async (job, token) => {
      if (job.name === "child") return job.data.x * 2;
      calls.push(`${job.attemptsMade} ${JSON.stringify(job.checkpoint)}`);
      if (job.checkpoint === undefined) {
        await queue.add("child", { x: 1 }, { parent: job, as: "one" });
        // As BullMQ's documentation has it: the lease is found by the id.
        const parent = { id: job.id, queue: job.queueQualifiedName };
        await queue.add("child", { x: 2 }, { parent, as: "two" });
        await job.updateCheckpoint("added");
        assert.equal(await job.moveToWaitingChildren(token), true);
        throw new WaitingChildrenError();
      }
      assert.equal(await job.moveToWaitingChildren(token), false);
      return job.getChildrenValues();
    });
    worker.on("failed", (_job, error) => assert.fail(error));
    const job = await queue.add("parent", {});
    assert.deepEqual(await job.waitUntilFinished(events), { one: 2, two: 4 });
    assert.deepEqual(calls, ["0 undefined", '0 "added"']);
    assert.equal((await queue.getJob(job.id))?.attemptsMade, 1);
  });

  it("add children in the commit with which their parent begins to wait", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    bench.worker(async (job) => {
      if (job.name !== "parent") return job.name;
      if ((await job.dependencies()).total > 0) return Object.values(await job.getChildrenValues());
      const children = job.flow();
      const first = children.add("first", queue);
      children.add("second", queue, {}, { after: [first] });
      await job.moveToWaitingChildren(undefined, { children });
      throw new WaitingChildrenError();
    });
    const job = await queue.add("parent", {});
    assert.deepEqual(await job.waitUntilFinished(events), ["second"]);
  });

  it("replace a job by others: it ends as they do", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    bench.worker((job) => {
      if (job.name === "bad") throw new TypeError("broken");
      if (job.name === "leaf") return job.data.x;
      const flow = job.flow();
      if (job.name === "one") flow.add("leaf", queue, { x: 1 });
      if (job.name === "two") for (const x of [1, 2]) flow.add("leaf", queue, { x });
      if (job.name === "failing") flow.add("bad", queue);
      job.replaceBy(flow);
      return "not used";
    });
    const [one, two, failing] = await queue.addBulk([
      ...["one", "two", "failing"].map((name) => ({ name, data: {} })),
    ]);
    assert.equal(await one!.waitUntilFinished(events), 1);
    assert.deepEqual(await two!.waitUntilFinished(events), [1, 2]);
    await assert.rejects(failing!.waitUntilFinished(events), { type: "DependencyFailed" });
  });

  it("fail a job that asks for what cannot be", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const worker = bench.worker((job) => {
      const flow = job.flow();
      if (job.name === "orphan") flow.add("n", queue, {}, { after: [{ id: "nobody" }] });
      job.replaceBy(flow);
    });
    const firstFailed = once(worker, "failed");
    const empty = await queue.add("empty", {});
    const [, refused] = (await firstFailed) as [unknown, MillraceError];
    assert.equal(refused.code, "invalid_argument");
    assert.match(refused.message, /jobs is empty/);
    await until(() => empty.isFailed());
    const secondFailed = once(worker, "failed");
    const orphan = await queue.add("orphan", {});
    const [, unknown] = (await secondFailed) as [unknown, MillraceError];
    assert.equal(unknown.code, "not_found");
    assert.match(unknown.message, /nobody/);
    await until(() => orphan.isFailed());
    assert.match((await queue.getJob(orphan.id))?.failedReason ?? "", /nobody/);
  });

  it("let children be added to a parent that waits, and not to others", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    const { job } = await queue.addFlow({ name: "parent", children: [{ name: "child" }] });
    const late = await queue.add("late", {}, { parent: { id: job.id, queue: "q" }, as: "late" });
    bench.worker(async (running) => (running.name === "parent" ? running.getChildrenValues() : 7));
    const values = (await job.waitUntilFinished(events)) as Record<string, unknown>;
    assert.equal(values["late"], 7);
    assert.ok(late.id);
    await assert.rejects(queue.add("n", {}, { parent: job }), { code: "wrong_state" });
    await assert.rejects(queue.add("n", {}, { parent: { id: "nobody" } }), {
      reason: "not_found",
    });
  });

  it("go with a job that is cancelled or removed", async (t) => {
    const queue = new Bench(t).queue();
    const first = await queue.addFlow({ name: "parent", children: [{ name: "child" }] });
    assert.equal(await first.job.cancel("enough"), "cancelled");
    assert.equal(await first.children?.[0]?.job.getState(), "cancelled");
    const second = await queue.addFlow({ name: "parent", children: [{ name: "child" }] });
    await second.job.remove();
    assert.equal(await second.children?.[0]?.job.getState(), "unknown");
  });

  it("write nothing when one of their jobs is refused", async (t) => {
    const queue = new Bench(t).queue();
    await assert.rejects(
      queue.addFlow({ name: "p", children: [{ name: "c", data: { n: 1n } }] }),
      (error: MillraceError) => /^queue.addFlow: children\[0\]: data cannot be/.test(error.message),
    );
    const flow = queue.flow();
    flow.add("n", queue, {}, { after: [{ id: "nobody" }] });
    flow.add("m", queue);
    await assert.rejects(flow.enqueue(), { code: "not_found" });
    assert.equal(await queue.count(), 0);
    assert.deepEqual(await queue.flow().enqueue(), []);
  });

  it("may be a thousand levels deep and a thousand children wide", async (t) => {
    const queue = new Bench(t).queue();
    let deep: FlowJob = { name: "leaf" };
    for (let level = 1; level < 1000; level++) deep = { name: "level", children: [deep] };
    const { job } = await queue.addFlow(deep);
    let tree = await queue.getFlow(job.id, { depth: 1000 });
    let levels = 1;
    for (; tree.children[0] !== undefined; levels++) tree = tree.children[0];
    assert.equal(levels, 1000);
    const children = Array.from({ length: 1000 }, () => ({ name: "child" }));
    const wide = await queue.addFlow({ name: "wide", children });
    assert.equal((await wide.job.dependencies({ limit: 1 })).pending, 1000);
  });

  it("use the queue's default options for its own jobs", async (t) => {
    const queue = new Bench(t).queue("q", { defaultJobOptions: { attempts: 5 } });
    const flow = queue.flow();
    const own = flow.add("a", queue, {}, { priority: 2 });
    const named = flow.add("b", "q");
    await flow.enqueue({ durability: "power" });
    assert.equal((await queue.getJob(own.id))?.opts.attempts, 5);
    assert.equal((await queue.getJob(own.id))?.opts.priority, 2);
    assert.equal((await queue.getJob(named.id))?.opts.attempts, 1);
    assert.equal(own.durability, "power");
  });

  it("end a wait whose children are done meanwhile at once", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    const asked = deferred();
    const childDone = deferred();
    let calls = 0;
    bench.worker(
      async (job, token) => {
        if (job.name === "child") return asked.promise;
        if (++calls > 1) return "again";
        const child = await queue.add("child", {}, { parent: job });
        assert.equal(await job.moveToWaitingChildren(token), true);
        asked.resolve();
        await child.waitUntilFinished(events);
        childDone.resolve();
        throw new WaitingChildrenError();
      },
      { concurrency: 2 },
    );
    const job = await queue.add("parent", {});
    await childDone.promise;
    assert.equal(await job.waitUntilFinished(events), "again");
  });
});
