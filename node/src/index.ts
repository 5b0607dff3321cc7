// Millrace for Node: background jobs in one SQLite file, shared with Python. The names are BullMQ's where it has one.
import { native } from "./native.cjs";

export {
  type ErrorBody,
  type ErrorCode,
  JobCancelledError,
  MillraceError,
  RemoteError,
  TimeLimitError,
  UnrecoverableError,
} from "./errors.js";
export { Job } from "./job.js";
export { Queue, type QueueListener } from "./queue.js";
export { QueueEvents, type QueueEventsListener } from "./queue-events.js";
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
  BulkJobOptions,
  CancelResult,
  DefaultJobOptions,
  Durability,
  FinishedStatus,
  JobProgress,
  JobState,
  JobType,
  JobsOptions,
  KeepJobs,
  Processor,
  QueueEventsOptions,
  QueueOptions,
  StoreOption,
  WorkerOptions,
} from "./types.js";
export type { QueueCounts, WorkerInfo } from "./wire-reports.js";
export { Worker, type WorkerListener } from "./worker.js";

/** The version of Millrace, and of the SQLite inside it. */
export const version: string = native.version;
export const sqliteVersion: string = native.sqliteVersion;
