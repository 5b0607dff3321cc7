// Options of BullMQ's that the core has no place for. They travel in one reserved header, so that a job without them
// costs nothing.
import {
  checkBoolean,
  checkDuration,
  checkInteger,
  checkKnownOptions,
  checkObject,
  checkString,
} from "./check.js";
import type { RepeatRule } from "./repeat-strategy.js";
import type { DependencyPolicy, JobsOptions } from "./types.js";

/** Headers that begin with "millrace-" are Millrace's own. */
export const EXTRAS_HEADER = "millrace-opts";

/** The job that waits for this one, and what it does if this one fails. */
export interface ParentKeys {
  id: string;
  /** The parent's queue. */
  queueKey: string;
  fpof?: boolean;
  rdof?: boolean;
  idof?: boolean;
  cpof?: boolean;
}

export interface JobExtras {
  timestamp?: number;
  stackTraceLimit?: number;
  prevMillis?: number;
  repeatJobKey?: string;
  telemetry?: { metadata?: string; omitContext?: boolean };
  parent?: ParentKeys;
  /** The type of a back-off that is neither of the core's. */
  backoff?: string;
  /** Of the job of a scheduler whose times a repeatStrategy computes. */
  repeat?: RepeatRule;
}

const BACKOFF_TYPES = new Set(["fixed", "exponential", "custom"]);
const NAMES = ["timestamp", "stackTraceLimit", "prevMillis", "repeatJobKey", "telemetry"] as const;
const TELEMETRY = new Set(["metadata", "omitContext"]);

function checkTelemetryOption(what: string, value: unknown): void {
  checkObject(what, value);
  checkKnownOptions(what, value, TELEMETRY);
  const { metadata, omitContext } = value;
  if (metadata !== undefined) checkString(`${what}.metadata`, metadata);
  if (omitContext !== undefined) checkBoolean(`${what}.omitContext`, omitContext);
}

function checkExtra(what: string, name: (typeof NAMES)[number], value: unknown): void {
  if (name === "telemetry") checkTelemetryOption(`${what} ${name}`, value);
  else if (name === "repeatJobKey") checkString(`${what} ${name}`, value);
  else if (name === "stackTraceLimit") checkInteger(`${what} ${name}`, value, 0, 1_000_000);
  else checkDuration(`${what} ${name}`, value);
}

export function parentKeys(id: string, queueKey: string, opts: JobsOptions): ParentKeys {
  const keys: ParentKeys = { id, queueKey };
  if (opts.failParentOnFailure === true) keys.fpof = true;
  if (opts.removeDependencyOnFailure === true) keys.rdof = true;
  if (opts.ignoreDependencyOnFailure === true) keys.idof = true;
  if (opts.continueParentOnFailure === true) keys.cpof = true;
  return keys;
}

const FLAG_OF_POLICY = { fail: "fpof", remove: "rdof", ignore: "idof", continue: "cpof" } as const;

/** The same from what the store knows. */
export function parentKeysOf(
  id: string,
  queueKey: string,
  policy: DependencyPolicy | undefined,
): ParentKeys {
  const flag = FLAG_OF_POLICY[policy as keyof typeof FLAG_OF_POLICY] as "fpof" | undefined;
  return flag === undefined ? { id, queueKey } : { id, queueKey, [flag]: true };
}

/** What of the options goes into the header, checked; undefined: nothing, as for most jobs. */
export function extrasOf(
  what: string,
  opts: JobsOptions,
  parent: { id: string; queue: string } | undefined,
  repeat?: RepeatRule,
): JobExtras | undefined {
  let extras: JobExtras | undefined = repeat && { repeat };
  for (const name of NAMES) {
    const value = opts[name];
    if (value === undefined) continue;
    checkExtra(what, name, value);
    extras = { ...extras, [name]: value };
  }
  const { backoff } = opts;
  if (typeof backoff === "object" && backoff !== null && !BACKOFF_TYPES.has(backoff.type)) {
    extras = { ...extras, backoff: backoff.type };
  }
  if (parent === undefined) return extras;
  return { ...extras, parent: parentKeys(parent.id, parent.queue, opts) };
}

/** The inverse, from the headers of a job as they are stored. Whatever somebody else wrote there, it does not throw. */
export function readExtras(headers: string): JobExtras | undefined {
  if (!headers.includes(EXTRAS_HEADER)) return undefined;
  try {
    const text = (JSON.parse(headers) as Record<string, string>)[EXTRAS_HEADER];
    const extras: unknown = text === undefined ? undefined : JSON.parse(text);
    return typeof extras === "object" && extras !== null ? extras : undefined;
  } catch {
    return undefined;
  }
}

/** The header of a job that tells which schedule made it. */
const SCHEDULE_HEADER = "millrace-schedule";

/** The scheduler that made a job of a queue, by the job's headers. */
export function schedulerOf(
  queue: string,
  headers: Record<string, string> | undefined,
): string | undefined {
  const id = headers?.[SCHEDULE_HEADER];
  if (id === undefined) return undefined;
  return id.startsWith(`${queue}:`) ? id.slice(queue.length + 1) : id;
}

const FLAGS = {
  fpof: "failParentOnFailure",
  rdof: "removeDependencyOnFailure",
  idof: "ignoreDependencyOnFailure",
  cpof: "continueParentOnFailure",
} as const;

/** Puts them among the options that are read back. */
export function unpackExtras(extras: JobExtras, opts: JobsOptions): void {
  for (const name of NAMES)
    if (extras[name] !== undefined) Object.assign(opts, { [name]: extras[name] });
  const { parent, backoff } = extras;
  if (backoff !== undefined && typeof opts.backoff === "object") opts.backoff.type = backoff;
  if (parent === undefined) return;
  opts.parent = { id: parent.id, queue: parent.queueKey };
  for (const key of ["fpof", "rdof", "idof", "cpof"] as const) {
    if (parent[key] === true) opts[FLAGS[key]] = true;
  }
}
