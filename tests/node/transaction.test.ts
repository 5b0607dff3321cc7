import assert from "node:assert/strict";
import { once } from "node:events";
import { type TestContext, describe, it } from "node:test";

import { type JobTransaction, Queue, type Store, type Transaction, openStore } from "millrace";

import { Bench } from "./support.js";

const CREATE =
  "CREATE TABLE IF NOT EXISTS app_orders (id INTEGER PRIMARY KEY, item TEXT UNIQUE, n)";
const INSERT = "INSERT INTO app_orders (item, n) VALUES (?, ?)";

async function shop(t: TestContext): Promise<{ store: Store; queue: Queue; bench: Bench }> {
  const bench = new Bench(t);
  const store = bench.add(await openStore(bench.store));
  await store.transaction((tx) => tx.execute(CREATE));
  return { store, queue: bench.queue(), bench };
}

async function items(store: Store): Promise<unknown[]> {
  return store.transaction(async (tx) =>
    (await tx.execute("SELECT item FROM app_orders ORDER BY id")).rows.map(({ item }) => item),
  );
}

describe("store.transaction", () => {
  it("commits jobs and rows together", async (t) => {
    const { store, queue } = await shop(t);
    const job = await store.transaction(async (tx) => {
      const { changes, lastInsertRowid } = await tx.execute(INSERT, ["lamp", 1]);
      assert.deepEqual([changes, lastInsertRowid], [1, 1]);
      const added = await queue.add("ship", { item: "lamp" }, { tx, priority: 3 });
      const flow = store.flow();
      flow.add("a", "q");
      flow.add("b", "q");
      await flow.enqueue({ tx });
      assert.equal(await queue.count(), 0);
      return added;
    });
    assert.deepEqual(await items(store), ["lamp"]);
    assert.equal(await queue.count(), 3);
    assert.equal((await queue.getJob(job.id))?.priority, 3);
    assert.equal(job.durability, "power");
  });

  it("rolls back when the function throws", async (t) => {
    const { store, queue } = await shop(t);
    await assert.rejects(
      store.transaction(async (tx) => {
        await tx.execute(INSERT, ["lamp", 1]);
        await queue.add("ship", {}, { tx });
        throw new RangeError("no");
      }),
      RangeError,
    );
    await store.transaction(async (tx) => {
      await tx.execute(INSERT, ["lamp", 1]);
      await tx.rollback();
      await assert.rejects(tx.execute("SELECT 1"), { code: "closed" });
    });
    assert.deepEqual(await items(store), []);
    assert.equal(await queue.count(), 0);
  });

  it("gives values back as they went", async (t) => {
    const { store } = await shop(t);
    await store.transaction(async (tx) => {
      const values = ["ü\0x", 5, 0.5, 2n ** 62n, null, true, new Uint8Array([255, 0])];
      const { rows } = await tx.execute("SELECT ? a, ? b, ? c, ? d, ? e, ? f, ? g", values);
      const [row] = rows;
      const got = Object.values(row ?? {});
      assert.deepEqual(got.slice(0, 6), ["ü\0x", 5, 0.5, 2n ** 62n, null, 1]);
      assert.deepEqual([...(row?.["g"] as Buffer)], [255, 0]);
      await assert.rejects(tx.execute("SELECT ?", [2n ** 63n]), {
        code: "invalid_argument",
        message: /parameters\[0\] does not fit into 64 bits/,
      });
      await assert.rejects(tx.execute("SELECT ?", [{} as string]), { code: "invalid_argument" });
    });
  });

  it("goes on after a failed statement", async (t) => {
    const { store } = await shop(t);
    await store.transaction(async (tx) => {
      await tx.execute(INSERT, ["lamp", 1]);
      await assert.rejects(tx.execute(INSERT, ["lamp", 1]), { code: "invalid_argument" });
      await assert.rejects(tx.execute("DELETE FROM jobs"), { code: "permission_denied" });
    });
    assert.deepEqual(await items(store), ["lamp"]);
  });

  it("refuses what would wait for itself", async (t) => {
    const { store, queue } = await shop(t);
    await store.transaction(async (tx) => {
      await tx.execute(INSERT, ["lamp", 1]);
      await assert.rejects(queue.add("ship", {}), { code: "wrong_state" });
      await assert.rejects(
        store.transaction(() => undefined),
        { code: "wrong_state" },
      );
    });
    await queue.add("ship", {});
    assert.equal(await queue.count(), 1);
  });

  it("has many take turns, more than there are threads in the pool", async (t) => {
    const { store, queue } = await shop(t);
    const one = (number: number): Promise<void> =>
      store.transaction(async (tx) => {
        await tx.execute(INSERT, [`item ${number}`, number]);
        await queue.add("ship", { number }, { tx });
      });
    await Promise.all(Array.from({ length: 20 }, (_, number) => one(number)));
    assert.equal((await items(store)).length, 20);
    assert.equal(await queue.count(), 20);
  });

  it("is bounded in time", async (t) => {
    const { store } = await shop(t);
    const forEver =
      "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n";
    await assert.rejects(
      store.transaction((tx) => tx.execute(forEver), { timeout: 30 }),
      { code: "timeout" },
    );
    await assert.rejects(
      store.transaction(() => undefined, { timeout: 60_001 }),
      { code: "invalid_argument" },
    );
  });

  it("checks what it is given", async (t) => {
    const { store, queue, bench } = await shop(t);
    const other = bench.add(await openStore(`${bench.store}-other`));
    await assert.rejects(store.transaction(1 as unknown as (tx: Transaction) => void), {
      code: "invalid_argument",
    });
    await assert.rejects(queue.add("x", {}, { tx: 5 as unknown as Transaction }), {
      code: "invalid_argument",
    });
    await store.transaction(async (tx) => {
      await assert.rejects(queue.add("x", {}, { tx, durability: "power" }), {
        code: "invalid_argument",
      });
    });
    await other.transaction(async (tx) => {
      await assert.rejects(queue.add("x", {}, { tx }), { message: /transaction is of the store/ });
    });
  });
});

