// Errors with BullMQ's numbers and sentences: programs compare both.
import { ErrorCode } from "./enums.js";
import { MillraceError, type MillraceErrorCode, UnrecoverableError, hasCode } from "./errors.js";
import { referenceOf } from "./job-model.js";
import type { JobsOptions } from "./types.js";

/** Something could not be done to a job. `code` is a number of ErrorCode; `reason` says the same in the core's words. */
export class JobError extends MillraceError {
  override readonly name = "JobError";
  declare readonly code: ErrorCode;
  readonly #reason: MillraceErrorCode;

  constructor(code: ErrorCode, reason: MillraceErrorCode, message: string, options?: ErrorOptions) {
    super(code, message, options);
    this.#reason = reason;
  }

  override get reason(): MillraceErrorCode {
    return this.#reason;
  }
}

export function missingJob(id: string, command: string, options?: ErrorOptions): JobError {
  const message = `Missing key for job ${id}. ${command}`;
  return new JobError(ErrorCode.JobNotExist, "not_found", message, options);
}

export function missingParent(
  parentKey: string,
  command: string,
  options?: ErrorOptions,
): JobError {
  const message = `Missing key for parent job ${parentKey}. ${command}`;
  return new JobError(ErrorCode.ParentJobNotExist, "not_found", message, options);
}

/** A job that ended although it still waits for children that its processor has added. */
export function pendingChildren(id: string, command: string): JobError {
  const message = `Job ${id} has pending dependencies. ${command}`;
  return new JobError(ErrorCode.JobPendingChildren, "wrong_state", message);
}

/** A child of the job has failed whose failure is the job's: it is not tried again. */
export class FailedChildrenError extends UnrecoverableError {
  readonly code = ErrorCode.JobHasFailedChildren;
  readonly reason: MillraceErrorCode = "wrong_state";

  constructor(id: string, command: string) {
    super(`Cannot complete job ${id} because it has at least one failed child. ${command}`);
  }
}

/** The core's refusal of jobs[i] for its parent, as BullMQ says it; any other error as it is. */
export function addError(error: unknown, jobs: readonly { opts: JobsOptions }[]): unknown {
  if (!hasCode(error, "not_found")) return error;
  const index = /^jobs\[(\d+)\][^.]*\.parent: /.exec((error as Error).message)?.[1];
  const job = index === undefined ? undefined : jobs[Number(index)];
  if (job?.opts.parent === undefined) return error;
  const { id, queue } = referenceOf("parent", job.opts.parent);
  return missingParent(queue === "" ? id : `${queue}:${id}`, "addJob", { cause: error });
}

export function missingLock(id: string, command: string): JobError {
  const message = `Missing lock for job ${id}. ${command}`;
  return new JobError(ErrorCode.JobLockNotExist, "lease_lost", message);
}

export function lockMismatch(id: string, command: string): JobError {
  const message = `Lock mismatch for job ${id}. Cmd ${command} from active`;
  return new JobError(ErrorCode.JobLockMismatch, "lease_lost", message);
}

export function notInState(
  id: string,
  state: string,
  command: string,
  options?: ErrorOptions,
): JobError {
  const message = `Job ${id} is not in the ${state} state. ${command}`;
  return new JobError(ErrorCode.JobNotInState, "wrong_state", message, options);
}

/** The core's refusal as BullMQ says it; any other error as it is. `state`: in which the job would have to be. */
export function jobError(error: unknown, id: string, command: string, state?: string): unknown {
  const options = { cause: error };
  if (hasCode(error, "not_found")) return missingJob(id, command, options);
  if (state !== undefined && hasCode(error, "wrong_state")) {
    return notInState(id, state, command, options);
  }
  return error;
}

/** Awaits a change of one job. */
export async function changing<T>(
  change: Promise<T>,
  id: string,
  command: string,
  state?: string,
): Promise<T> {
  try {
    return await change;
  } catch (error) {
    throw jobError(error, id, command, state);
  }
}
