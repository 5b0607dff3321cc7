import assert from "node:assert/strict";
import { join, dirname } from "node:path";
import { type TestContext, describe, it } from "node:test";

import { type JobsOptions, Outbox, Queue, type Store, openStore } from "millrace";

import { PipedSqlite } from "./sqlite-handle.js";
import { Bench, onEnd } from "./support.js";

const STEPS = ["begin", "enqueue", "mark", "commit mark", "release", "delete", "commit delete"];

class Killed extends Error {}

/** A store, and another database with the outbox in it. */
class Shop {
  readonly bench: Bench;
  readonly queue: Queue;
  readonly path: string;

  private constructor(
    t: TestContext,
    readonly store: Store,
    bench: Bench,
  ) {
    this.bench = bench;
    this.queue = bench.queue();
    this.path = join(dirname(bench.store), "other.db");
    onEnd(t, () => this.db?.close());
  }
  db: PipedSqlite | undefined;

  static async open(t: TestContext): Promise<Shop> {
    const bench = new Bench(t);
    const shop = new Shop(t, bench.add(await openStore(bench.store)), bench);
    shop.db = shop.connect();
    shop.db.exec("CREATE TABLE orders (item TEXT)");
    await new Outbox(shop.store).createTable(shop.db);
    return shop;
  }

  readonly connect = (): PipedSqlite => new PipedSqlite(this.path);

  order(...items: string[]): string[] {
    const db = this.db as PipedSqlite;
    const outbox = new Outbox(this.store);
    db.exec("BEGIN");
    const ids = items.map((item) => {
      db.prepare("INSERT INTO orders VALUES (?)").run(item);
      return outbox.add(db, this.queue, "ship", { item }).id;
    });
    db.exec("COMMIT");
    return ids;
  }

  rows(): unknown[] {
    return (this.db as PipedSqlite).prepare("SELECT state, error FROM millrace_outbox").all();
  }

  async items(): Promise<string[]> {
    const jobs = await this.queue.getJobs(["waiting"], 0, -1, true);
    return jobs.map((job) => (job.data as { item: string }).item);
  }
}

describe("Outbox", () => {
  it("moves rows in their order", async (t) => {
    const shop = await Shop.open(t);
    const ids = [...shop.order("a", "b"), ...shop.order("c")];
    const db = shop.db as PipedSqlite;
    db.exec("BEGIN");
    new Outbox(shop.store).add(db, "q", "ship", { item: "never" });
    db.exec("ROLLBACK");
    assert.deepEqual(await shop.items(), []);
    assert.equal(await new Outbox(shop.store).relay(shop.connect), 3);
    assert.deepEqual(await shop.items(), ["a", "b", "c"]);
    for (const id of ids) assert.equal((await shop.queue.getJob(id))?.id, id);
    assert.deepEqual(shop.rows(), []);
    assert.equal(await new Outbox(shop.store).relay(shop.connect), 0);
  });

  for (const step of STEPS) {
    it(`moves each row once when a relay dies before: ${step}`, async (t) => {
      const shop = await Shop.open(t);
      const ids = shop.order("a", "b");
      const dying = new Outbox(shop.store, {
        onStep: (reached) => {
          if (reached === step) throw new Killed();
        },
      });
      await assert.rejects(dying.relay(shop.connect), Killed);
      const before = (await shop.items()).length;
      await shop.queue.drain(); // they have been worked off and forgotten meanwhile
      await new Outbox(shop.store, { batch: 1 }).relay(shop.connect);
      assert.equal(before + (await shop.items()).length, 2);
      assert.deepEqual(shop.rows(), []);
      for (const id of ids) {
        // The key is free again: a job under it is added.
        const key = `outbox/default/${id}`;
        const deduplication = { id: key };
        const job = await shop.queue.add("again", { item: "x" }, { deduplication });
        assert.equal(job.existing, false);
      }
    });
  }

  it("keeps options", async (t) => {
    const shop = await Shop.open(t);
    const db = shop.db as PipedSqlite;
    const expires = new Date("2100-01-01T00:00:00Z");
    const opts: JobsOptions = {
      ...{ jobId: "mine", priority: 7, attempts: 4, backoff: { type: "exponential", delay: 9 } },
      ...{
        headers: { a: "b" },
        group: { id: "g" },
        timeLimit: 900,
        removeOnFail: 5,
        lifo: true,
        expires,
      },
    };
    new Outbox(shop.store).add(db, "q", "ship", { item: "ü" }, opts);
    new Outbox(shop.store).add(db, "q", "ship", {}, { delay: 60_000, jobId: "later" });
    await new Outbox(shop.store).relay(shop.connect);
    const job = await shop.queue.getJob("mine");
    assert.deepEqual(job?.data, { item: "ü" });
    const kept = job?.opts as Record<string, unknown>;
    for (const [name, value] of Object.entries(opts)) assert.deepEqual(kept[name], value, name);
    assert.equal(await (await shop.queue.getJob("later"))?.getState(), "delayed");
  });

  it("keeps no other waiting for a row that is no job", async (t) => {
    const shop = await Shop.open(t);
    const db = shop.db as PipedSqlite;
    const insert = db.prepare(
      "INSERT INTO millrace_outbox (id, added_at_ns, state, job) VALUES (?, ?, 'new', ?)",
    );
    insert.run("x", 1, "no JSON");
    insert.run("y", 2, JSON.stringify({ queue: "q\n", name: "n", data: "1" }));
    shop.order("a");
    assert.equal(await new Outbox(shop.store).relay(shop.connect), 1);
    assert.deepEqual(await shop.items(), ["a"]);
    const rows = shop.rows() as { state: string; error: string }[];
    assert.deepEqual(
      rows.map(({ state }) => state),
      ["refused", "refused"],
    );
    assert.match(rows[1]?.error ?? "", /queue/);
  });

  it("refuses what it cannot keep", async (t) => {
    const shop = await Shop.open(t);
    const db = shop.db as PipedSqlite;
    const outbox = new Outbox(shop.store);
    const invalid = { code: "invalid_argument" };
    assert.throws(() => outbox.add(db, "q", "n", {}, { after: [{ job: { id: "x" } }] }), invalid);
    assert.throws(() => outbox.add(db, "q", "n", {}, { deduplication: { id: "k" } }), invalid);
    assert.throws(() => outbox.add(5 as unknown as PipedSqlite, "q", "n"), invalid);
    assert.throws(() => new Outbox(shop.store, { source: "a/b" }), invalid);
    assert.throws(() => new Outbox(shop.store, { table: "a; b" }), invalid);
    assert.throws(() => new Outbox(shop.store, { batch: 0 }), invalid);
    await assert.rejects(outbox.run(shop.connect, { interval: 0 }), invalid);
  });

  it("runs until it is told to stop, whatever goes wrong", async (t) => {
    const shop = await Shop.open(t);
    shop.order("a");
    const stop = new AbortController();
    const errors: unknown[] = [];
    let calls = 0;
    const connect = (): PipedSqlite => {
      if (++calls === 1) throw new Error("away");
      if (calls === 3) stop.abort();
      return shop.connect();
    };
    const onError = (error: unknown): number => errors.push(error);
    await new Outbox(shop.store).run(connect, { interval: 1, signal: stop.signal, onError });
    assert.equal(errors.length, 1);
    assert.deepEqual(await shop.items(), ["a"]);
  });
});
