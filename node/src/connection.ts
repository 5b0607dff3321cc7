// The open stores of this environment: everything that names the same file shares one.
import { resolve } from "node:path";

import { checkString, show } from "./check.js";
import { Enqueuer } from "./enqueuer.js";
import { MillraceError, invalidArgument, nativeCall, toMillraceError } from "./errors.js";
import { openEngine } from "./hub.js";
import type { JobRunner } from "./job-runner.js";
import { isOfKind } from "./kinds.js";
import type { NativeEngine, NativeStoreOptions } from "./native.cjs";

const MEMORY = ":memory:";
const open = new Map<string, Connection>();

/** A worker, as others of its process need it. */
export interface Lessor {
  /** The fencing token of a job that it runs, or 0. */
  leaseOf: (id: string, queue: string) => number;
  runner: JobRunner;
}

/** One open store with its users. Queues, workers and readers hold it from their construction to their close(). */
export class Connection {
  readonly enqueuer = new Enqueuer();
  /** Rejects if the store cannot be opened. */
  readonly ready: Promise<NativeEngine>;
  #engine: NativeEngine | undefined;
  #users = 0;
  #closed: Promise<void> | undefined;
  #underWay = 0;
  #onRest: (() => void) | undefined;
  readonly #lessees = new Set<Lessor>();

  constructor(
    readonly path: string,
    options: NativeStoreOptions,
  ) {
    this.ready = openEngine(path, options).then(
      (engine) => {
        this.#engine = engine;
        this.enqueuer.open(engine);
        return engine;
      },
      (error: unknown) => {
        if (open.get(path) === this) open.delete(path); // the next one who asks tries again
        const reason = toMillraceError(error);
        this.enqueuer.fail(reason);
        throw reason;
      },
    );
    this.ready.catch(() => undefined); // whoever uses the store hears of it
  }

  /** The engine, if it is open already. */
  get engine(): NativeEngine | undefined {
    return this.#engine;
  }

  use(): this {
    this.#users++;
    return this;
  }

  /** Calls the engine, or what it has opened, when it is open; failures are MillraceErrors. */
  async call<T>(action: (engine: NativeEngine) => Promise<T>): Promise<T> {
    const engine = this.#engine ?? (await this.ready);
    this.#underWay++;
    try {
      return await action(engine);
    } catch (error) {
      throw toMillraceError(error);
    } finally {
      if (--this.#underWay === 0) this.#onRest?.();
    }
  }

  /** The fencing token of a job that a worker of this connection runs, and that gets a child; 0: none runs it. */
  leaseOf(id: string, queue: string): number {
    const holder = this.holderOf(id, queue);
    holder?.runner.adopts(holder.lease);
    return holder?.lease ?? 0;
  }

  /** The worker of this connection that runs a job. */
  holderOf(id: string, queue: string): { lease: number; runner: JobRunner } | undefined {
    for (const { leaseOf, runner } of this.#lessees) {
      const lease = leaseOf(id, queue);
      if (lease !== 0) return { lease, runner };
    }
    return undefined;
  }

  /** A worker that answers for its jobs. Answers how to stop. */
  addLessee(lessee: Lessor): () => void {
    this.#lessees.add(lessee);
    return () => this.#lessees.delete(lessee);
  }

  /** Ends one use(). The last one closes the store when all adds and calls were answered. */
  async release(): Promise<void> {
    if (--this.#users > 0) return;
    if (open.get(this.path) === this) open.delete(this.path);
    this.#closed ??= this.#close();
    await this.#closed;
  }

  async #close(): Promise<void> {
    await this.enqueuer.idle();
    let engine: NativeEngine;
    try {
      engine = await this.ready;
    } catch {
      return; // never opened: its users were told
    }
    // Each call has a share in the open file: it would be closed some time after the last of them.
    while (this.#underWay > 0) await new Promise<void>((resolve) => (this.#onRest = resolve));
    await nativeCall(engine.close());
  }
}

function storeKey(what: string, path: string): string {
  if (path === MEMORY) return path;
  const url = /^sqlite:\/\/\/(.*)$/s.exec(path);
  if (url !== null) return storeKey(what, url[1] as string);
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(path)) {
    throw invalidArgument(
      `${what}: store must be a path, "sqlite:///path" or ":memory:", not ${show(path)}`,
    );
  }
  return resolve(path);
}

/** The path of a Store or Queue of the other copy of this package: the addon has one engine for both. */
function pathOfOtherCopy(store: unknown): string | undefined {
  if (!isOfKind(store, "store") && !isOfKind(store, "queue")) return undefined;
  return (store as { connection: Connection }).connection.path;
}

/** The connection to a store, used once more. `what` begins the messages, such as "new Queue". */
export function connect(
  what: string,
  store: unknown,
  options: NativeStoreOptions = {},
): Connection {
  if (
    typeof store === "object" &&
    store !== null &&
    "connection" in store &&
    store.connection instanceof Connection
  ) {
    return store.connection.use();
  }
  const path = pathOfOtherCopy(store) ?? store ?? process.env["MILLRACE_STORE"];
  if (path === undefined) {
    throw invalidArgument(
      `${what}: no store given. Pass { store: "jobs.db" } or set MILLRACE_STORE`,
    );
  }
  checkString(`${what}: store`, path);
  if (path === "") throw invalidArgument(`${what}: store must not be empty`);
  if (path.includes("\0")) throw invalidArgument(`${what}: store must not contain U+0000`);
  const key = storeKey(what, path);
  let connection = open.get(key);
  if (connection === undefined) {
    connection = new Connection(key, options);
    open.set(key, connection);
  } else if (Object.values(options).some((value) => value !== undefined)) {
    // The addon knows the options in force, and refuses others.
    return new Connection(key, options).use();
  }
  return connection.use();
}

/** What every class answers whose close() was called. */
export function closedError(what: string): MillraceError {
  return new MillraceError("closed", `${what} was closed`);
}