describe("job.transaction", () => {
  it("adds jobs with the completion, or not at all", async (t) => {
    const { queue, bench } = await shop(t);
    const other = bench.queue("other");
    const ids: string[] = [];
    const worker = bench.worker(async (job) => {
      await job.transaction(async (tx) => {
        ids.push((await other.add("invoice", {}, { tx })).id);
        ids.push((await other.add("mail", {}, { tx, priority: 2 })).id);
        assert.equal(await other.count(), 0);
      });
      await job
        .transaction(async (tx) => {
          await other.add("never", {}, { tx });
          throw new RangeError("no");
        })
        .catch(() => undefined);
      if (job.name === "bad") throw new Error("bad");
      return "done";
    });
    const failed = once(worker, "failed");
    await queue.add("bad", {});
    await failed;
    assert.equal(await other.count(), 0);
    const completed = once(worker, "completed");
    await queue.add("good", {});
    await completed;
    assert.equal(await other.count(), 2);
    for (const id of ids.slice(2)) assert.equal((await other.getJob(id))?.id, id);
    assert.equal(await other.getJob(ids[0] as string), undefined);
  });

  it("adds flows and bulks, and reports progress, with the completion", async (t) => {
    const { queue, bench, store } = await shop(t);
    const other = bench.queue("other");
    const progress: unknown[] = [];
    let ids: string[] = [];
    const worker = bench.worker(async (job) => {
      await job.transaction(async (tx) => {
        const [first] = await other.addBulk([{ name: "a", data: { n: 1 } }], { tx });
        const flow = store.flow();
        const child = flow.add("child", "other");
        const parent = flow.add("parent", "other", {}, { after: [child] });
        await flow.enqueue({ tx });
        const tree = store.flow();
        const node = tree.addTree({ name: "top", children: [{ name: "low" }] }, "other");
        await tree.enqueue({ tx });
        await tx.updateProgress(50);
        await tx.updateProgress({ done: 2 });
        ids = [first!.id, child.id, parent.id, node.job.id];
      });
      progress.push((await queue.getJob(job.id))?.progress);
      if (job.name === "bad") throw new Error("bad");
      return "done";
    });
    worker.on("progress", (_, value) => progress.push(value));
    const bad = await new Promise((resolve, reject) => {
      worker.once("failed", resolve);
      queue.add("bad", {}).catch(reject);
    });
    assert.ok(bad);
    assert.equal(await other.count(), 0);
    const completed = new Promise<{ id: string }>((resolve) => worker.once("completed", resolve));
    const { id } = await queue.add("good", {});
    await completed;
    assert.deepEqual((await queue.getJob(id))?.progress, { done: 2 });
    assert.deepEqual(progress, [0, 0, { done: 2 }]);
    assert.deepEqual(await other.getJobCounts("waiting", "waiting-children"), {
      waiting: 3,
      "waiting-children": 2,
    });
    assert.equal(new Set(ids).size, 4);
    for (const [i, name] of ["a", "child", "parent", "top"].entries())
      assert.equal((await other.getJob(ids[i] as string))?.name, name);
    const parent = await other.getJob(ids[2] as string);
    assert.deepEqual(
      (await parent!.dependencies()).dependencies.map((each) => each.id),
      [ids[1]],
    );
  });

  it("refuses nested ones, and what comes too late", async (t) => {
    const { queue, bench } = await shop(t);
    const seen: unknown[] = [];
    const code = (error: unknown): void => void seen.push((error as { code: string }).code);
    const worker = bench.worker(async (job) => {
      let late: JobTransaction | undefined;
      await job.transaction(async (tx) => {
        late = tx;
        await job.transaction(() => undefined).catch(code);
        await tx.updateProgress(1n as never).catch(code);
      });
      await queue.add("x", {}, { tx: late as JobTransaction }).catch(code);
      return "done";
    });
    const completed = once(worker, "completed");
    await queue.add("order", {});
    await completed;
    assert.deepEqual(seen, ["wrong_state", "invalid_argument", "closed"]);
    assert.equal(await queue.count(), 0);
  });

  it("fails a job that leaves one open", async (t) => {
    const { queue, bench } = await shop(t);
    const worker = bench.worker((job) => {
      void job.transaction(() => new Promise(() => undefined));
      return Promise.resolve();
    });
    const failed = once(worker, "failed");
    await queue.add("order", {});
    const [, error] = (await failed) as [unknown, Error];
    assert.match(String(error), /has left a transaction open/);
  });
});
