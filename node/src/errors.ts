// What goes wrong, as classes. Every error that comes from Millrace itself has a stable `code`.
import { inspect, types } from "node:util";

import type { ErrorCode } from "./enums.js";
import { isOfKind, mark } from "./kinds.js";

/** The stable names of the core's codes. */
export type MillraceErrorCode =
  | "invalid_argument"
  | "not_found"
  | "wrong_state"
  | "lease_lost"
  | "too_large"
  | "queue_full"
  | "group_full"
  | "timeout"
  | "closed"
  | "forked_child"
  | "busy"
  | "disk_full"
  | "io_error"
  | "corrupt"
  | "not_a_store"
  | "newer_schema"
  | "unsupported_filesystem"
  | "permission_denied"
  | "internal";

/**
 * An operation was refused or failed; `code` says why, and nothing was changed. A JobError has one of BullMQ's numbers
 * as its code.
 */
export class MillraceError extends Error {
  static {
    mark(this.prototype, "error");
  }
  override readonly name: string = "MillraceError";

  constructor(
    readonly code: MillraceErrorCode | ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** The code in words, also where `code` is a number. */
  get reason(): MillraceErrorCode {
    return this.code as MillraceErrorCode;
  }
}

/** Throw it in a processor to fail the job for good, whatever attempts are left. */
export class UnrecoverableError extends Error {
  override readonly name: string = "UnrecoverableError";
}

/**
 * Throw it in a processor after `await job.moveToWaitingChildren()` answered true: the job waits for its children, its
 * slot is free meanwhile, and the processor is called again when they are done. The attempt is not counted.
 */
export class WaitingChildrenError extends Error {
  override readonly name: string = "WaitingChildrenError";

  constructor(message = "the job waits for its children") {
    super(message);
  }
}

/**
 * Throw it in a processor after `await job.moveToDelayed(timestamp, token)`: the job is delayed until then, and the
 * attempt is not counted.
 */
export class DelayedError extends Error {
  override readonly name: string = "DelayedError";

  constructor(message = "the job was moved to delayed") {
    super(message);
  }
}

/**
 * Throw it in a processor after `await job.moveToWait(token)`: the job goes back to its place, and the attempt is not
 * counted.
 */
export class WaitingError extends Error {
  override readonly name: string = "WaitingError";

  constructor(message = "the job was moved to wait") {
    super(message);
  }
}

/** What a rate limit holds for: the job's own queue, name or group, or the whole store. */
export type RateLimitScope = "queue" | "task" | "group" | "store";

/**
 * Throw it in a processor when a remote service asks for patience: the job goes back to its place, and the attempt is
 * not counted. Say for how long with `await worker.rateLimit(ms)` before, or with `limit`: then nothing of its scope
 * (default: the queue) starts for so long, in one commit with the job's return.
 */
export class RateLimitError extends Error {
  override readonly name: string = "RateLimitError";

  constructor(
    message = "rate limited",
    readonly limit?: { ms: number; scope?: RateLimitScope },
  ) {
    super(message);
  }
}

/** The reason of an AbortSignal, and what a cancelled job fails with. */
export class JobCancelledError extends Error {
  override readonly name: string = "JobCancelled";
}

/** The reason of an AbortSignal when the job's `timeLimit` (hard) or `softTimeLimit` (soft) has passed. */
export class TimeLimitError extends Error {
  override readonly name: string;

  constructor(
    readonly kind: "soft" | "hard",
    message: string,
  ) {
    super(message);
    this.name = kind === "soft" ? "SoftTimeLimitExceeded" : "TimeLimitExceeded";
  }
}

/** An error as it travels between languages. */
export interface ErrorBody {
  type: string;
  message: string;
  stack?: string;
  data?: unknown;
}

/** A job failed somewhere, perhaps in another language: `type` is the name of the error's class there. */
export class RemoteError extends Error {
  override readonly name: string = "RemoteError";
  readonly type: string;
  /** The stack (or traceback) of the process that ran the job; empty if it sent none. */
  readonly remoteStack: string;
  readonly data: unknown;

