// How a job lies in the outbox: JSON with the core's names of the options, the same as Python's.
import { invalidArgument } from "./errors.js";
import { type OptionSet, packOptions } from "./job-options.js";
import { encodeData } from "./serializer.js";
import type { JobsOptions } from "./types.js";
import { OPTION_COUNT, Option, SEPARATOR } from "./wire.js";

const BACKOFFS = ["none", "fixed", "exponential", "custom"];
const DELIVERIES = ["at_least_once", "at_most_once"];
const SEALINGS = ["default", "none", "encrypt", "sign"];
const THROTTLE = 1; // the core's Deduplication::Mode
const UNTIL_RELEASED = -1;

/** The options that are one number, by the core's names. */
const NUMBERS: Record<string, Option> = {
  due_at_ms: Option.dueAt,
  expires_at_ms: Option.expiresAt,
  priority: Option.priority,
  max_crashes: Option.maxCrashes,
  time_limit_ms: Option.timeLimit,
  soft_time_limit_ms: Option.softTimeLimit,
  keep_logs: Option.keepLogs,
};

/** Checks a job as queue.add() does, and makes the text of its row. Relative times become absolute. */
export function encodeRow(
  queue: string,
  name: string,
  data: unknown,
  opts: JobsOptions,
  now: number,
): string {
  for (const option of ["after", "parent", "join", "deduplication", "tx", "durability"] as const) {
    if (opts[option] !== undefined) {
      throw invalidArgument(
        `outbox.add: option ${option} is not possible: the relay cannot keep it`,
      );
    }
  }
  const { numbers, text } = packOptions("outbox.add: option", queue, opts);
  const get = (option: number): number => numbers[option] ?? 0;
  const [, headers, group] = text.split(SEPARATOR) as [string, string, string | undefined];
  const row: Record<string, unknown> = { queue, name, content_type: "json" };
  row["data"] = encodeData("outbox.add", data, opts.sizeLimit);
  row["retry"] = {
    max_attempts: get(Option.attempts),
    backoff: BACKOFFS[get(Option.backoffKind)],
    delay_ms: get(Option.backoffDelay),
    max_ms: get(Option.backoffMax),
    jitter: get(Option.backoffJitter),
  };
  if (headers !== "") row["headers"] = headers;
  for (const [field, option] of Object.entries(NUMBERS)) row[field] = get(option);
  if (get(Option.delay) > 0) row["due_at_ms"] = now + get(Option.delay);
  if (get(Option.expiresIn) > 0) row["expires_at_ms"] = now + get(Option.expiresIn);
  row["lifo"] = get(Option.lifo) !== 0;
  if (!Number.isNaN(get(Option.completedAge))) {
    row["keep_completed"] = [get(Option.completedAge), get(Option.completedCount)];
  }
  if (!Number.isNaN(get(Option.failedAge))) {
    row["keep_failed"] = [get(Option.failedAge), get(Option.failedCount)];
  }
  if (get(Option.hasModel) !== 0) {
    row["group"] = group ?? "";
    row["delivery"] = DELIVERIES[get(OPTION_COUNT + 1)];
    row["sealing"] = SEALINGS[get(OPTION_COUNT + 2)];
  }
  return JSON.stringify(row);
}

/** A row as the enqueuer takes it, under a key that stays until it is released. */
export function decodeRow(
  id: string,
  job: string,
  key: string,
): { queue: string; set: OptionSet; text: string } {
  const row: unknown = JSON.parse(job);
  if (typeof row !== "object" || row === null) throw invalidArgument("the row holds no object");
  const fields = row as Record<string, unknown>;
  const text = (field: string, otherwise?: string): string => {
    const value = fields[field] ?? otherwise;
    if (typeof value !== "string" || value.includes(SEPARATOR)) {
      throw invalidArgument(`${field} must be a string without U+0000`);
    }
    return value;
  };
  const number = (value: unknown, otherwise: number): number =>
    typeof value === "number" ? value : otherwise;
  if (text("content_type", "json") !== "json") {
    throw invalidArgument("content_type is not json: only Python's relay moves such a job");
  }
  const numbers = new Float64Array(OPTION_COUNT + 8);
  numbers[Option.maxCrashes] = 3;
  numbers[Option.keepLogs] = -1;
  for (const [field, option] of Object.entries(NUMBERS)) {
    numbers[option] = number(fields[field], numbers[option] ?? 0);
  }
  const retry = (fields["retry"] ?? {}) as Record<string, unknown>;
  numbers[Option.attempts] = number(retry["max_attempts"], 1);
  numbers[Option.backoffKind] = Math.max(0, BACKOFFS.indexOf(String(retry["backoff"])));
  numbers[Option.backoffDelay] = number(retry["delay_ms"], 0);
  numbers[Option.backoffMax] = number(retry["max_ms"], 0);
  numbers[Option.backoffJitter] = number(retry["jitter"], 0);
  numbers[Option.lifo] = fields["lifo"] === true ? 1 : 0;
  const keep = (value: unknown): [number, number] => {
    const [age, count] = Array.isArray(value) ? (value as unknown[]) : [];
    return [number(age, NaN), number(count, NaN)];
  };
  numbers.set(keep(fields["keep_completed"]), Option.completedAge);
  numbers.set(keep(fields["keep_failed"]), Option.failedAge);
  numbers[Option.hasModel] = 1;
  const delivery = Math.max(0, DELIVERIES.indexOf(String(fields["delivery"])));
  const sealing = Math.max(0, SEALINGS.indexOf(String(fields["sealing"])));
  // join, delivery, sealing; the key's mode, time and states; no dependencies, no parent
  numbers.set([0, delivery, sealing, THROTTLE, UNTIL_RELEASED, 0, 0, 0], OPTION_COUNT);
  const queue = text("queue");
  const options = [queue, text("headers", ""), text("group", ""), key, ""].join(SEPARATOR);
  return {
    queue,
    set: { text: options, numbers, crossing: 0, index: 0 },
    text: [text("name"), text("data"), id, ""].join(SEPARATOR),
  };
}
