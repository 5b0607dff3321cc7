// Numbers and words that BullMQ's users compare with. Their values are behaviour: never change them.

/** `code` of a JobError: why something could not be done to a job. */
export enum ErrorCode {
  JobNotExist = -1,
  JobLockNotExist = -2,
  JobNotInState = -3,
  JobPendingChildren = -4,
  ParentJobNotExist = -5,
  JobLockMismatch = -6,
  ParentJobCannotBeReplaced = -7,
  JobBelongsToJobScheduler = -8,
  JobHasFailedChildren = -9,
  SchedulerJobIdCollision = -10,
  SchedulerJobSlotsBusy = -11,
}

/** Minutes, for the worker option `metrics.maxDataPoints`. */
export enum MetricsTime {
  ONE_MINUTE = 1,
  FIVE_MINUTES = 5,
  FIFTEEN_MINUTES = 15,
  THIRTY_MINUTES = 30,
  ONE_HOUR = 60,
  ONE_WEEK = 10_080,
  TWO_WEEKS = 20_160,
  ONE_MONTH = 80_640,
}

/** What a span is about, for the option `telemetry`. */
export enum SpanKind {
  INTERNAL = 0,
  SERVER = 1,
  CLIENT = 2,
  PRODUCER = 3,
  CONSUMER = 4,
}

/** Names of the instruments that are made with `telemetry.meter`. */
export enum MetricNames {
  QueueJobsCount = "bullmq.queue.jobs",
  JobsCompleted = "bullmq.jobs.completed",
  JobsFailed = "bullmq.jobs.failed",
  JobsDelayed = "bullmq.jobs.delayed",
  JobsRetried = "bullmq.jobs.retried",
  JobsWaiting = "bullmq.jobs.waiting",
  JobsWaitingChildren = "bullmq.jobs.waiting_children",
  JobDuration = "bullmq.job.duration",
}

/** Names of attributes of spans and measurements. Those that Millrace sets are in docs/bullmq.md. */
export enum TelemetryAttributes {
  QueueName = "bullmq.queue.name",
  QueueOperation = "bullmq.queue.operation",
  QueueDrainDelay = "bullmq.queue.drain.delay",
  QueueGrace = "bullmq.queue.grace",
  QueueCleanLimit = "bullmq.queue.clean.limit",
  QueueCleanCount = "bullmq.queue.clean.count",
  QueueRateLimit = "bullmq.queue.rate.limit",
  QueueOptions = "bullmq.queue.options",
  QueueEventMaxLength = "bullmq.queue.event.max.length",
  QueueJobsState = "bullmq.queue.jobs.state",
  BulkCount = "bullmq.job.bulk.count",
  BulkNames = "bullmq.job.bulk.names",
  JobName = "bullmq.job.name",
  JobId = "bullmq.job.id",
  JobKey = "bullmq.job.key",
  JobIds = "bullmq.job.ids",
  JobType = "bullmq.job.type",
  JobState = "bullmq.job.state",
  JobOptions = "bullmq.job.options",
  JobProgress = "bullmq.job.progress",
  JobResult = "bullmq.job.result",
  JobFailedReason = "bullmq.job.failed.reason",
  JobAttemptsMade = "bullmq.job.attempts.made",
  JobAttemptFinishedTimestamp = "bullmq.job.attempt_finished_timestamp",
  JobProcessedTimestamp = "bullmq.job.processed.timestamp",
  JobSchedulerId = "bullmq.job.scheduler.id",
  DeduplicationKey = "bullmq.job.deduplication.key",
  FlowName = "bullmq.flow.name",
  WorkerId = "bullmq.worker.id",
  WorkerName = "bullmq.worker.name",
  WorkerOptions = "bullmq.worker.options",
  WorkerRateLimit = "bullmq.worker.rate.limit",
  WorkerDoNotWaitActive = "bullmq.worker.do.not.wait.active",
  WorkerForceClose = "bullmq.worker.force.close",
  WorkerStalledJobs = "bullmq.worker.stalled.jobs",
  WorkerFailedJobs = "bullmq.worker.failed.jobs",
  WorkerJobsToExtendLocks = "bullmq.worker.jobs.to.extend.locks",
}
