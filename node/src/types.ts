// The types that users name: options, states and shapes of answers.
import type { JobSink } from "./job-sink.js";
import type { Job } from "./job.js";
import type { Subscribable } from "./observable.js";
import type { RepeatStrategy } from "./repeat-strategy.js";
import type { SandboxOptions } from "./sandbox-process.js";
import type { Store } from "./store.js";
import type { Telemetry } from "./telemetry.js";

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

/** How long a job waits before its next attempt. */
export interface BackoffOptions {
  /** Any other name, such as `custom`: the worker's `settings.backoffStrategy` decides, if it has one. */
  type: "fixed" | "exponential" | "custom" | (string & {});
  /** Milliseconds; exponential: before the second attempt, doubled before each further one. */
  delay?: number;
  /** 0 to 1: the wait is chosen at random between `delay * (1 - jitter)` and `delay`. */
  jitter?: number;
}

/** What is kept of finished jobs: `age` in seconds, `count` newest ones. */
export interface KeepJobs {
  age?: number;
  count?: number;
  /** Accepted for BullMQ's sake, without effect: what is to go, goes in small slices. */
  limit?: number;
}

/**
 * What becomes of a waiting job when a job that it waits for fails or is cancelled. `fail`: it fails too, without being
 * run. `wait`: it goes on waiting (BullMQ's default). `ignore`: the failed one counts as done, and its error can be
 * read. `remove`: the same, but it is forgotten. `continue`: the job runs at once, whatever else it waits for.
 * `cancel`: it is cancelled. `on_failure`: the reverse, it waits for a failure, and is removed if there is none.
 */
export type DependencyPolicy =
  "fail" | "wait" | "ignore" | "remove" | "continue" | "cancel" | "on_failure";

/** A job in hand, or one named by its id; two queues may use one custom id, then `queue` decides. */
export type JobReference =
  | { readonly id: string; readonly queueName: string; readonly token?: string | undefined }
  | { id: string; queue?: string; token?: string };

/** Something to wait for: a job, or a job with a policy (default: `fail`) and the name of its result. */
export type Upstream = JobReference | { job: JobReference; policy?: DependencyPolicy; as?: string };

/** What a job does once nothing holds it back: a worker runs it; or it completes at once with the first result, or all. */
export type Join = "run" | "forward" | "collect";

/** `at-most-once`: never started again after its worker died; it fails with error type `JobLost`. */
export type Delivery = "at-least-once" | "at-most-once";

/** How the payload is kept in the file; needs the store's `encryption` for all but `none`. */
export type Sealing = "none" | "encrypt" | "sign";

/** A job with the key of another one that counts is not added: add() answers that other one, with `existing` true. */
export interface DeduplicationOptions {
  /** The key, within the queue. Alone: as long as the other job is unfinished. */
  id: string;
  /** Milliseconds from the other job's add, whatever became of it (throttle). Infinity: until the key is removed. */
  ttl?: number;
  /** With `replace`, for BullMQ's sake: the delay begins anew anyhow. */
  extend?: boolean;
  /** While the other job is delayed, the new one takes its place and its delay begins anew (debounce). */
  replace?: boolean;
  /** While the other job runs, one more is kept, the newest, which starts when it has ended. */
  keepLastIfActive?: boolean;
  /** As long as the other job is in one of these states, and younger than `ttl` if given. */
  states?: JobState[];
}

/** Options of a job. */
export interface JobsOptions {
  /** Unique in its queue. Adding an id that exists adds nothing and answers the existing job. Default: a new UUIDv7. */
  jobId?: string;
  /** Milliseconds before which it is not started. Default 0. */
  delay?: number;
  /** Lower first; 0 (the default) before all others; up to 2,097,152. */
  priority?: number;
  /** How often it is tried in all. Default 1; 0 is the same. */
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
  /** Newest stacks that `job.stacktrace` has, one for each failed attempt. Default: all that are kept (11). */
  stackTraceLimit?: number;
  /** When the job counts as added: its delay begins then. Default: now. */
  timestamp?: number;
  /** Of a job that a scheduler makes: the slot before. */
  prevMillis?: number;
  /** Of a job that a scheduler makes: the scheduler's id. */
  repeatJobKey?: string;
  /** Trace context, set by the queue option `telemetry`; `omitContext`: the job's span begins a trace of its own. */
  telemetry?: { metadata?: string; omitContext?: boolean };

