// Millrace for Node: background jobs in one SQLite file, shared with Python. The names are BullMQ's where it has one.
import { native } from "./native.cjs";

export {
  DelayedError,
  type ErrorBody,
  JobCancelledError,
  MillraceError,
  type MillraceErrorCode,
  RateLimitError,
  type RateLimitScope,
  RemoteError,
  TimeLimitError,
  UnrecoverableError,
  WaitingChildrenError,
  WaitingError,
} from "./errors.js";
export { ErrorCode, MetricNames, MetricsTime, SpanKind, TelemetryAttributes } from "./enums.js";
export type { EncryptionKey, EncryptionOptions } from "./encryption.js";
export { Flow, type QueueReference } from "./flow.js";
export {
  type FlowOptions,
  FlowProducer,
  type FlowProducerListener,
  type FlowProducerOptions,
  type FlowQuery,
  type FlowRoot,
} from "./flow-producer.js";
export {
  JobScheduler,
  type JobSchedulerJson,
  type JobSchedulerTemplate,
  type JobSchedulerTemplateOptions,
} from "./job-scheduler.js";
export { Job } from "./job.js";
export { JobError } from "./job-errors.js";
export type { ParentKeys } from "./job-extras.js";
export type {
  Dependency,
  DependencyPage,
  DependencyItems,
  DependencyQuery,
  FlowTree,
  JobDependencies,
  JobDependencyCounts,
  JobDependencyCursors,
  JobDependencyOptions,
} from "./job-dependencies.js";
export type { JobJson, JobJsonSandbox } from "./job-record.js";
export type { NextJob } from "./job-runner.js";
export type { LimitInfo, LimitOptions, LimitScope, Limits } from "./limits.js";
export {
  Outbox,
  type OutboxDatabase,
  type OutboxJob,
  type OutboxOptions,
  type PostgresClient,
  type SqliteHandle,
} from "./outbox.js";
export type {
  AdvancedOptions,
  BaseJobOptions,
  DependenciesOpts,
  FlowJobNode,
  FlowOpts,
  FlowParentJob,
  FlowQueuesOpts,
  GetNextJobOptions,
  MetricsOptions,
  MinimalJob,
  NodeOpts,
  ObliterateOpts,
  ParentOptions,
  QueueBaseOptions,
  RateLimiterOptions,
  RetryOptions,
  SandboxedJobProcessor,
  SandboxedOptions,
} from "./peer-types.js";
export type { Subscribable } from "./observable.js";
export { Queue } from "./queue.js";
export type { RepeatOptions, RepeatStrategy } from "./repeat-strategy.js";
export type { QueueListener } from "./queue-base.js";
export type { Metrics, QueueMeta } from "./queue-state.js";
export { QueueEventsProducer, type QueueEventsProducerOptions } from "./queue-events-producer.js";
export { QueueEvents, type QueueEventsListener } from "./queue-events.js";
export type {
  Schedule,
  ScheduleOptions,
  ScheduleTemplate,
  Schedules,
  SolarOptions,
  TimingOptions,
} from "./schedules.js";
export {
  type DeadLetters,
  type DoctorReport,
  Store,
  type StoreOptions,
  openStore,
} from "./store.js";
export type {
  BackoffOptions,
  BackoffStrategy,
  BatchOptions,
  BulkJob,
  BulkJobOptions,
  CancelResult,
  DeduplicationOptions,
  DefaultJobOptions,
  Delivery,
  DependencyPolicy,
  Durability,
  FinishedStatus,
  FlowJob,
  FlowJobOptions,
  JobNode,
  JobProgress,
  JobReference,
  JobState,
  JobType,
  JobsOptions,
  Join,
  KeepJobs,
  Processor,
  QueueEventsOptions,
  QueueOptions,
  Sealing,
  StoreOption,
  Upstream,
  WorkerOptions,
} from "./types.js";
export type { GroupInfo, TaskCounters } from "./wire-model.js";
export type { QueueCounts, WorkerInfo } from "./wire-reports.js";
export type { SandboxedJob } from "./sandbox-job.js";
export type { SandboxOptions } from "./sandbox-process.js";
export type { JobSink } from "./job-sink.js";
export type { JobTransaction } from "./job-transaction.js";
export type {
  AttributeValue,
  Attributes,
  ContextManager,
  Counter,
  Meter,
  MetricOptions,
  Recorder,
  Span,
  Telemetry,
  Tracer,
} from "./telemetry.js";
export type { SqlResult, SqlValue, Transaction, TransactionOptions } from "./transaction.js";
export { Worker, type WorkerListener } from "./worker.js";

/** The version of Millrace. */
export const version: string = native.version;
/** Of the SQLite that is built in. */
export const sqliteVersion: string = native.sqliteVersion;
