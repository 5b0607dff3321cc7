// Job options: checked, packed into numbers for the addon, and back.
import {
  checkBoolean,
  checkDuration,
  checkInteger,
  checkKnownOptions,
  checkName,
  checkObject,
  checkOneOf,
  nearestName,
  show,
} from "./check.js";
import { invalidArgument } from "./errors.js";
import { EXTRAS_HEADER, type JobExtras, extrasOf, readExtras, unpackExtras } from "./job-extras.js";
import { type PackContext, packModel, referenceOf, unpackModel } from "./job-model.js";
import { checkJobId } from "./peer-rules.js";
import { CONTENT_JSON } from "./serializer.js";
import type { BackoffOptions, Durability, JobsOptions, KeepJobs } from "./types.js";
import { OPTION_COUNT, Option, SEPARATOR, type Spec } from "./wire.js";

const KNOWN: ReadonlySet<string> = new Set([
  "jobId",
  "delay",
  "priority",
  "attempts",
  "backoff",
  "lifo",
  "removeOnComplete",
  "removeOnFail",
  "keepLogs",
  "sizeLimit",
  "expires",
  "timeLimit",
  "softTimeLimit",
  "maxCrashes",
  "headers",
  "durability",
  ...(["timestamp", "stackTraceLimit", "prevMillis", "repeatJobKey", "telemetry"] as const),
  ...(["group", "deduplication", "delivery", "sealing", "parent", "after", "join", "as"] as const),
  ...(["onFailure", "failParentOnFailure", "ignoreDependencyOnFailure"] as const),
  ...(["removeDependencyOnFailure", "continueParentOnFailure"] as const),
] satisfies (keyof JobsOptions)[]);
const NOT_HERE = {
  repeat: "is gone since BullMQ 6: use queue.upsertJobScheduler() or store.schedules.put()",
  debounce: "has been removed. Use deduplication option instead, with replace: true",
};
const BACKOFF_TYPES = ["", "fixed", "exponential", "custom"] as const;
const CUSTOM = 3;
const DURABILITIES = ["memory", "process", "power"] as const;
const KEEP_ALL = -1;

/** Options shared by many jobs, as the addon reads them. */
export interface OptionSet {
  /** The queue, the headers (JSON text, or empty) and what few jobs have, each followed by U+0000. */
  text: string;
  numbers: Float64Array;
  /** Where the crossing that is being built has them; belongs to the enqueuer. */
  crossing: number;
  index: number;
}

export function checkDurability(
  what: string,
  value: unknown,
): asserts value is Durability | undefined {
  if (value !== undefined) checkOneOf(what, value, DURABILITIES);
}

/** The core's number of a durability; -1: the store's. */
export function durabilityNumber(value: Durability | undefined): number {
  return value === undefined ? -1 : DURABILITIES.indexOf(value);
}

export function durabilityName(value: number): Durability {
  return DURABILITIES[value] ?? "power";
}

/** Any other name is the user's own, for the worker's backoffStrategy; a misspelt one is not. */
function checkBackoffType(what: string, type: unknown): void {
  checkName(what, type);
  const nearest = nearestName(type, BACKOFF_TYPES.slice(1, 3));
  if (nearest === undefined || nearest === type) return;
  throw invalidArgument(`${what} must not be ${show(type)}: did you mean ${show(nearest)}?`);
}

const BACKOFF_OPTIONS = new Set(["type", "delay", "jitter"]);

function packBackoff(what: string, value: unknown, out: Float64Array): void {
  if (typeof value === "number") {
    checkDuration(`${what} backoff`, value);
    out[Option.backoffKind] = value > 0 ? 1 : 0;
    out[Option.backoffDelay] = value;
    return;
  }
  if (typeof value !== "object" || value === null) {
    throw invalidArgument(
      `${what} backoff must be milliseconds or {type, delay, jitter}, not ${show(value)}`,
    );
  }
  checkKnownOptions(`${what} backoff`, value, BACKOFF_OPTIONS);
  const { type, delay = 0, jitter = 0 } = value as BackoffOptions;
  checkBackoffType(`${what} backoff.type`, type);
  checkDuration(`${what} backoff.delay`, delay);
  if (typeof jitter !== "number" || !(jitter >= 0 && jitter <= 1)) {
    throw invalidArgument(
      `${what} backoff.jitter must be a number from 0 to 1, not ${show(jitter)}`,
    );
  }
  const kind = BACKOFF_TYPES.indexOf(type as (typeof BACKOFF_TYPES)[number]);
  out[Option.backoffKind] = kind < 0 ? CUSTOM : kind;
  out[Option.backoffDelay] = delay;
  out[Option.backoffJitter] = jitter;
}

