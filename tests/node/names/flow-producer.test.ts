import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { type FlowJob, FlowProducer, type Job, type JobNode } from "millrace";

import { Bench, until } from "../support.js";

function producer(bench: Bench): FlowProducer {
  return bench.add(new FlowProducer({ store: bench.store, durability: "process" }));
}

/** Names and queues of a tree, without ids. */
function shape({ job, children = [] }: JobNode): unknown {
  return [`${job.queueName}/${job.name}`, ...children.map(shape)];
}

/** A parent of one child that fails, and one that succeeds, under a policy. */
async function family(bench: Bench, opts: FlowJob["opts"]): Promise<{ parent: Job; good: Job }> {
  const { job, children } = await producer(bench).add({
    name: "parent",
    queueName: "q",
    children: [{ name: "bad", opts: opts ?? {} }, { name: "good" }],
  });
  return { parent: job, good: children![1]!.job };
}

describe("FlowProducer", () => {
  it("FlowProducer.add", async (t) => {
    const bench = new Bench(t);
    const flows = producer(bench);
    await flows.waitUntilReady();
    const added = await flows.add({
      name: "site",
      queueName: "pages",
      data: { n: 1 },
      children: [
        { name: "resize", queueName: "images", opts: { jobId: "small" } },
        { name: "render", children: [{ name: "fetch", queueName: "images" }] },
      ],
    });
    assert.deepEqual(shape(added), [
      "pages/site",
      ["images/resize"],
      ["pages/render", ["images/fetch"]],
    ]);
    const { job, children } = added;
    assert.equal(await job.getState(), "waiting-children");
    assert.equal(children![0]!.job.id, "small");
    const order: string[] = [];
    for (const name of ["pages", "images"]) {
      bench.worker((running) => void order.push(running.name), {}, name);
    }
    await until(() => job.isCompleted());
    assert.equal(order.at(-1), "site");
    assert.ok(order.indexOf("fetch") < order.indexOf("render"));
    assert.equal(order.length, 4);
  });

  it("FlowProducer.add is all or nothing, and names what is wrong", async (t) => {
    const bench = new Bench(t);
    const flows = producer(bench);
    const queue = bench.queue();
    const child: FlowJob = { name: "child" };
    const bad: [unknown, RegExp][] = [
      [{ name: "n" }, /^flowProducer\.add: flow: queueName must be/],
      [{ queueName: "q" }, /^flowProducer\.add: flow: name must be/],
      [{ name: "n", queueName: "q", children: child }, /children must be an array/],
      [{ name: "n", queueName: "q", kids: [] }, /unknown option "kids"; known/],
      [{ name: "n", queueName: "q", childs: [] }, /"childs" \(did you mean "children"\?\)/],
      [{ name: "n", queueName: "q", prefix: "b" }, /queues of one name in two stores/],
      [{ name: "n", queueName: "q", children: [child, { name: "" }] }, /children\[1\]: name/],
      [
        { name: "n", queueName: "q", opts: { deduplication: { id: "k" } }, children: [child] },
        /Deduplication options cannot be used on flow nodes with children/,
      ],
    ];
    for (const [flow, message] of bad) {
      await assert.rejects(flows.add(flow as never), { code: "invalid_argument", message });
    }
    await assert.rejects(flows.addBulk({} as never), /flows must be an array/);
    await assert.rejects(
      flows.addBulk([{ name: "n", queueName: "q" }, {} as never]),
      /flows\[1\]: queueName/,
    );
    await assert.rejects(flows.add({ name: "n", queueName: "q" }, { x: 1 } as never), /"x"/);
    assert.equal(await queue.count(), 0);
    assert.throws(() => new FlowProducer({ connection: {} } as never), /Millrace needs no server/);
  });

  it("FlowProducer.add({queuesOptions})", async (t) => {
    const bench = new Bench(t);
    const { job, children } = await producer(bench).add(
      {
        name: "a",
        queueName: "one",
        children: [
          { name: "b", queueName: "two" },
          { name: "c", queueName: "two", opts: { attempts: 9 } },
        ],
      },
      { queuesOptions: { two: { defaultJobOptions: { attempts: 4 } } } },
    );
    assert.equal(job.opts.attempts, undefined);
    assert.deepEqual(
      children!.map((child) => child.job.opts.attempts),
      [4, 9],
    );
  });

  it("FlowProducer.addBulk", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const nodes = await producer(bench).addBulk([
      { name: "a", queueName: "q", children: [{ name: "b" }] },
      { name: "c", queueName: "q" },
    ]);
    assert.deepEqual(nodes.map(shape), [["q/a", ["q/b"]], ["q/c"]]);
    assert.equal(await queue.getWaitingCount(), 2);
    assert.equal(await queue.getWaitingChildrenCount(), 1);
    assert.deepEqual(await producer(bench).addBulk([]), []);
  });

  it("FlowProducer.getFlow", async (t) => {
    const bench = new Bench(t);
    const flows = producer(bench);
    const added = await flows.add({
      name: "a",
      queueName: "q",
      data: { x: 1 },
      children: [{ name: "b", queueName: "r", children: [{ name: "c" }] }],
    });
    const read = await flows.getFlow({ id: added.job.id, queueName: "q" });
    assert.deepEqual(shape(read!), shape(added));
    assert.deepEqual(read!.job.data, { x: 1 });
    assert.equal(await flows.getFlow({ id: "none", queueName: "q" }), undefined);
    await assert.rejects(flows.getFlow({ id: "", queueName: "q" }), /getFlow: id/);
  });

  it("FlowProducer.getFlow({depth, maxChildren})", async (t) => {
    const bench = new Bench(t);
    const flows = producer(bench);
    const children = [1, 2, 3].map(() => ({ name: "b", children: [{ name: "c" }] }));
    const { job } = await flows.add({ name: "a", queueName: "q", children });
    const query = { id: job.id, queueName: "q" };
    assert.deepEqual(shape((await flows.getFlow({ ...query, maxChildren: 2, depth: 1 }))!), [
      "q/a",
      ["q/b"],
      ["q/b"],
    ]);
    await assert.rejects(flows.getFlow({ ...query, depth: 0 }), /depth must be an integer from 1/);
    await assert.rejects(flows.getFlow({ ...query, maxChildren: 0 }), /maxChildren/);
  });

  it("FlowProducer.add a thousand levels deep", async (t) => {
    const bench = new Bench(t);
    let flow: FlowJob = { name: "leaf" };
    for (let i = 1; i < 1000; i++) flow = { name: `n${i}`, children: [flow] };
    const { job } = await producer(bench).add({ ...flow, queueName: "q" });
    bench.worker(() => 1, { concurrency: 10 });
    await until(() => job.isCompleted());
  });

  it("FlowProducer.close", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const flows = producer(bench);
    const adding = flows.add({ name: "a", queueName: "q" });
    await flows.close();
    await adding;
    assert.equal(await queue.getWaitingCount(), 1);
    await assert.rejects(flows.add({ name: "a", queueName: "q" }), { code: "closed" });
    await assert.rejects(flows.getFlow({ id: "a", queueName: "q" }), { code: "closed" });
    await flows.close();
  });

  it("FlowProducer.disconnect", async (t) => {
    const bench = new Bench(t);
    const flows = producer(bench);
    await flows.disconnect();
    await assert.rejects(flows.addBulk([]), { code: "closed" });
  });
});

