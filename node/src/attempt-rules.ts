// What a worker's own options say about the attempts that it starts. Resolved once: a worker without such options has none.
import type { ActiveJob } from "./active-job.js";
import { show } from "./check.js";
import { TimeLimitError } from "./errors.js";
import type { Job } from "./job.js";
import type { WorkerOptions } from "./types.js";

export interface AttemptRules {
  maxStartedAttempts: number;
  maxStalledCount: number;
  /** Calls `onTime` when the job's time to live has passed. */
  startTimer: ((active: ActiveJob, onTime: (error: Error) => void) => void) | undefined;
}

function timerOf(ttl: WorkerOptions["ttl"]): AttemptRules["startTimer"] {
  if (ttl === undefined) return undefined;
  return (active, onTime) => {
    const ms = typeof ttl === "number" ? ttl : ttl[active.job.name];
    if (ms === undefined) return;
    const timer = setTimeout(() => {
      onTime(new TimeLimitError("hard", `job ${show(active.job.id)} ran longer than its ttl`));
    }, ms);
    active.stopTimer = () => clearTimeout(timer);
  };
}

export function attemptRules(opts: WorkerOptions): AttemptRules | undefined {
  const { maxStartedAttempts, maxStalledCount, ttl } = opts;
  if (maxStartedAttempts === undefined && maxStalledCount === undefined && ttl === undefined)
    return undefined;
  return {
    // 0 means no bound, as in BullMQ.
    maxStartedAttempts: maxStartedAttempts === 0 ? Infinity : (maxStartedAttempts ?? Infinity),
    maxStalledCount: maxStalledCount ?? Infinity,
    startTimer: timerOf(ttl),
  };
}

/** Why the job must not be started; BullMQ's sentences. */
export function startRefusal(job: Job, rules: AttemptRules): string | undefined {
  if (job.stalledCounter > rules.maxStalledCount) return "job stalled more than allowable limit";
  if (job.attemptsStarted > rules.maxStartedAttempts)
    return "job started more than allowable limit";
  return undefined;
}
