// Loads the addon, and says what it offers. CommonJS in both builds, so that one environment has one addon.
import { existsSync } from "node:fs";
import { join } from "node:path";

/** Fields of text, numbers, and what travels apart: see wire.ts. */
export type Packed = [text: string, numbers: Float64Array, apart?: (string | Buffer)[]];

/** News from core threads, all of it at once. Must not throw. */
export type Dispatch = (
  ready: number[],
  requests: number[],
  ids: string,
  flags: string,
  errors: unknown[] | undefined,
  lines: string[] | undefined,
) => void;

export interface NativeStoreOptions {
  create?: boolean;
  maxPayloadBytes?: number;
  busyTimeout?: number;
  walLimitBytes?: number;
  keepEvents?: number;
  keepCompleted?: { ageMs: number; count: number };
  keepFailed?: { ageMs: number; count: number };
  /** `mode`: the core's Sealing. */
  encryption?: { keys: { id: string; secret: Uint8Array }[]; mode: number; require: boolean };
  /** Milliseconds UTC at which the store's clock stands until advance(). */
  manualClock?: number;
}

export interface NativeHub {
  setReferenced(referenced: boolean): void;
  open(path: string, options: NativeStoreOptions): Promise<NativeEngine>;
}

/** A negative durability means the store's. */
export interface NativeEngine {
  readonly path: string;
  now(): number;
  advance(ms: number): void;
  close(): Promise<void>;
  enqueue(request: number, numbers: Float64Array, text: string, durability: number): void;
  openSession(
    source: number,
    queue: string,
    slots: number,
    workerName: string,
    durability: number,
    paused: boolean,
  ): Promise<NativeSession>;
  /** `queue`: one, several, or "" for all of the store. */
  subscribe(
    source: number,
    queue: string | string[],
    after: string,
    jobId: string,
    limit: number,
  ): Promise<NativeSubscription>;

  getJob(id: string, queue: string): Promise<Packed>;
  getOutcome(id: string, queue: string): Promise<Packed>;
  listJobs(
    queue: string,
    state: number,
    name: string,
    offset: number,
    limit: number,
    descending: boolean,
  ): Promise<Packed>;
  counts(queue: string): Promise<Packed>;
  listQueues(): Promise<Packed>;
  listWorkers(): Promise<Packed>;
  getLogs(id: string, queue: string, offset: number, limit: number): Promise<Packed>;
  readEvents(
    queue: string | string[],
    after: string,
    jobId: string,
    limit: number,
  ): Promise<Packed>;
  adminJson(
    what: "inspect" | "job" | "dead" | "doctor" | "stats",
    first: string,
    second: string,
    limit: number,
  ): Promise<string>;
  backup(destination: string): Promise<Packed>;

  cancel(id: string, queue: string, reason: string, durability: number): Promise<number>;
  /** `refs`: id and queue of each in turn. A digit for each, as of cancel(); 3: unknown. */
  cancelJobs(refs: string[], reason: string, durability: number): Promise<string>;
  redrive(
    id: string,
    queue: string,
    keepAttemptsStarted: boolean,
    keepAttemptsMade: boolean,
    durability: number,
  ): Promise<void>;
  redriveMany(
    queue: string,
    state: number,
    name: string,
    beforeMs: number,
    limit: number,
    keepAttemptsStarted: boolean,
    keepAttemptsMade: boolean,
    durability: number,
  ): Promise<number>;
  /** Answers how many lines went. */
  clearLogs(id: string, queue: string, keep: number, durability: number): Promise<number>;
  /** Answers how many events went. */
  trimEvents(queue: string, keep: number, durability: number): Promise<number>;
  /** 1, or 0 if the job did not wait for it (any more). */
  removeDependency(
    id: string,
    queue: string,
    dependsOn: string,
    dependsOnQueue: string,
    durability: number,
  ): Promise<number>;
  removeUnprocessed(id: string, queue: string, durability: number): Promise<number>;
  changeJob(
    action: "redrive" | "promote" | "remove" | "removeAlone",
    id: string,
    queue: string,
    durability: number,
  ): Promise<void>;
  /** `numbers`: priority, lifo, due time, delay (NaN: as it is), the state that it must be in (0: any). */
  updateJob(
    id: string,
    queue: string,
    data: string | undefined,
    numbers: Float64Array,
    durability: number,
  ): Promise<void>;
  setProgress(id: string, queue: string, json: string, durability: number): Promise<void>;
  /** Answers how many lines there are now. */
  addLog(id: string, queue: string, line: string, durability: number): Promise<number>;
  /** `data`: JSON text, or "". */
  publishEvent(
    queue: string,
    name: string,
    data: string,
    jobId: string,
    durability: number,
  ): Promise<void>;
  changeMany(
    action: "redrive" | "promote" | "remove",
    queue: string,
    state: number,
    name: string,
    beforeMs: number,
    limit: number,
    durability: number,
  ): Promise<number>;
  drain(queue: string, scheduledToo: boolean, durability: number): Promise<number>;
  obliterate(queue: string, force: boolean, durability: number): Promise<number>;
  setPaused(queue: string, paused: boolean, durability: number): Promise<void>;
  /** A count of NaN: the rule stays. */
  setRetention(
    queue: string,
    completedAgeMs: number,
    completedCount: number,
    failedAgeMs: number,
    failedCount: number,
    durability: number,
  ): Promise<void>;

