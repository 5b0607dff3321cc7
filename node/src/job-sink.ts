// What `{ tx }` names: where jobs go that are part of something larger.
import { AsyncLocalStorage } from "node:async_hooks";

import { show } from "./check.js";
import type { Connection } from "./connection.js";
import type { Batch } from "./enqueuer.js";
import { MillraceError, invalidArgument } from "./errors.js";

/** From store.transaction() or job.transaction(). */
export interface JobSink {
  /** @internal An id for a job whose acknowledgement comes too late; undefined: it will have one. */
  newJobId(): string | undefined;
  /** @internal Adds jobs; `connected`: they name each other by their positions. */
  addBatch(
    connection: Connection,
    batch: Pick<Batch, "jobs" | "sets" | "text">,
    connected?: boolean,
  ): Promise<void>;
}

export function checkSink(what: string, value: unknown): asserts value is JobSink {
  if (typeof value !== "object" || value === null || !("addBatch" in value)) {
    throw invalidArgument(
      `${what} must be from store.transaction() or job.transaction(), not ${show(value)}`,
    );
  }
}

/** Jobs of one store do not go into a transaction of another one. */
export function checkStore(own: Connection, other: Connection): void {
  if (own.path === other.path) return;
  throw new MillraceError(
    "invalid_argument",
    `the transaction is of the store ${show(own.path)}, the job for ${show(other.path)}`,
  );
}

/** A transaction that has the store's writer. */
interface OpenTransaction {
  readonly open: boolean;
  isOf(connection: Connection): boolean;
}

const inside = new AsyncLocalStorage<OpenTransaction>();
let running = 0;

/** Runs a function as the inside of a transaction. */
export async function runInside<T>(tx: OpenTransaction, work: () => Promise<T>): Promise<T> {
  running++;
  try {
    return await inside.run(tx, work);
  } finally {
    running--;
  }
}

/** Refuses what would wait for the transaction that the current code is inside. */
export function refuseInside(connection: Connection): void {
  if (running === 0) return;
  const outer = inside.getStore();
  if (outer === undefined || !outer.open || !outer.isOf(connection)) return;
  throw new MillraceError(
    "wrong_state",
    "inside an open transaction this would wait for its end: pass { tx }, or end that first",
  );
}
