// Whether and when a failed attempt is repeated: only what the core cannot know, namely the user's own rule.
import { show } from "./check.js";
import { UnrecoverableError, invalidArgument, isError } from "./errors.js";
import type { Job } from "./job.js";
import type { BackoffStrategy } from "./types.js";

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
  job: Job,
  error: Error,
  strategy: BackoffStrategy | undefined,
): RetryDecision | Promise<RetryDecision> {
  if (error instanceof UnrecoverableError || isError(error, "UnrecoverableError")) return NEVER;
  if (strategy === undefined) return BY_THE_JOB;
  const { attempts = 1, backoff } = job.opts;
  if (typeof backoff !== "object" || backoff.type !== "custom" || job.attemptsMade + 1 >= attempts)
    return BY_THE_JOB;
  // Inside an async function, so that what the strategy throws is a rejection.
  return (async () => ofStrategy(await strategy(job.attemptsMade + 1, backoff.type, error, job)))();
}