const KEEP_OPTIONS = new Set(["age", "count", "limit"]);

/** [age in ms, count], negative: no bound. */
export function keepNumbers(what: string, value: unknown): [number, number] {
  if (value === true) return [KEEP_ALL, 0];
  if (value === false) return [KEEP_ALL, KEEP_ALL];
  if (typeof value === "number") {
    checkInteger(what, value, 0, Number.MAX_SAFE_INTEGER);
    return [KEEP_ALL, value];
  }
  if (typeof value !== "object" || value === null) {
    throw invalidArgument(
      `${what} must be true, false, a count or {age, count}, not ${show(value)}`,
    );
  }
  checkKnownOptions(what, value, KEEP_OPTIONS);
  const { age, count, limit } = value as KeepJobs;
  if (limit !== undefined) checkInteger(`${what}.limit`, limit, 0, Number.MAX_SAFE_INTEGER);
  if (age !== undefined) checkInteger(`${what}.age (seconds)`, age, 0, 100_000_000_000);
  if (count !== undefined) checkInteger(`${what}.count`, count, 0, Number.MAX_SAFE_INTEGER);
  return [age === undefined ? KEEP_ALL : age * 1000, count ?? KEEP_ALL];
}

function packExpires(what: string, value: unknown, out: Float64Array): void {
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw invalidArgument(`${what} expires is an invalid Date`);
    out[Option.expiresAt] = Math.max(1, value.getTime());
    return;
  }
  checkDuration(`${what} expires`, value);
  if (value === 0) throw invalidArgument(`${what} expires must be more than 0 milliseconds`);
  out[Option.expiresIn] = value;
}

export function encodeHeaders(
  what: string,
  headers: unknown,
  extras: JobExtras | undefined,
): string {
  if (headers === undefined && extras === undefined) return "";
  if (headers !== undefined) checkObject(`${what} headers`, headers);
  for (const [key, value] of Object.entries(headers ?? {})) {
    if (typeof value !== "string") {
      throw invalidArgument(`${what} headers.${key} must be a string, not ${show(value)}`);
    }
  }
  if (extras === undefined) return JSON.stringify(headers);
  return JSON.stringify({ ...headers, [EXTRAS_HEADER]: JSON.stringify(extras) });
}

/** Checks the options and packs them. `what` begins every message, such as "queue.add: option". */
export function packOptions(
  what: string,
  queue: string,
  opts: JobsOptions,
  context: PackContext = {},
): OptionSet {
  checkKnownOptions(what.replace(/: option$/, ""), opts, KNOWN, NOT_HERE);
  const model = packModel(what, opts, context);
  const numbers = new Float64Array(OPTION_COUNT + (model?.numbers.length ?? 0));
  numbers[Option.contentType] = CONTENT_JSON;
  numbers[Option.attempts] = 1;
  numbers[Option.maxCrashes] = 3;
  numbers[Option.keepLogs] = -1;
  numbers.fill(NaN, Option.completedAge, Option.failedCount + 1);
  if (opts.jobId !== undefined) {
    checkName(`${what} jobId`, opts.jobId);
    checkJobId(`${what} jobId`, opts.jobId);
  }
  const parent = opts.parent === undefined ? undefined : referenceOf(what, opts.parent);
  const extras = extrasOf(what, opts, parent, context.repeat);
  if (opts.delay !== undefined) {
    checkDuration(`${what} delay`, opts.delay);
    if (opts.timestamp === undefined) numbers[Option.delay] = opts.delay;
    else if (opts.delay > 0) numbers[Option.dueAt] = Math.max(1, opts.timestamp + opts.delay);
  }
  if (opts.priority !== undefined) {
    checkInteger(`${what} priority`, opts.priority, 0, 2_097_152);
    numbers[Option.priority] = opts.priority;
  }
  if (opts.attempts !== undefined) {
    checkInteger(`${what} attempts`, opts.attempts, 0, 1_000_000);
    numbers[Option.attempts] = Math.max(1, opts.attempts);
  }
  if (opts.backoff !== undefined) packBackoff(what, opts.backoff, numbers);
  if (opts.lifo !== undefined) {
    checkBoolean(`${what} lifo`, opts.lifo);
    numbers[Option.lifo] = opts.lifo ? 1 : 0;
  }
  if (opts.removeOnComplete !== undefined) {
    numbers.set(
      keepNumbers(`${what} removeOnComplete`, opts.removeOnComplete),
      Option.completedAge,
    );
  }
  if (opts.removeOnFail !== undefined) {
    numbers.set(keepNumbers(`${what} removeOnFail`, opts.removeOnFail), Option.failedAge);
  }
  packLimits(what, opts, numbers);
  checkDurability(`${what} durability`, opts.durability);
  let text = queue + SEPARATOR + encodeHeaders(what, opts.headers, extras) + SEPARATOR;
  if (model !== undefined) {
    numbers[Option.hasModel] = 1;
    numbers.set(model.numbers, OPTION_COUNT);
    text += model.text;
  }
  return { text, numbers, crossing: 0, index: 0 };
}