describe("the failure of a child", () => {
  const work = (bench: Bench): void => {
    bench.worker((job) => {
      if (job.name === "bad") throw new Error("broken");
      return job.name === "parent" ? job.getFailedChildrenValues() : 1;
    });
  };

  it("default: the parent waits for ever", async (t) => {
    const bench = new Bench(t);
    const { parent, good } = await family(bench, undefined);
    work(bench);
    await until(() => good.isCompleted());
    const queue = bench.queue();
    await until(async () => (await queue.getFailedCount()) === 1);
    assert.equal(await parent.getState(), "waiting-children");
    const { unprocessed, failed } = await parent.getDependencies();
    assert.deepEqual(unprocessed, []);
    assert.equal(failed.length, 1);
  });

  it("failParentOnFailure in a flow", async (t) => {
    const bench = new Bench(t);
    const grand = await producer(bench).add({
      name: "grand",
      queueName: "q",
      children: [
        {
          name: "parent",
          opts: { failParentOnFailure: true },
          children: [{ name: "bad", opts: { failParentOnFailure: true } }],
        },
      ],
    });
    work(bench);
    await until(() => grand.job.isFailed());
    assert.equal(await grand.children![0]!.job.getState(), "failed");
  });

  it("continueParentOnFailure in a flow", async (t) => {
    const bench = new Bench(t);
    const { parent } = await family(bench, { continueParentOnFailure: true });
    const events = await bench.events();
    work(bench);
    const result = (await parent.waitUntilFinished(events)) as Record<string, string>;
    assert.deepEqual(Object.values(result), ["broken"]);
  });

  it("ignoreDependencyOnFailure in a flow", async (t) => {
    const bench = new Bench(t);
    const { parent } = await family(bench, { ignoreDependencyOnFailure: true });
    const events = await bench.events();
    work(bench);
    assert.deepEqual(Object.values(await parent.waitUntilFinished(events)), ["broken"]);
    const { ignored, processed } = await parent.getDependencies();
    assert.deepEqual(Object.values(ignored), ["broken"]);
    assert.equal(Object.keys(processed).length, 1);
  });

  it("removeDependencyOnFailure in a flow", async (t) => {
    const bench = new Bench(t);
    const { parent } = await family(bench, { removeDependencyOnFailure: true });
    const events = await bench.events();
    work(bench);
    assert.deepEqual(await parent.waitUntilFinished(events), {});
    assert.deepEqual((await parent.getDependencies()).ignored, {});
  });
});
