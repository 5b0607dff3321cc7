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
import { checkDurability } from "./job-options.js";
import type { BatchOptions, JobProgress, WorkerOptions } from "./types.js";

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
}

const KNOWN = new Set([
  ...["store", "concurrency", "autorun", "name", "durability", "settings", "batch"],
  ...["useWorkerThreads", "workerForkOptions", "workerThreadsOptions"],
  // Accepted for BullMQ's sake, without effect.
  ...["lockDuration", "lockRenewTime", "stalledInterval", "maxStalledCount", "skipStalledCheck"],
  ...["skipLockRenewal", "drainDelay", "runRetryDelay"],
]);
const NOT_HERE = {
  connection: 'is BullMQ\'s; Millrace needs no server: pass { store: "jobs.db" }',
  prefix: "is BullMQ's; queues of one name in two stores do not meet",
  limiter: "belongs to the queue: use store.limits.set({ queue, max, duration })",
  removeOnComplete: "belongs to the queue: use defaultJobOptions or queue.setRetention()",
  removeOnFail: "belongs to the queue: use defaultJobOptions or queue.setRetention()",
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
  if (opts["settings"] === undefined) return;
  checkObject("new Worker: settings", opts["settings"]);
  checkKnownOptions("new Worker: settings", opts["settings"], new Set(["backoffStrategy"]));
  const strategy = opts["settings"]["backoffStrategy"];
  if (strategy !== undefined && typeof strategy !== "function") {
    throw invalidArgument(
      `new Worker: settings.backoffStrategy must be a function, not ${show(strategy)}`,
    );
  }
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