  /** Ours: not started by then, it is cancelled. Milliseconds from now, or a time. */
  expires?: number | Date;
  /** Ours: milliseconds that one attempt may take; then it has failed, and its AbortSignal fires. */
  timeLimit?: number;
  /** Ours: milliseconds after which the AbortSignal fires; the attempt goes on. Less than `timeLimit`. */
  softTimeLimit?: number;
  /** Ours: how many workers may die under it before it fails. Default 3. */
  maxCrashes?: number;
  /** The lane of the job within its queue. Lanes take turns; see store.limits for what each of them may do. */
  group?: { id: string };
  /** Which job of several with one key counts. */
  deduplication?: DeduplicationOptions;
  /** An existing job that is to wait for this one: a blocked one, or the one whose processor calls. */
  parent?: JobReference;
  /** Ours: what the parent does if this job fails. Without a parent or a flow it has no effect. Default `wait`. */
  onFailure?: DependencyPolicy;
  /** The same as `onFailure: "fail"`. */
  failParentOnFailure?: boolean;
  /** The same as `onFailure: "ignore"`. */
  ignoreDependencyOnFailure?: boolean;
  /** The same as `onFailure: "remove"`. */
  removeDependencyOnFailure?: boolean;
  /** The same as `onFailure: "continue"`. */
  continueParentOnFailure?: boolean;
  /** Ours: under which name those that wait for this job read its result. */
  as?: string;
  /** Ours: existing jobs that must end before this one starts. */
  after?: Upstream[];
  /** Ours: needs `after`. Default `run`. */
  join?: Join;
  /** Ours: what happens when a worker dies under it. Default `at-least-once`. */
  delivery?: Delivery;
  /** Ours: instead of the store's `encryption.mode`. */
  sealing?: Sealing;
  /** Ours: strings that travel with the job, such as trace context. */
  headers?: Record<string, string>;
  /** Ours: instead of the queue's. */
  durability?: Durability;
  /** Ours: the transaction that it is part of, from store.transaction() or job.transaction(). */
  tx?: JobSink;
}
/** Options of one job in a flow: all jobs of a flow share one durability. */
export type FlowJobOptions = Omit<JobsOptions, "durability" | "tx">;

/** A job of a tree: it waits for its children. */
export interface FlowJob {
  name: string;
  /** Default: the parent's queue; of the root: the queue that adds it. */
  queueName?: string;
  data?: unknown;
  opts?: FlowJobOptions;
  children?: FlowJob[];
}

/** What became of a FlowJob. */
export interface JobNode {
  job: Job;
  children?: JobNode[];
}

/** Options of one job in a bulk: all jobs of a bulk share the queue's durability. */
export type BulkJobOptions = Omit<JobsOptions, "durability" | "tx">;
/** One job of a bulk. */
export interface BulkJob<Data, Name extends string = string> {
  name: Name;
  data: Data;
  opts?: BulkJobOptions;
}
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
  /** A span around every add; jobs carry the trace to their workers. */
  telemetry?: Telemetry;

  /** Accepted for BullMQ's sake, without effect: events are kept as openStore()'s `keepEvents` says. */
  streams?: { events: { maxLen: number } };
  /** `repeatStrategy` computes the times of job schedulers with a `pattern`; the other is without effect. */
  settings?: { repeatStrategy?: RepeatStrategy; repeatKeyHashAlgorithm?: string };
  /** Without effect. */
  skipVersionCheck?: boolean;
  /** Without effect: nothing is written about a queue. */
  skipMetasUpdate?: boolean;
  /** Without effect: there is no connection to wait for. */
  skipWaitingForReady?: boolean;
  /** Without effect. */
  blockingConnection?: boolean;
}

