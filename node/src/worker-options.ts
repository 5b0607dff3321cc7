// What a Worker is made with, and what it tells.
import {
  checkBoolean,
  checkDuration,
  checkInteger,
  checkKnownOptions,
  checkName,
  checkObject,
  show,
} from "./check.js";
import { invalidArgument } from "./errors.js";
import type { Job } from "./job.js";
import { checkDurability, keepNumbers } from "./job-options.js";
import { COUNT_MAX, YEAR_MS } from "./limits.js";
import { checkStrategy } from "./repeat-strategy.js";
import { checkTelemetry } from "./telemetry.js";
import type { BatchOptions, JobProgress, WorkerOptions } from "./types.js";

/** What a Worker tells its listeners, with the arguments of each event. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as in BullMQ
export interface WorkerListener<Data = any, Result = any, Name extends string = string> {
  active: (job: Job<Data, Result, Name>, prev: string) => void;
  /** The job's end is acknowledged: as durable as the worker's durability says. */
  completed: (job: Job<Data, Result, Name>, result: Result, prev: string) => void;
  /** An attempt failed, whether it is the last one or not. */
  failed: (job: Job<Data, Result, Name> | undefined, error: Error, prev: string) => void;
  /** Ours: the job ended as cancelled. */
  cancelled: (job: Job<Data, Result, Name>, reason: string) => void;
  progress: (job: Job<Data, Result, Name>, progress: JobProgress) => void;
  /** This process took the job back from a worker that died. */
  stalled: (jobId: string, prev: string) => void;
  /** No job is left to claim and none runs here. */
  drained: () => void;
  error: (error: Error) => void;
  ready: () => void;
  paused: () => void;
  resumed: () => void;
  closing: (message: string) => void;
  closed: () => void;
  /** Never: a lease is not renewed by the clock, it ends with its process. */
  lockRenewalFailed: (jobIds: string[]) => void;
  /** Never, see lockRenewalFailed. */
  locksRenewed: (data: { count: number; jobIds: string[] }) => void;
}

const KNOWN = new Set([
  ...["store", "concurrency", "autorun", "name", "durability", "settings", "batch"],
  ...["useWorkerThreads", "workerForkOptions", "workerThreadsOptions"],
  ...[
    "limiter",
    "group",
    "removeOnComplete",
    "removeOnFail",
    "maxStartedAttempts",
    "maxStalledCount",
  ],
  ...["ttl", "telemetry", "drainDelay"],
  // Accepted for BullMQ's sake, without effect.
  ...["lockDuration", "lockRenewTime", "stalledInterval", "skipStalledCheck", "skipLockRenewal"],
  ...["runRetryDelay", "maximumRateLimitDelay", "metrics", "skipVersionCheck"],
  ...["skipWaitingForReady", "blockingConnection"],
]);
const NOT_HERE = {
  connection: 'is BullMQ\'s; Millrace needs no server: pass { store: "jobs.db" }',
  prefix: "is BullMQ's; queues of one name in two stores do not meet",
};
export const CONCURRENCY_MAX = 100_000;

export function checkWorkerOptions(opts: unknown): asserts opts is WorkerOptions {
  checkObject("new Worker: options", opts);
  checkKnownOptions("new Worker", opts, KNOWN, NOT_HERE);
  if (opts["concurrency"] !== undefined) {
    checkInteger("new Worker: concurrency", opts["concurrency"], 1, CONCURRENCY_MAX);
  }
  if (opts["autorun"] !== undefined) checkBoolean("new Worker: autorun", opts["autorun"]);
  if (opts["name"] !== undefined) checkName("new Worker: name option", opts["name"]);
  checkDurability("new Worker: durability", opts["durability"]);
  if (opts["useWorkerThreads"] !== undefined)
    checkBoolean("new Worker: useWorkerThreads", opts["useWorkerThreads"]);
  for (const name of ["workerForkOptions", "workerThreadsOptions"])
    if (opts[name] !== undefined) checkObject(`new Worker: ${name}`, opts[name]);
  if (opts["batch"] !== undefined) checkBatch("new Worker: batch", opts["batch"]);
  checkPeerOptions(opts);
  if (opts["settings"] === undefined) return;
  checkObject("new Worker: settings", opts["settings"]);
  const known = new Set(["backoffStrategy", "repeatStrategy", "repeatKeyHashAlgorithm"]);
  checkKnownOptions("new Worker: settings", opts["settings"], known);
  checkStrategy("new Worker: settings", opts["settings"]["repeatStrategy"]);
  const strategy = opts["settings"]["backoffStrategy"];
  if (strategy !== undefined && typeof strategy !== "function") {
    throw invalidArgument(
      `new Worker: settings.backoffStrategy must be a function, not ${show(strategy)}`,
    );
  }
}