function packLimits(what: string, opts: JobsOptions, out: Float64Array): void {
  if (opts.keepLogs !== undefined) {
    checkInteger(`${what} keepLogs`, opts.keepLogs, 0, 2_147_483_647);
    out[Option.keepLogs] = opts.keepLogs;
  }
  if (opts.sizeLimit !== undefined)
    checkInteger(`${what} sizeLimit`, opts.sizeLimit, 0, Number.MAX_SAFE_INTEGER);
  if (opts.expires !== undefined) packExpires(what, opts.expires, out);
  if (opts.timeLimit !== undefined) {
    checkDuration(`${what} timeLimit`, opts.timeLimit);
    out[Option.timeLimit] = opts.timeLimit;
  }
  if (opts.softTimeLimit !== undefined) {
    checkDuration(`${what} softTimeLimit`, opts.softTimeLimit);
    if (
      opts.timeLimit !== undefined &&
      opts.timeLimit > 0 &&
      opts.softTimeLimit >= opts.timeLimit
    ) {
      throw invalidArgument(
        `${what} softTimeLimit must be less than timeLimit (${opts.timeLimit}), not ${opts.softTimeLimit}`,
      );
    }
    out[Option.softTimeLimit] = opts.softTimeLimit;
  }
  if (opts.maxCrashes !== undefined) {
    checkInteger(`${what} maxCrashes`, opts.maxCrashes, 0, 1_000_000);
    out[Option.maxCrashes] = opts.maxCrashes;
  }
}

function unpackKeep(age: number, count: number): boolean | number | KeepJobs {
  if (age < 0) return count < 0 ? false : count === 0 ? true : count;
  return count < 0 ? { age: age / 1000 } : { age: age / 1000, count };
}

/** The delay that a job was added with: the core keeps when it was due. */
export function unpackDelay(numbers: Float64Array, at: number, createdAt: number): number {
  const dueAt = numbers[at + Option.dueAt] ?? 0;
  return dueAt === 0 ? 0 : Math.max(0, dueAt - createdAt);
}

function unpackHeaders(headers: string, opts: JobsOptions): void {
  const extras = readExtras(headers);
  if (extras !== undefined) unpackExtras(extras, opts);
  const all = Object.entries(JSON.parse(headers) as Record<string, string>);
  const users = all.filter(([name]) => name !== EXTRAS_HEADER);
  if (users.length > 0) opts.headers = Object.fromEntries(users);
}

/** The options of a job that was read back, as they would be given to add(); `expires` as a time. */
export function unpackOptions(spec: Spec, createdAt: number): JobsOptions {
  const { numbers, at, id, headers, model } = spec;
  const get = (option: Option): number => numbers[at + option] ?? 0;
  const opts: JobsOptions = {
    jobId: id,
    attempts: get(Option.attempts),
    delay: unpackDelay(numbers, at, createdAt),
    priority: get(Option.priority),
  };
  const kind = get(Option.backoffKind);
  if (kind !== 0) {
    opts.backoff = {
      type: BACKOFF_TYPES[kind] as BackoffOptions["type"],
      delay: get(Option.backoffDelay),
    };
    if (get(Option.backoffJitter) > 0) opts.backoff.jitter = get(Option.backoffJitter);
  }
  if (get(Option.lifo) !== 0) opts.lifo = true;
  if (!Number.isNaN(get(Option.completedAge))) {
    opts.removeOnComplete = unpackKeep(get(Option.completedAge), get(Option.completedCount));
  }
  if (!Number.isNaN(get(Option.failedAge))) {
    opts.removeOnFail = unpackKeep(get(Option.failedAge), get(Option.failedCount));
  }
  if (get(Option.keepLogs) >= 0) opts.keepLogs = get(Option.keepLogs);
  if (get(Option.expiresAt) > 0) opts.expires = new Date(get(Option.expiresAt));
  if (get(Option.timeLimit) > 0) opts.timeLimit = get(Option.timeLimit);
  if (get(Option.softTimeLimit) > 0) opts.softTimeLimit = get(Option.softTimeLimit);
  if (get(Option.maxCrashes) !== 3) opts.maxCrashes = get(Option.maxCrashes);
  if (headers !== "") unpackHeaders(headers, opts);
  if (model !== undefined) unpackModel(model, opts);
  return opts;
}
