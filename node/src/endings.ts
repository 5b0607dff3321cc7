// What a processor's result or error says to the core.
import type { ActiveJob } from "./active-job.js";
import { effectsOfNoEnd } from "./job-transaction.js";
import { show } from "./check.js";
import { FailedChildrenError, pendingChildren } from "./job-errors.js";
import type { Job } from "./job.js";
import {
  type RateLimitError,
  type RateLimitScope,
  decodeError,
  encodeError,
  isError,
} from "./errors.js";
import { type RetryDecision, decideRetry } from "./retry.js";
import { encodeJson } from "./serializer.js";
import { type Outcome, OutcomeKind } from "./settler.js";
import type { JobState, WorkerOptions } from "./types.js";

const BY_THE_JOB: RetryDecision = { retryable: true, delay: NaN };
const NEVER: RetryDecision = { retryable: false, delay: NaN };
/** In the order of the core's LimitScope, from 1. */
const RATE_LIMIT_SCOPES: RateLimitScope[] = ["store", "queue", "task", "group"];

function outcome(
  { token }: ActiveJob,
  kind: OutcomeKind,
  body: string,
  { retryable, delay }: RetryDecision,
  jobs?: Outcome["jobs"],
): Outcome {
  return { token, kind, retryable, delay, body, throttleScope: 0, throttleMs: 0, jobs };
}

/** Back to its place in the queue: the attempt is not counted. */
export function released(active: ActiveJob): Outcome {
  return outcome(active, OutcomeKind.released, "", BY_THE_JOB);
}

/** To where the job was moved: the attempt is not counted. */
export function movedAway(active: ActiveJob): Outcome {
  const delay = active.moved?.delay ?? 0;
  return outcome(active, OutcomeKind.released, "", { retryable: true, delay: delay || NaN });
}

/** It waits for its children, and for those that are added with this. */
export function waitsForChildren(active: ActiveJob): Outcome {
  return outcome(active, OutcomeKind.waiting, "", BY_THE_JOB, active.children);
}

/** Throws if the result has no JSON form. */
export function endOfResult(active: ActiveJob, result: unknown): Outcome {
  active.effects?.checkClosed(active);
  if (active.replacement !== undefined) {
    if (active.effects !== undefined) throw effectsOfNoEnd();
    return outcome(active, OutcomeKind.replaced, "", BY_THE_JOB, active.replacement);
  }
  const body = encodeJson(() => `the result of job ${show(active.job.id)}`, result, "null");
  active.result = result === undefined ? null : result;
  const end = outcome(active, OutcomeKind.completed, body, BY_THE_JOB, active.effects?.take());
  end.progress = active.effects?.progress;
  return end;
}

/** Why a job may not complete, or wait, that has added children to itself; undefined: it may. */
export async function childrenRefusal(job: Job, command: string): Promise<Error | undefined> {
  const states: JobState[] = ["failed", "cancelled"];
  const { dependencies, pending } = await job.dependencies({ states, limit: 10_000 });
  const failing = dependencies.filter(({ policy }) => policy === "fail");
  const held = pending - failing.filter(({ done }) => !done).length;
  if (held > 0 && command === "moveToFinished") return pendingChildren(job.id, command);
  return failing.length === 0 ? undefined : new FailedChildrenError(job.id, command);
}

/** Errors that say what is to become of a job that has not failed. */
function goesOn(active: ActiveJob, thrown: unknown): Outcome | undefined {
  if (active.moved !== undefined) return movedAway(active);
  if ((active.waits || active.hasChildren) && isError(thrown, "WaitingChildrenError"))
    return waitsForChildren(active);
  if (!isError(thrown, "RateLimitError")) return undefined;
  const { limit } = thrown as RateLimitError;
  if (limit === undefined) return released(active);
  const throttleScope = RATE_LIMIT_SCOPES.indexOf(limit.scope ?? "queue") + 1;
  if (throttleScope === 0 || !Number.isInteger(limit.ms) || limit.ms < 0) return undefined;
  return { ...released(active), throttleScope, throttleMs: limit.ms };
}

/** Errors that say that the job was moved, and by what: they are no failure. */
const MOVES = {
  DelayedError: "moveToDelayed",
  WaitingError: "moveToWait",
  WaitingChildrenError: "moveToWaitingChildren",
} as const;

function moveOf(thrown: unknown): keyof typeof MOVES | undefined {
  return (Object.keys(MOVES) as (keyof typeof MOVES)[]).find((name) => isError(thrown, name));
}

/** A processor that throws one of them without the call before it would be started again and again. */
function notMoved(name: keyof typeof MOVES, cause: unknown): Error {
  const before = name === "WaitingChildrenError" ? "had not answered true" : "was not called";
  const message = `the processor threw a ${name}, but job.${MOVES[name]}() ${before} before`;
  return Object.assign(new Error(message, { cause }), { name });
}

/**
 * `report` hears of what goes wrong beside: a back-off strategy that throws (the job's own rule then holds), an error
 * after the job was moved elsewhere.
 */
export function endOfError(
  active: ActiveJob,
  thrown: unknown,
  opts: WorkerOptions,
  report: (error: unknown) => void,
): Outcome | Promise<Outcome> {
  const move = moveOf(thrown);
  if (active.moved !== undefined && move === undefined) report(thrown);
  const cancelled = active.aborted === "cancelled";
  if (!cancelled && active.effects !== undefined && isError(thrown, "WaitingChildrenError")) {
    thrown = effectsOfNoEnd();
  }
  const further = cancelled ? undefined : goesOn(active, thrown);
  if (further !== undefined) return further;
  if (!cancelled && move !== undefined) thrown = notMoved(move, thrown);
  const body = encodeError(thrown);
  active.errorBody = decodeError(body);
  active.error = thrown instanceof Error ? thrown : new Error(active.errorBody.message);
  if (cancelled) return outcome(active, OutcomeKind.cancelled, body, NEVER);
  const decision = decideRetry(active, active.error, opts);
  if (!(decision instanceof Promise)) return outcome(active, OutcomeKind.failed, body, decision);
  return decision.then(
    (retry) => outcome(active, OutcomeKind.failed, body, retry),
    (error: unknown) => {
      report(error);
      return outcome(active, OutcomeKind.failed, body, BY_THE_JOB);
    },
  );
}

/** Outcomes after which the job is not at its end. */
export function isNoEnd(kind: OutcomeKind | undefined): boolean {
  return (
    kind === OutcomeKind.released || kind === OutcomeKind.waiting || kind === OutcomeKind.replaced
  );
}