/** Options that BullMQ checks; its sentences are kept. */
function checkPeerOptions(opts: Record<string, unknown>): void {
  for (const name of ["maxStalledCount", "maxStartedAttempts"])
    checkNumber(opts, name, (value) => value >= 0, "must be greater or equal than 0");
  for (const name of ["stalledInterval", "drainDelay"])
    checkNumber(opts, name, (value) => value > 0, "must be greater than 0");
  for (const name of ["lockDuration", "lockRenewTime", "runRetryDelay", "maximumRateLimitDelay"])
    checkNumber(opts, name, (value) => value >= 0, "must be a number of milliseconds");
  if (opts["metrics"] !== undefined) checkObject("new Worker: metrics", opts["metrics"]);
  checkTelemetry("new Worker: telemetry", opts["telemetry"]);
  for (const name of ["removeOnComplete", "removeOnFail"])
    if (opts[name] !== undefined) keepNumbers(`new Worker: ${name}`, opts[name]);
  if (opts["limiter"] !== undefined) checkLimiter("new Worker: limiter", opts["limiter"]);
  if (opts["group"] !== undefined) checkGroupOptions(opts["group"]);
  if (opts["ttl"] !== undefined) checkTtl(opts["ttl"]);
}

function checkTtl(ttl: unknown): void {
  if (typeof ttl === "number") {
    checkDuration("new Worker: ttl", ttl);
    return;
  }
  if (typeof ttl !== "object" || ttl === null || Array.isArray(ttl)) {
    throw invalidArgument(
      `new Worker: ttl must be milliseconds or {name: milliseconds}, not ${show(ttl)}`,
    );
  }
  for (const [name, ms] of Object.entries(ttl)) checkDuration(`new Worker: ttl.${name}`, ms);
}

function checkNumber(
  opts: Record<string, unknown>,
  name: string,
  accepts: (value: number) => boolean,
  sentence: string,
): void {
  const value = opts[name];
  if (value === undefined || (typeof value === "number" && accepts(value))) return;
  throw invalidArgument(`new Worker: ${name} ${sentence}, not ${show(value)}`);
}

function checkLimiter(what: string, limiter: unknown): void {
  checkObject(what, limiter);
  checkKnownOptions(what, limiter, new Set(["max", "duration"]));
  checkInteger(`${what}.max`, limiter["max"], 1, COUNT_MAX);
  checkInteger(`${what}.duration`, limiter["duration"], 1, YEAR_MS);
}

function checkGroupOptions(group: unknown): void {
  const what = "new Worker: group";
  checkObject(what, group);
  checkKnownOptions(what, group, new Set(["concurrency", "limit"]), {
    maxSize: "is set with store.limits.set({ queue, eachGroup: true, maxSize })",
  });
  if (group["concurrency"] !== undefined)
    checkInteger(`${what}.concurrency`, group["concurrency"], 1, COUNT_MAX);
  if (group["limit"] !== undefined) checkLimiter(`${what}.limit`, group["limit"]);
}

function checkBatch(what: string, batch: unknown): asserts batch is BatchOptions {
  checkObject(what, batch);
  checkKnownOptions(what, batch, new Set(["size", "minSize", "timeout"]), {
    groupAffinity: "is not supported: jobs of several groups may share a batch",
  });
  const { size, minSize, timeout } = batch as Partial<Record<keyof BatchOptions, unknown>>;
  checkInteger(`${what}.size`, size, 1, BATCH_MAX);
  if (minSize !== undefined) checkInteger(`${what}.minSize`, minSize, 1, size);
  if (timeout !== undefined) checkDuration(`${what}.timeout`, timeout);
  if (minSize !== undefined && minSize > 1 && (timeout === undefined || timeout === 0)) {
    throw invalidArgument(
      `${what}.minSize ${minSize} needs a timeout: the first jobs are held until there are so many`,
    );
  }
}
const BATCH_MAX = 10_000;
