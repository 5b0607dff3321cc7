// Store: an open store as a whole, for administration. Queues and workers open theirs by themselves.
import {
  checkBoolean,
  checkInteger,
  checkKnownOptions,
  checkName,
  checkObject,
  checkString,
  show,
} from "./check.js";
import { type Connection, closedError, connect } from "./connection.js";
import { type EncryptionOptions, packEncryption } from "./encryption.js";
import { Flow } from "./flow.js";
import { keepNumbers } from "./job-options.js";
import { mark } from "./kinds.js";
import { Limits } from "./limits.js";
import type { NativeStoreOptions } from "./native.cjs";
import { isInternalQueue } from "./queue-names.js";
import { Schedules } from "./schedules.js";
import { CANCEL_RESULTS, nativeState } from "./states.js";
import { type Transaction, type TransactionOptions, runTransaction } from "./transaction.js";
import type { CancelResult, KeepJobs } from "./types.js";
import { type TaskCounters, readCounters } from "./wire-model.js";
import { type QueueCounts, type WorkerInfo, readCounts, readWorker } from "./wire-reports.js";
import { Reader } from "./wire.js";

/** Settings of the whole store. In one process all who open it must agree on those that they name. */
export interface StoreOptions {
  /** false: refused if there is no such file. Default true. */
  create?: boolean;
  /** Of data, of a result, of an error. Default 16 MiB. */
  maxPayloadBytes?: number;
  /** Milliseconds that a write waits for programs that are not Millrace. Default 10,000. */
  busyTimeout?: number;
  /** Default 16 MiB. */
  walLimitBytes?: number;
  /** Newest events kept per queue. Default 100,000. */
  keepEvents?: number;
  /** Default rule of queues. Default: a day. */
  removeOnComplete?: boolean | number | KeepJobs;
  /** Default rule of queues. Default: kept. */
  removeOnFail?: boolean | number | KeepJobs;
  /** Keys for payloads: data, results, progress, checkpoints, errors and log lines. Default: none, all is plain. */
  encryption?: EncryptionOptions;
}

/** A page of jobs that have failed for good, and how many there are. */
export interface DeadLetters {
  jobs: Record<string, unknown>[];
  total: number;
}

/** What `store.doctor()` found, check by check. */
export interface DoctorReport {
  ok: boolean;
  /** `repaired`: what was done, where something could be mended. */
  checks: { name: string; ok: boolean; detail: string; repaired?: string }[];
  versions: Record<string, string>;
}

const KNOWN = new Set([
  ...["create", "maxPayloadBytes", "busyTimeout", "walLimitBytes", "keepEvents"],
  ...["removeOnComplete", "removeOnFail", "encryption"],
]);

function nativeOptions(options: StoreOptions): NativeStoreOptions {
  const what = "openStore";
  checkObject(`${what}: options`, options);
  checkKnownOptions(what, options, KNOWN);
  const out: NativeStoreOptions = {};
  if (options.create !== undefined) {
    checkBoolean(`${what}: create`, options.create);
    out.create = options.create;
  }
  for (const name of ["maxPayloadBytes", "busyTimeout", "walLimitBytes", "keepEvents"] as const) {
    const value = options[name];
    if (value === undefined) continue;
    checkInteger(`${what}: ${name}`, value, 0, Number.MAX_SAFE_INTEGER);
    out[name] = value;
  }
  for (const [name, native] of [
    ["removeOnComplete", "keepCompleted"],
    ["removeOnFail", "keepFailed"],
  ] as const) {
    const value = options[name];
    if (value === undefined) continue;
    const [ageMs, count] = keepNumbers(`${what}: ${name}`, value);
    out[native] = { ageMs, count };
  }
  if (options.encryption !== undefined) {
    out.encryption = packEncryption(`${what}: encryption`, options.encryption);
  }
  return out;
}

/** Opens or creates a store; default path: the environment variable MILLRACE_STORE. */
export async function openStore(path?: string, options: StoreOptions = {}): Promise<Store> {
  const connection = connect("openStore", path, nativeOptions(options));
  try {
    await connection.ready;
  } catch (error) {
    await connection.release();
    throw error;
  }
  return new Store(connection);
}