  constructor(
    body: ErrorBody,
    readonly jobId: string,
  ) {
    super(body.message);
    this.type = body.type;
    this.remoteStack = body.stack ?? "";
    this.data = body.data;
  }
}

export function invalidArgument(message: string): MillraceError {
  return new MillraceError("invalid_argument", message);
}

/** An error of the addon as one of ours; anything else as it is. */
export function toMillraceError(error: unknown): unknown {
  if (error instanceof Error && !isOfKind(error, "error") && "code" in error) {
    return new MillraceError(error.code as MillraceErrorCode, error.message);
  }
  return error;
}

/** Awaits a call of the addon, so that a failure is a MillraceError with the caller's stack. */
export async function nativeCall<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    throw toMillraceError(error);
  }
}

/** Also one of another realm, such as of node:vm, in which test runners put their files: instanceof knows it not. */
export function isErrorObject(thrown: unknown): thrown is Error {
  return thrown instanceof Error || types.isNativeError(thrown);
}

/** Whether it is of the class of this name; by the name, as a program may hold two copies of this package. */
export function isError(error: unknown, name: string): boolean {
  try {
    return isErrorObject(error) && error.name === name;
  } catch {
    return false; // its name is a getter of the user's that throws
  }
}

export function hasCode(error: unknown, code: MillraceErrorCode): boolean {
  return isOfKind(error, "error") && (error as MillraceError).reason === code;
}

function typeOf(error: Error): string {
  if (error.name !== "Error" && error.name !== "") return error.name;
  const named = error.constructor?.name;
  return typeof named === "string" && named !== "" ? named : "Error";
}

/** What `read` answers, as text. A thrown value is user code: its getters and toString may throw themselves. */
function textOf(read: () => unknown, otherwise: string): string {
  try {
    return String(read());
  } catch {
    return otherwise;
  }
}

/** A thrown value that is no Error: "[object Object]" would tell nobody what it was. */
function describe(thrown: unknown): string {
  const text = textOf(() => thrown, "[object ]");
  return text.startsWith("[object ") ? textOf(() => inspect(thrown, { depth: 2 }), text) : text;
}

/** What stands for an Error though it is none: an object with a message. */
function messageOf(thrown: unknown): string {
  try {
    const { message } = thrown as { message?: unknown };
    if (typeof message === "string" && message !== "") return message;
  } catch {
    // null, undefined, or a getter that throws
  }
  return describe(thrown);
}

/** The JSON text of a thrown value, as every language reads it. Never throws. */
export function encodeError(thrown: unknown): string {
  if (!isErrorObject(thrown)) {
    return JSON.stringify({ type: "Error", message: messageOf(thrown), stack: "" });
  }
  const body: ErrorBody = {
    type: textOf(() => typeOf(thrown), "Error"),
    message: textOf(() => thrown.message, "an error whose message cannot be read"),
    stack: textOf(() => thrown.stack ?? "", ""),
  };
  try {
    const data: unknown = (thrown as { data?: unknown }).data;
    return JSON.stringify(data === undefined ? body : { ...body, data });
  } catch {
    return JSON.stringify(body); // the data is no JSON: the error itself matters more
  }
}

/** The inverse, for text that some other program may have written. */
export function decodeError(json: string): ErrorBody {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value === "object" && value !== null) {
      const { type, message, stack, data } = value as Partial<Record<keyof ErrorBody, unknown>>;
      const body: ErrorBody = {
        type: typeof type === "string" ? type : "Error",
        message: typeof message === "string" ? message : json,
      };
      if (typeof stack === "string") body.stack = stack;
      if (data !== undefined) body.data = data;
      return body;
    }
  } catch {
    // Not JSON: shown as it is.
  }
  return { type: "Error", message: json };
}
