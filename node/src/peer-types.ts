// Types of BullMQ that its users' own code names: most are parts of ours under another name.
import type { FlowOptions, FlowQuery } from "./flow-producer.js";
import type { JobDependencyOptions } from "./job-dependencies.js";
import type { Job } from "./job.js";
import type { SandboxedJob } from "./sandbox-job.js";
import type { SandboxOptions } from "./sandbox-process.js";
import type { FlowJob, JobsOptions, QueueOptions, WorkerOptions } from "./types.js";

export type RateLimiterOptions = NonNullable<WorkerOptions["limiter"]>;
export type MetricsOptions = NonNullable<WorkerOptions["metrics"]>;
export type AdvancedOptions = NonNullable<WorkerOptions["settings"]>;
export type QueueBaseOptions = QueueOptions;
export type BaseJobOptions = JobsOptions;
/** In a flow; alone `JobsOptions["parent"]` accepts a job, too. */
export interface ParentOptions {
  id: string;
  queue: string;
}
/** What a back-off strategy is given; here the job itself. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as in BullMQ
export type MinimalJob<Data = any, Result = any, Name extends string = string> = Job<
  Data,
  Result,
  Name
>;
/** Options of `job.retry()`. */
export interface RetryOptions {
  resetAttemptsMade?: boolean;
  resetAttemptsStarted?: boolean;
}
/** Options of `worker.getNextJob()`. */
export interface GetNextJobOptions {
  block?: boolean;
}
/** Options of `queue.obliterate()`. */
export interface ObliterateOpts {
  force?: boolean;
  count?: number;
}
export type DependenciesOpts = JobDependencyOptions;

export type FlowOpts = FlowOptions;
export type FlowQueuesOpts = NonNullable<FlowOptions["queuesOptions"]>;
export type NodeOpts = FlowQuery;
/** A job that waits for its children. */
export type FlowParentJob = FlowJob & { children: FlowJob[] };
/** Any job of a flow. */
export type FlowJobNode = FlowJob;

export type SandboxedOptions = SandboxOptions;
/** What the file of a sandboxed processor exports. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as in BullMQ
export type SandboxedJobProcessor<Data = any, Result = any> = (
  job: SandboxedJob<Data, Result>,
  token: string,
  signal: AbortSignal,
) => Promise<Result> | Result;