/** From openStore(). May be given as the option `store` of a Queue, Worker or QueueEvents. */
export class Store {
  static {
    mark(this.prototype, "store");
  }
  /** @internal */
  readonly connection: Connection;
  /** @internal As a queue's: of what flow() adds. */
  readonly durability = -1;
  /** How fast and how many jobs run. */
  readonly limits: Limits;
  /** Jobs that are added again and again. */
  readonly schedules: Schedules;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(connection: Connection) {
    this.connection = connection;
    this.limits = new Limits(() => this.#open());
    this.schedules = new Schedules(() => this.#open());
  }

  get path(): string {
    return this.connection.path;
  }

  #open(): Connection {
    if (this.#closing !== undefined) throw closedError(`Store ${show(this.path)}`);
    return this.connection;
  }

  async #report(
    what: "inspect" | "job" | "dead" | "doctor" | "stats",
    first = "",
    second = "",
    limit = 0,
  ): Promise<unknown> {
    return JSON.parse(
      await this.#open().call((engine) => engine.adminJson(what, first, second, limit)),
    );
  }

  /** The store, its queues with their counts, and the workers. */
  async inspect(): Promise<Record<string, unknown>> {
    return (await this.#report("inspect")) as Record<string, unknown>;
  }

  /** One job in full. Code "not_found". `queue` decides if two queues use one id. */
  async job(id: string, queue = ""): Promise<Record<string, unknown>> {
    checkString("store.job: id", id);
    checkString("store.job: queue", queue);
    return (await this.#report("job", id, queue)) as Record<string, unknown>;
  }

  /** The failed jobs of a queue, or of all. */
  async deadLetters(
    filter: { queue?: string; name?: string; limit?: number } = {},
  ): Promise<DeadLetters> {
    const { queue = "", name = "", limit = 100 } = filter;
    checkKnownOptions("store.deadLetters", filter, new Set(["queue", "name", "limit"]));
    checkString("store.deadLetters: queue", queue);
    checkString("store.deadLetters: name", name);
    checkInteger("store.deadLetters: limit", limit, 1, 10_000);
    return (await this.#report("dead", queue, name, limit)) as DeadLetters;
  }

  /** Checks the file, its locks and its invariants. With `repair` what can be mended is, in small commits. */
  async doctor(options: { repair?: boolean } = {}): Promise<DoctorReport> {
    checkObject("store.doctor: options", options);
    checkKnownOptions("store.doctor", options, new Set(["repair"]));
    const repair = options.repair ?? false;
    checkBoolean("store.doctor: repair", repair);
    return (await this.#report("doctor", "", "", repair ? 1 : 0)) as DoctorReport;
  }

  /** What happened to the jobs of each task since the store was made, of one queue or of all. */
  async counters(queue = ""): Promise<TaskCounters[]> {
    checkString("store.counters: queue", queue);
    const packed = await this.#open().call((engine) => engine.counters(queue));
    return new Reader(packed).list(readCounters);
  }

  /** An empty flow: jobs that wait for each other, to be added in one commit. */
  flow(): Flow {
    this.#open();
    return new Flow(this);
  }

  /**
   * Jobs and tables of your own (`app_...`) in the store's file in one commit. From its first call nobody else writes
   * until `work` has ended, or until `timeout` (milliseconds, 5,000 by default, at most 60,000) has passed and it is
   * rolled back: await nothing slow in it. An exception rolls back.
   */
  transaction<T>(
    work: (tx: Transaction) => Promise<T> | T,
    options: TransactionOptions = {},
  ): Promise<T> {
    return runTransaction(this.#open(), work, options);
  }

  /** Figures of this process's engine. */
  async stats(): Promise<Record<string, number>> {
    return (await this.#report("stats")) as Record<string, number>;
  }

  /** Writes a consistent copy while the store is in use. The destination must not exist. */
  async backup(destination: string): Promise<{ bytes: number; pages: number }> {
    checkString("store.backup: destination", destination);
    const reader = new Reader(await this.#open().call((engine) => engine.backup(destination)));
    return { bytes: reader.number(), pages: reader.number() };
  }

  async queues(): Promise<QueueCounts[]> {
    const reader = new Reader(await this.#open().call((engine) => engine.listQueues()));
    return reader.list(readCounts).filter((each) => !isInternalQueue(each.queue));
  }

  async workers(): Promise<WorkerInfo[]> {
    const reader = new Reader(await this.#open().call((engine) => engine.listWorkers()));
    return reader.list(readWorker).filter((each) => !each.queues.every(isInternalQueue));
  }

  async cancel(
    id: string,
    options: { queue?: string; reason?: string } = {},
  ): Promise<CancelResult> {
    const { queue = "", reason = "" } = options;
    checkString("store.cancel: id", id);
    checkString("store.cancel: queue", queue);
    checkString("store.cancel: reason", reason);
    const result = await this.#open().call((engine) => engine.cancel(id, queue, reason, -1));
    return CANCEL_RESULTS[result] as CancelResult;
  }

  async pause(queue: string): Promise<void> {
    checkName("store.pause: queue", queue);
    await this.#open().call((engine) => engine.setPaused(queue, true, -1));
  }

  async resume(queue: string): Promise<void> {
    checkName("store.resume: queue", queue);
    await this.#open().call((engine) => engine.setPaused(queue, false, -1));
  }

  /** Runs one dead letter again. */
  async retry(id: string, queue = ""): Promise<void> {
    checkString("store.retry: id", id);
    checkString("store.retry: queue", queue);
    await this.#open().call((engine) => engine.changeJob("redrive", id, queue, -1));
  }

  /** Deletes one job. */
  async remove(id: string, queue = ""): Promise<void> {
    checkString("store.remove: id", id);
    checkString("store.remove: queue", queue);
    await this.#open().call((engine) => engine.changeJob("remove", id, queue, -1));
  }

  /** Runs the dead letters of a queue again, of one name if given. Answers how many. */
  async retryDead(queue: string, name = ""): Promise<number> {
    return this.#changeDead("redrive", queue, name);
  }

  /** Deletes the dead letters of a queue, of one name if given. Answers how many. */
  async removeDead(queue: string, name = ""): Promise<number> {
    return this.#changeDead("remove", queue, name);
  }

  async #changeDead(action: "redrive" | "remove", queue: string, name: string): Promise<number> {
    checkName("store: queue", queue);
    checkString("store: name", name);
    return this.#open().call((engine) =>
      engine.changeMany(action, queue, nativeState("failed"), name, 0, 0, -1),
    );
  }

  /** Removes the waiting jobs of a queue, and the delayed ones too if asked. Answers how many. */
  async purge(queue: string, options: { delayed?: boolean } = {}): Promise<number> {
    checkName("store.purge: queue", queue);
    const delayed = options.delayed ?? false;
    checkBoolean("store.purge: delayed", delayed);
    return this.#open().call((engine) => engine.drain(queue, delayed, -1));
  }

  /** Idempotent. The file is closed when nothing in this process uses it any more. */
  close(): Promise<void> {
    this.#closing ??= this.connection.release();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
