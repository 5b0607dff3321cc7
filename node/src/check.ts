// Checks of arguments. Every message names the argument, what was given and what is accepted.
import { invalidArgument } from "./errors.js";

const CONTROL = /[\u0000-\u001f\u007f]/;
/** Two different ones would become the same U+FFFD in UTF-8: two queues would be one. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** A value as a message shows it: short, and never the whole payload. */
export function show(value: unknown): string {
  if (typeof value === "string") {
    return value.length > 40 ? `${JSON.stringify(value.slice(0, 40))}...` : JSON.stringify(value);
  }
  if (typeof value === "function") return "a function";
  if (typeof value === "bigint") return `${String(value)}n`;
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object" && value !== null) {
    const name = value.constructor?.name;
    return name === undefined || name === "Object" ? "an object" : `a ${name}`;
  }
  return String(value);
}

export function checkString(what: string, value: unknown): asserts value is string {
  if (typeof value !== "string")
    throw invalidArgument(`${what} must be a string, not ${show(value)}`);
}

/** The name of a queue, a job or a worker, or an id: 1 to 255 bytes of UTF-8 without control characters. */
export function checkName(what: string, value: unknown): asserts value is string {
  checkString(what, value);
  if (value === "") throw invalidArgument(`${what} must not be empty`);
  // Two bytes at most for a character below U+0800, three for others: most names never need the exact count.
  if (value.length > 85 && Buffer.byteLength(value) > 255) {
    throw invalidArgument(
      `${what} must be at most 255 bytes long, not ${Buffer.byteLength(value)}`,
    );
  }
  if (CONTROL.test(value)) {
    throw invalidArgument(`${what} must not contain control characters: ${show(value)}`);
  }
  if (LONE_SURROGATE.test(value)) {
    throw invalidArgument(`${what} must not contain a lone surrogate: ${show(value)}`);
  }
}

export function checkInteger(
  what: string,
  value: unknown,
  min: number,
  max: number,
): asserts value is number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
    throw invalidArgument(`${what} must be an integer from ${min} to ${max}, not ${show(value)}`);
  }
}

/** A duration in milliseconds. */
export function checkDuration(what: string, value: unknown): asserts value is number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > MAX_MS) {
    throw invalidArgument(
      `${what} must be a whole number of milliseconds from 0 to ${MAX_MS}, not ${show(value)}`,
    );
  }
}
/** About 3,170 years: durations and times stay exact in a double with room to spare. */
export const MAX_MS = 100_000_000_000_000;

export function checkBoolean(what: string, value: unknown): asserts value is boolean {
  if (typeof value !== "boolean")
    throw invalidArgument(`${what} must be true or false, not ${show(value)}`);
}

export function checkObject(
  what: string,
  value: unknown,
): asserts value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalidArgument(`${what} must be an object, not ${show(value)}`);
  }
}

export function checkOneOf(what: string, value: unknown, accepted: readonly string[]): void {
  if (typeof value !== "string" || !accepted.includes(value)) {
    throw invalidArgument(
      `${what} must be one of ${accepted.map(show).join(", ")}, not ${show(value)}`,
    );
  }
}

/** Refuses options that we do not know: a misspelt one must not be ignored in silence. */
export function checkKnownOptions(
  what: string,
  options: object,
  known: ReadonlySet<string>,
  notHere: Readonly<Record<string, string>> = {},
): void {
  for (const key in options) {
    if (known.has(key)) continue;
    if ((options as Record<string, unknown>)[key] === undefined) continue;
    const hint = notHere[key];
    throw invalidArgument(
      hint === undefined
        ? `${what}: unknown option ${show(key)}${didYouMean(key, known)}; known are ${[...known].join(", ")}`
        : `${what}: option ${show(key)} ${hint}`,
    );
  }
}

/** What to add to a message about an unknown name. */
function didYouMean(name: string, known: Iterable<string>): string {
  const nearest = nearestName(name, known);
  return nearest === undefined ? "" : ` (did you mean ${show(nearest)}?)`;
}

/** The known name that was probably meant: as few slips away as make a misspelling, or another ending. */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  let nearest: string | undefined;
  let least = Infinity;
  const slipsMax = Math.max(1, Math.floor(name.length / 3));
  for (const each of known) {
    const [given, meant] = [name.toLowerCase(), each.toLowerCase()];
    const slips = distance(given, meant);
    if (slips >= least || slips > slipsMax + (beginAlike(given, meant) ? 1 : 0)) continue;
    least = slips;
    nearest = each;
  }
  return nearest;
}

/** Whether two words share the greater part of both: "childs" and "children". */
function beginAlike(one: string, other: string): boolean {
  let alike = 0;
  while (alike < one.length && one[alike] === other[alike]) alike++;
  return alike >= 4 && alike * 2 > Math.max(one.length, other.length);
}

/** Characters to insert, remove, replace or swap with their neighbour to get from one word to the other. */
function distance(from: string, to: string): number {
  let before: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1] ? 0 : 1;
      let cost = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + same);
      const swapped = from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      if (i > 1 && j > 1 && swapped) cost = Math.min(cost, at(before, j - 2) + 1);
      row.push(cost);
    }
    before = last;
    last = row;
  }
  return at(last, to.length);
}

function at(row: number[], index: number): number {
  return row[index] as number;
}
