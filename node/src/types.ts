// The types that users name: options, states and shapes of answers.
import type { Job } from "./job.js";
import type { Store } from "./store.js";

/** BullMQ's names of the states of a job, and one of our own: `cancelled`. */
export type JobState =
  | "waiting"
  | "prioritized"
  | "delayed"
  | "active"
  | "waiting-children"
  | "completed"
  | "failed"
  | "cancelled";
/** What lists and counts accept: `wait` is another word for `waiting`. */
export type JobType = JobState | "wait";
export type FinishedStatus = "completed" | "failed";

/**
 * What an acknowledged write survives. `memory`: nothing beyond this process. `process`: the crash of every process,
 * but not a power cut. `power`: a power cut too.
 */
export type Durability = "memory" | "process" | "power";

/** Any value that JSON can hold. */
export type JobProgress = string | boolean | number | object;

export interface BackoffOptions {
  /** `custom`: the worker's `settings.backoffStrategy` decides. */
  type: "fixed" | "exponential" | "custom";
  /** Milliseconds; exponential: before the second attempt, doubled before each further one. */
  delay?: number;
  /** 0 to 1: the wait is chosen at random between `delay * (1 - jitter)` and `delay`. */
  jitter?: number;
}

/** What is kept of finished jobs: `age` in seconds, `count` newest ones. */
export interface KeepJobs {
  age?: number;
  count?: number;
}

export interface JobsOptions {
  /** Unique in its queue. Adding an id that exists adds nothing and answers the existing job. Default: a new UUIDv7. */
  jobId?: string;
  /** Milliseconds before which it is not started. Default 0. */
  delay?: number;
  /** Lower first; 0 (the default) before all others; up to 2,097,152. */
  priority?: number;
  /** How often it is tried in all. Default 1. */
  attempts?: number;
  /** Between attempts: milliseconds, or a rule. Default: at once. */
  backoff?: number | BackoffOptions;
  /** Before the older jobs of its priority. Default false. */
  lifo?: boolean;
  /** true: at once; a number: only so many are kept. Default: the store's rule (a day). */
  removeOnComplete?: boolean | number | KeepJobs;
  /** The same for failed jobs. Default: the store's rule (kept). */
  removeOnFail?: boolean | number | KeepJobs;
  /** Newest log lines that are kept. Default: all. */
  keepLogs?: number;
  /** Most bytes of JSON that `data` may have. Default: the store's limit (16 MiB). */
  sizeLimit?: number;

  /** Ours: not started by then, it is cancelled. Milliseconds from now, or a time. */
  expires?: number | Date;
  /** Ours: milliseconds that one attempt may take; then it has failed, and its AbortSignal fires. */
  timeLimit?: number;
  /** Ours: milliseconds after which the AbortSignal fires; the attempt goes on. Less than `timeLimit`. */
  softTimeLimit?: number;
  /** Ours: how many workers may die under it before it fails. Default 3. */
  maxCrashes?: number;
  /** Ours: strings that travel with the job, such as trace context. */
  headers?: Record<string, string>;
  /** Ours: instead of the queue's. */
  durability?: Durability;
}
/** Options of one job in a bulk: all jobs of a bulk share the queue's durability. */
export type BulkJobOptions = Omit<JobsOptions, "durability">;
export type DefaultJobOptions = Omit<JobsOptions, "jobId">;

/** Where a queue, worker or reader finds its jobs. */
export interface StoreOption {
  /** Path of the store's file, ":memory:", or an open store. Default: the environment variable MILLRACE_STORE. */
  store?: string | Store;
}

export interface QueueOptions extends StoreOption {
  defaultJobOptions?: DefaultJobOptions;
  /** Of every write of this queue object. Default: the store's, `power`. */
  durability?: Durability;
}

/** Milliseconds until the next attempt; a negative number fails the job for good. */
export type BackoffStrategy = (
  attemptsMade: number,
  type?: string,
  error?: Error,
  job?: Job,
) => number | Promise<number>;

export interface WorkerOptions extends StoreOption {
  /** Jobs that run at once. Default 1. */
  concurrency?: number;
  /** Default true: starts by itself. */
  autorun?: boolean;
  /** Shown in listings. Default: host and pid. */
  name?: string;
  /** Of finishes. Default: the store's, `power`. */
  durability?: Durability;
  settings?: { backoffStrategy?: BackoffStrategy };

  /** Accepted for BullMQ's sake, without effect: a lease ends with its process, not by the clock. */
  lockDuration?: number;
  /** Without effect, see lockDuration. */
  lockRenewTime?: number;
  /** Without effect, see lockDuration. */
  stalledInterval?: number;
  /** Without effect: see the job option maxCrashes. */
  maxStalledCount?: number;
  /** Without effect, see lockDuration. */
  skipStalledCheck?: boolean;
  /** Without effect, see lockDuration. */
  skipLockRenewal?: boolean;
  /** Without effect: an idle worker is woken, it does not poll. */
  drainDelay?: number;
  /** Without effect, see drainDelay. */
  runRetryDelay?: number;
}

export interface QueueEventsOptions extends StoreOption {
  autorun?: boolean;
  /** Events after this one. "0": from the oldest kept; "$" (the default): only what comes from now on. */
  lastEventId?: string;
  /** Accepted for BullMQ's sake, without effect. */
  blockingTimeout?: number;
}

export type Processor<Data, Result, Name extends string> = (
  job: Job<Data, Result, Name>,
  token: string,
  signal: AbortSignal,
) => Promise<Result> | Result;

/** How cancel() ended. */
export type CancelResult = "cancelled" | "requested" | "finished";
