// The outbox: jobs that belong to a transaction of another database, the user's own SQLite file or PostgreSQL.
import { setTimeout as sleep } from "node:timers/promises";

import {
  checkDuration,
  checkInteger,
  checkKnownOptions,
  checkName,
  checkObject,
  show,
} from "./check.js";
import type { Connection } from "./connection.js";
import { MillraceError, hasCode, invalidArgument } from "./errors.js";
import type { OptionSet } from "./job-options.js";
import { decodeRow, encodeRow } from "./outbox-row.js";
import {
  type OutboxDatabase,
  type PostgresClient,
  type SqliteHandle,
  type Statements,
  checkDatabase,
  close,
  isSqlite,
  run,
  statements,
} from "./outbox-sql.js";
import type { Store } from "./store.js";
import type { JobsOptions } from "./types.js";

export type { OutboxDatabase, PostgresClient, SqliteHandle } from "./outbox-sql.js";

/** Options of an outbox. */
export interface OutboxOptions {
  /** Names the other database; two that feed one store need two names. Default "default". */
  source?: string;
  /** Its table. Default "millrace_outbox". */
  table?: string;
  /** Rows that are moved in one commit; 1 to 10,000, default 100. */
  batch?: number;
  /** For tests: called with a name before each step of the relay. */
  onStep?: (step: string) => void;
}

/** What a row will be: the id is final. */
export interface OutboxJob {
  id: string;
  queueName: string;
}

interface Row {
  id: string;
  job: string;
}

interface Decoded extends Row {
  queue: string;
  set: OptionSet;
  text: string;
}

/**
 * Writes jobs into a table of your database, in your transaction, and moves each row into the queue exactly once,
 * whatever dies when.
 *
 *     const outbox = new Outbox(store);
 *     await client.query("BEGIN");
 *     await client.query(...);                                  // your own rows
 *     await outbox.add(client, "mail", "welcome", { to });      // and a job, or neither
 *     await client.query("COMMIT");
 *     await outbox.run(() => pool.connect(), { interval: 500 }); // in one process or in several
 */
export class Outbox {
  readonly source: string;
  readonly #connection: () => Connection;
  readonly #table: string;
  readonly #batch: number;
  readonly #step: (step: string) => void;
  #lastNs = 0n;

