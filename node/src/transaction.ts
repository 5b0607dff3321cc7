// Transactions: jobs and tables of the user's own in the store's file, in one commit.
import { checkInteger, checkKnownOptions, checkObject, checkString, show } from "./check.js";
import type { Connection } from "./connection.js";
import { type AddedJob, type Batch, ackFlag, pack } from "./enqueuer.js";
import { MillraceError, invalidArgument, nativeCall } from "./errors.js";
import { newId } from "./hub.js";
import { checkDurability, durabilityNumber } from "./job-options.js";
import { type JobSink, checkStore, refuseInside, runInside } from "./job-sink.js";
import type { NativeTransaction, SqlValue } from "./native.cjs";
import type { Durability } from "./types.js";
import { readAdded } from "./wire-reports.js";
import { Reader } from "./wire.js";

export type { SqlValue } from "./native.cjs";

/** Options of `store.transaction()`. */
export interface TransactionOptions {
  /** Milliseconds that it may be open; 1 to 60,000, default 5,000. */
  timeout?: number;
  /** What the commit promises; default: the store's. */
  durability?: Durability;
}

/** What a statement answered. */
export interface SqlResult {
  /** Objects by the columns' names. Integers beyond 2 ** 53 are BigInts, blobs Buffers. */
  rows: Record<string, string | number | bigint | Buffer | null>[];
  columns: string[];
  /** Rows that the statement inserted, changed or deleted. */
  changes: number;
  /** Of the statement's last insert; 0 without one. */
  lastInsertRowid: number;
}

/** Given to the function that store.transaction() runs. */
export class Transaction implements JobSink {
  readonly #connection: Connection;
  readonly #native: NativeTransaction;
  #ended = false;
  #last: Promise<unknown> = Promise.resolve();

  /** @internal */
  constructor(connection: Connection, native: NativeTransaction) {
    this.#connection = connection;
    this.#native = native;
  }

  /** @internal */
  get open(): boolean {
    return !this.#ended;
  }

  /** @internal */
  isOf(connection: Connection): boolean {
    return this.#connection.path === connection.path;
  }

  /**
   * Runs one statement with `?` for each parameter. Tables (and indexes, views, triggers) have names that begin with
   * `app_`; what touches anything else is refused (`permission_denied`). A statement that fails changes nothing, and
   * the transaction goes on.
   */
  async execute(sql: string, parameters: SqlValue[] = []): Promise<SqlResult> {
    checkString("tx.execute: sql", sql);
    if (!Array.isArray(parameters)) {
      throw invalidArgument(`tx.execute: parameters must be an array, not ${show(parameters)}`);
    }
    const answer = await this.#call((native) => native.execute(sql, parameters));
    const { columns } = answer;
    const rows = answer.rows.map((row) =>
      Object.fromEntries(row.map((value, i) => [columns[i] as string, value])),
    );
    return { ...answer, rows };
  }

  /** Ends it without a trace, before the function has returned. */
  async rollback(): Promise<void> {
    await this.#end((native) => native.rollback());
  }

  /** @internal */
  newJobId(): undefined {
    return undefined;
  }

  /** @internal */
  async addBatch(
    connection: Connection,
    batch: Pick<Batch, "jobs" | "sets" | "text">,
  ): Promise<void> {
    checkStore(this.#connection, connection);
    const { numbers, text } = pack([batch], newId());
    const packed = await this.#call((native) => native.enqueue(numbers, text));
    const acks = new Reader(packed).list(readAdded);
    batch.jobs.forEach((job: AddedJob, i) => {
      const { id, replacedId, state, existing, durability } = acks[i] as (typeof acks)[number];
      const replaced = replacedId !== "";
      const flag = ackFlag(state, existing, replaced, durability);
      job.added(replaced ? `${id}\u0001${replacedId}` : id, flag);
    });
  }

  /** @internal */
  async commit(): Promise<void> {
    await this.#end((native) => native.commit());
  }

  #call<T>(action: (native: NativeTransaction) => Promise<T>): Promise<T> {
    if (this.#ended) {
      return Promise.reject(new MillraceError("closed", "the transaction has ended"));
    }
    // One after the other, in the order of the calls, however they are awaited.
    const next = this.#last.then(() => nativeCall(action(this.#native)));
    this.#last = next.catch(() => undefined);
    return next;
  }

  async #end(action: (native: NativeTransaction) => Promise<void>): Promise<void> {
    const ending = this.#call(action);
    this.#ended = true;
    await ending;
  }
}

/** store.transaction() */
export async function runTransaction<T>(
  connection: Connection,
  work: (tx: Transaction) => Promise<T> | T,
  options: TransactionOptions,
): Promise<T> {
  const what = "store.transaction";
  if (typeof work !== "function") {
    throw invalidArgument(`${what}: work must be a function, not ${show(work)}`);
  }
  checkObject(`${what}: options`, options);
  checkKnownOptions(what, options, new Set(["timeout", "durability"]));
  const timeout = options.timeout ?? 5_000;
  checkInteger(`${what}: timeout`, timeout, 1, 60_000);
  checkDurability(`${what}: durability`, options.durability);
  refuseInside(connection);
  const engine = connection.engine ?? (await connection.ready);
  const durability = options.durability === undefined ? -1 : durabilityNumber(options.durability);
  const native = await nativeCall(
    new Promise<NativeTransaction>((resolve) => resolve(engine.begin(timeout, durability))),
  );
  const tx = new Transaction(connection, native);
  let result: T;
  try {
    result = await runInside(tx, async () => work(tx));
  } catch (error) {
    if (tx.open) await tx.rollback().catch(() => undefined); // the first error tells more
    throw error;
  }
  if (tx.open) await tx.commit();
  return result;
}