/** Milliseconds until the next attempt; a negative number fails the job for good. */
export type BackoffStrategy = (
  attemptsMade: number,
  type?: string,
  error?: Error,
  job?: Job,
) => number | Promise<number>;

/** How many jobs a processor takes at once. */
export interface BatchOptions {
  /** Most jobs of one batch. */
  size: number;
  /** It starts when so many are there. Default: `size` with a timeout, else 1: with what there is. */
  minSize?: number;
  /** Milliseconds after its first job when it starts with fewer. Needed if `minSize` is more than 1. */
  timeout?: number;
}

export interface WorkerOptions extends StoreOption, SandboxOptions {
  /** Jobs that run at once. Default 1. */
  concurrency?: number;
  /** Default true: starts by itself. */
  autorun?: boolean;
  /** Shown in listings. Default: host and pid. */
  name?: string;
  /** Of finishes. Default: the store's, `power`. */
  durability?: Durability;
  /** `repeatStrategy`: the same as of the Queue. */
  settings?: { backoffStrategy?: BackoffStrategy; repeatStrategy?: RepeatStrategy };
  /** Jobs are handed to the processor several at once: see Job.getBatch(). `concurrency` then counts batches. */
  batch?: BatchOptions;

  /**
   * At most `max` starts of the queue's jobs in `duration` milliseconds. Written to the queue when the worker opens: it
   * holds for all workers, and until queue.removeGlobalRateLimit().
   */
  limiter?: { max: number; duration: number };
  /** The same for each group of the queue that has no limit of its own, and how many jobs of one run at once. */
  group?: { concurrency?: number; limit?: { max: number; duration: number } };
  /** What is kept of the queue's completed jobs that do not say so themselves. Written to the queue, as `limiter`. */
  removeOnComplete?: boolean | number | KeepJobs;
  /** The same of failed ones. */
  removeOnFail?: boolean | number | KeepJobs;
  /** A job that was started more often fails without being run; 0: no bound. Default: no bound. */
  maxStartedAttempts?: number;
  /** A job under which more workers died fails without being run. Default: the job's `maxCrashes`, 3. */
  maxStalledCount?: number;
  /** Milliseconds that an attempt may take, or so many by the job's name; then its signal fires, and it has failed. */
  ttl?: number | Record<string, number>;
  /** Seconds that getNextJob() waits for a job. Default 5. A worker that runs by itself is woken, it does not poll. */
  drainDelay?: number;
  /** A span around every attempt, which continues the trace of whoever added the job. */
  telemetry?: Telemetry;

  /** Accepted for BullMQ's sake, without effect: a lease ends with its process, not by the clock. */
  lockDuration?: number;
  /** Without effect, see lockDuration. */
  lockRenewTime?: number;
  /** Without effect, see lockDuration. */
  stalledInterval?: number;
  /** Without effect, see lockDuration. */
  skipStalledCheck?: boolean;
  /** Without effect, see lockDuration. */
  skipLockRenewal?: boolean;
  /** Without effect: nothing polls. */
  runRetryDelay?: number;
  /** Without effect: due jobs do not wait for a rate limit to end. */
  maximumRateLimitDelay?: number;
  /** Without effect: what ends is counted always, see queue.getMetrics(). */
  metrics?: { maxDataPoints?: number };
  /** Without effect. */
  skipVersionCheck?: boolean;
  /** Without effect. */
  skipWaitingForReady?: boolean;
  /** Without effect. */
  blockingConnection?: boolean;
}

export interface QueueEventsOptions extends StoreOption {
  autorun?: boolean;
  /** Events after this one. "0": from the oldest kept; "$" (the default): only what comes from now on. */
  lastEventId?: string;
  /** Accepted for BullMQ's sake, without effect. */
  blockingTimeout?: number;
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as in BullMQ
export type Processor<Data = any, Result = any, Name extends string = string> = (
  job: Job<Data, Result, Name>,
  token: string,
  signal: AbortSignal,
) => Promise<Result | Subscribable<Result>> | Result | Subscribable<Result>;

/** How cancel() ended. */
export type CancelResult = "cancelled" | "requested" | "finished";
