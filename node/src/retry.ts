// Whether and when a failed attempt is repeated: only what the core cannot know, namely the user's own rule.
import { show } from "./check.js";
import { UnrecoverableError, invalidArgument, isError } from "./errors.js";
import type { ActiveJob } from "./active-job.js";
import type { WorkerOptions } from "./types.js";

export interface RetryDecision {
  retryable: boolean;
  /** Milliseconds; NaN: by the job's own rule. */
  delay: number;
}

const BY_THE_JOB: RetryDecision = { retryable: true, delay: NaN };
const NEVER: RetryDecision = { retryable: false, delay: NaN };

function ofStrategy(delay: unknown): RetryDecision {
  if (typeof delay !== "number" || Number.isNaN(delay)) {
    throw invalidArgument(`settings.backoffStrategy must answer milliseconds, not ${show(delay)}`);
  }
  return delay < 0 ? NEVER : { retryable: true, delay: Math.round(delay) };
}

export function decideRetry(
  { job, noRetry }: ActiveJob,
  error: Error,
  { settings, maxStartedAttempts }: WorkerOptions,
): RetryDecision | Promise<RetryDecision> {
  if (noRetry || error instanceof UnrecoverableError) return NEVER;
  if (isError(error, "UnrecoverableError")) return NEVER;
  if (maxStartedAttempts !== undefined && maxStartedAttempts > 0) {
    if (job.attemptsStarted >= maxStartedAttempts) return NEVER;
  }
  const strategy = settings?.backoffStrategy;
  if (strategy === undefined) return BY_THE_JOB;
  const { attempts = 1, backoff } = job.opts;
  if (typeof backoff !== "object" || job.attemptsMade + 1 >= attempts) return BY_THE_JOB;
  if (backoff.type === "fixed" || backoff.type === "exponential") return BY_THE_JOB;
  // Inside an async function, so that what the strategy throws is a rejection.
  return (async () => ofStrategy(await strategy(job.attemptsMade + 1, backoff.type, error, job)))();
}