  constructor(store: Store, options: OutboxOptions = {}) {
    const what = "new Outbox";
    const { source = "default", table = "millrace_outbox", batch = 100, onStep } = options;
    checkObject(`${what}: options`, options);
    checkKnownOptions(what, options, new Set(["source", "table", "batch", "onStep"]));
    this.source = source;
    checkName(`${what}: source`, this.source);
    if (this.source.includes("/") || Buffer.byteLength(this.source) > 100) {
      throw invalidArgument(
        `${what}: source must have at most 100 bytes and no slash, not ${show(this.source)}`,
      );
    }
    this.#table = table;
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(this.#table)) {
      throw invalidArgument(
        `${what}: table must be letters, digits and _, not ${show(this.#table)}`,
      );
    }
    this.#batch = batch;
    checkInteger(`${what}: batch`, this.#batch, 1, 10_000);
    this.#step = onStep ?? ((): void => undefined);
    this.#connection = () => store.connection;
  }

  /** Creates the table if it is missing. Does not commit. */
  async createTable(db: OutboxDatabase): Promise<void> {
    checkDatabase("outbox.createTable: db", db);
    await run(db, this.#statements(db).create);
  }

  /**
   * Writes a job as part of the database's open transaction. On SQLite it has happened when this returns; on PostgreSQL
   * await it.
   */
  add(
    db: SqliteHandle,
    queue: string | { readonly name: string },
    name: string,
    data?: unknown,
    opts?: JobsOptions,
  ): OutboxJob;
  add(
    db: PostgresClient,
    queue: string | { readonly name: string },
    name: string,
    data?: unknown,
    opts?: JobsOptions,
  ): Promise<OutboxJob>;
  add(
    db: OutboxDatabase,
    queue: string | { readonly name: string },
    name: string,
    data?: unknown,
    opts: JobsOptions = {},
  ): OutboxJob | Promise<OutboxJob> {
    const { jobId } = opts;
    checkDatabase("outbox.add: db", db);
    checkObject("outbox.add: options", opts);
    const queueName = typeof queue === "string" ? queue : queue.name;
    checkName("outbox.add: queue", queueName);
    checkName("outbox.add: name", name);
    const { engine } = this.#connection();
    if (engine === undefined) throw new MillraceError("closed", "the store was closed");
    const job = encodeRow(queueName, name, data, opts, engine.now());
    const id = jobId ?? engine.newId();
    const added = { id, queueName };
    const done = run(db, this.#statements(db).insert, [id, this.#nextNs(), job]);
    return done instanceof Promise ? done.then(() => added) : added;
  }

  /**
   * Moves what is there into the queue; answers how many jobs. Any number of processes may do it at once. A row that is
   * no job stays with its error in the column `error`, and keeps no other waiting.
   *
   * `connect` opens a connection of the relay's own: it is closed (or given back to its pool) at the end.
   */
  async relay(connect: () => OutboxDatabase | Promise<OutboxDatabase>): Promise<number> {
    const db = await connect();
    checkDatabase("outbox.relay: what connect answers", db);
    try {
      let moved = 0;
      for (;;) {
        const { count, more } = await this.#pass(db);
        moved += count;
        if (!more) return moved;
      }
    } finally {
      await close(db);
    }
  }

  /**
   * Relays again and again until the signal fires. Your database cannot wake us: it is asked every `interval`
   * milliseconds. An error goes to `onError` and does not end it.
   */
  async run(
    connect: () => OutboxDatabase | Promise<OutboxDatabase>,
    options: { interval: number; signal?: AbortSignal; onError?: (error: unknown) => void },
  ): Promise<void> {
    const { interval, signal, onError } = options;
    checkDuration("outbox.run: interval", interval);
    if (interval === 0) throw invalidArgument("outbox.run: interval must be more than 0");
    while (signal?.aborted !== true) {
      try {
        await this.relay(connect);
      } catch (error) {
        onError?.(error);
      }
      await sleep(interval, undefined, signal === undefined ? {} : { signal }).catch(
        () => undefined,
      );
    }
  }

  // Each row takes these steps, and a relay that dies between two of them leaves it to the next one:
  //   enqueued in the store under its key   (again: the key answers, nothing is written)
  //   marked as sent in the other database  (never enqueued again)
  //   its key released
  //   deleted in the other database
  async #pass(db: OutboxDatabase): Promise<{ count: number; more: boolean }> {
    const sql = this.#statements(db);
    this.#step("begin");
    await run(db, sql.begin);
    let rows: Row[];
    let sent: Row[];
    let moved: Row[];
    try {
      rows = (await run(db, sql.unsent)) as Row[];
      sent = (await run(db, sql.sent)) as Row[];
      this.#step("enqueue");
      const refused: { id: string; error: string }[] = [];
      moved = await this.#enqueue(rows, refused);
      this.#step("mark");
      for (const { id, error } of refused) await run(db, sql.refuse, [error, id]);
      for (const { id } of moved) await run(db, sql.mark, [id]);
      this.#step("commit mark");
      await run(db, "COMMIT");
    } catch (error) {
      try {
        await run(db, "ROLLBACK");
      } catch {
        // The connection is gone: it will have rolled back.
      }
      throw error;
    }
    this.#step("release");
    const done = [...sent, ...moved];
    for (const { id, job } of done) {
      const { queue } = JSON.parse(job) as { queue: string };
      await this.#connection().call((engine) => engine.releaseDedup(queue, this.#key(id), -1));
    }
    this.#step("delete");
    if (done.length > 0) await this.#delete(db, sql, done);
    this.#step("end");
    return { count: moved.length, more: Math.max(rows.length, sent.length) === this.#batch };
  }

  async #delete(db: OutboxDatabase, sql: Statements, done: Row[]): Promise<void> {
    await run(db, sql.begin);
    for (const { id } of done) await run(db, sql.remove, [id]);
    this.#step("commit delete");
    await run(db, "COMMIT");
  }

  async #enqueue(rows: Row[], refused: { id: string; error: string }[]): Promise<Row[]> {
    const good: Decoded[] = [];
    for (const { id, job } of rows) {
      try {
        good.push({ id, job, ...decodeRow(id, job, this.#key(id)) });
      } catch (error) {
        refused.push({ id, error: String(error) });
      }
    }
    if (good.length === 0) return [];
    try {
      await this.#send(good);
      return good;
    } catch (error) {
      if (!hasCode(error, "invalid_argument") && !hasCode(error, "too_large")) throw error;
      const [first] = good;
      if (good.length === 1 && first !== undefined) {
        refused.push({ id: first.id, error: String(error) });
        return [];
      }
    }
    // One of them is refused: alone, each answers for itself.
    const moved: Row[] = [];
    for (const row of good) moved.push(...(await this.#enqueue([row], refused)));
    return moved;
  }

  #send(rows: Decoded[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#connection().enqueuer.push(
        {
          jobs: rows.map(() => ({ added: () => undefined })),
          sets: rows.map(({ set }) => set),
          text: rows.map(({ text }) => text).join(""),
          resolve,
          reject,
        },
        -1,
      );
    });
  }

  #key(id: string): string {
    return `outbox/${this.source}/${id}`;
  }

  #statements(db: OutboxDatabase): Statements {
    return statements(isSqlite(db), this.#table, this.#batch);
  }

  /** Order of the rows: the time, and within it the order of the calls. */
  #nextNs(): bigint {
    const now = BigInt(Date.now()) * 1_000_000n;
    this.#lastNs = now > this.#lastNs ? now : this.#lastNs + 1n;
    return this.#lastNs;
  }
}