  dependencies(
    id: string,
    queue: string,
    states: number,
    offset: number,
    limit: number,
  ): Promise<Packed>;
  flowJson(id: string, queue: string, depth: number, children: number): Promise<string>;
  /** A list of id and queue. */
  dependents(id: string, queue: string, offset: number, limit: number): Promise<Packed>;
  /** See readMetrics() of wire-model.ts. `state`: completed or failed. */
  readMetrics(queue: string, state: number, start: number, end: number): Promise<Packed>;
  counters(queue: string): Promise<Packed>;
  dedupHolder(queue: string, key: string): Promise<string>;
  releaseDedup(queue: string, key: string, durability: number): Promise<number>;
  setLimit(numbers: Float64Array, text: string, durability: number): Promise<void>;
  listLimits(): Promise<Packed>;
  throttle(numbers: Float64Array, text: string, durability: number, ms: number): Promise<void>;
  pauseGroup(queue: string, group: string, paused: boolean, durability: number): Promise<void>;
  listGroups(queue: string, after: string, limit: number): Promise<Packed>;

  putSchedule(numbers: Float64Array, text: string, durability: number): Promise<Packed>;
  continueSchedule(
    numbers: Float64Array,
    text: string,
    id: string,
    after: number,
    durability: number,
  ): Promise<void>;
  changeSchedule(
    action: "remove" | "pause" | "resume",
    id: string,
    durability: number,
  ): Promise<void>;
  getSchedule(id: string): Promise<Packed>;
  listSchedules(after: string, limit: number): Promise<Packed>;
  previewTiming(numbers: Float64Array, text: string, after: number, count: number): Promise<Packed>;

  begin(timeoutMs: number, durability: number): NativeTransaction;
  newId(): string;
}

export type SqlValue = string | number | bigint | boolean | Uint8Array | null;

export interface NativeTransaction {
  execute(
    sql: string,
    parameters: unknown[],
  ): Promise<{
    columns: string[];
    rows: (string | number | bigint | Buffer | null)[][];
    changes: number;
    lastInsertRowid: number;
  }>;
  enqueue(numbers: Float64Array, text: string): Promise<Packed>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
}

export interface NativeSession {
  take(max: number): Packed | undefined;
  settle(numbers: Float64Array, text: string): [index: number, error: Error] | undefined;
  drain(): Packed | undefined;
  progress(token: number, json: string): void;
  log(token: number, line: string): void;
  checkpoint(token: number, json: string): void;
  setSlots(slots: number): void;
  pause(): Promise<void>;
  resume(): Promise<void>;
  stop(): void;
  close(timeoutMs: number): Promise<void>;
}

export interface NativeSubscription {
  next(): Promise<Packed>;
  close(): Promise<void>;
}

export interface NativeAddon {
  readonly version: string;
  readonly sqliteVersion: string;
  readonly Hub: new (dispatch: Dispatch) => NativeHub;
}

function* candidates(): Generator<string> {
  const named = process.env["MILLRACE_NATIVE"];
  if (named !== undefined && named !== "") {
    yield named;
    return;
  }
  const root = join(__dirname, "..", "..");
  // Built in this tree, or by the package's install script.
  yield join(root, "native", "millrace.node");
  // Shipped inside the package.
  yield join(root, "prebuilds", platformName(), "millrace.node");
}

/** As in node/prebuilds: linux-x64, linux-x64-musl, darwin-arm64. */
function platformName(): string {
  const report = process.report?.getReport() as
    { header?: { glibcVersionRuntime?: string } } | undefined;
  const musl = process.platform === "linux" && report?.header?.glibcVersionRuntime === undefined;
  return `${process.platform}-${process.arch}${musl ? "-musl" : ""}`;
}

function load(): NativeAddon {
  const tried: string[] = [];
  for (const file of candidates()) {
    // Not import(): Node keeps addons in the cache of require(), which ESM and CommonJS share.
    if (existsSync(file)) return require(file) as NativeAddon;
    tried.push(file);
  }
  throw new Error(
    `millrace: no native addon for ${process.platform}-${process.arch}. Looked for ${tried.join(", ")}. ` +
      "Run `npm rebuild millrace` (it needs CMake and a C++20 compiler).",
  );
}

export const native: NativeAddon = load();
