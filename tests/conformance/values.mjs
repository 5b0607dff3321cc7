// The JSON of the conformance scenarios: what is expected of an answer.
import { isDeepStrictEqual } from "node:util";

export const START_MS = 1_700_000_000_000;
export const STATES = [
  ...["", "scheduled", "ready", "blocked", "active", "completed", "failed", "cancelled"],
];

/** The store's time of a scenario's; 0: none. */
export function moment(sinceStart) {
  return sinceStart === undefined ? 0 : sinceStart + START_MS;
}

export function since(atMs) {
  return atMs === 0 ? null : atMs - START_MS;
}

export function parsed(text) {
  return text === undefined || text === "" ? null : JSON.parse(text);
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isRule(value, name) {
  return isObject(value) && Object.keys(value).length === 1 && name in value;
}

/** Replaces {"repeat": [text, count]} by the text. */
export function expand(value) {
  if (Array.isArray(value)) return value.map(expand);
  if (!isObject(value)) return value;
  if (isRule(value, "repeat")) return value.repeat[0].repeat(value.repeat[1]);
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, expand(each)]));
}

/** Where an answer is not as expected; empty if it is. */
export function difference(expected, actual, where = "answer") {
  const wrong = (wanted) => `${where} is ${JSON.stringify(actual)}, not ${wanted}`;
  if (isRule(expected, "between")) {
    const [low, high] = expected.between;
    const fits = Number.isInteger(actual) && low <= actual && actual <= high;
    return fits ? "" : wrong(`in ${low}..${high}`);
  }
  if (isRule(expected, "contains")) {
    const fits = typeof actual === "string" && actual.includes(expected.contains);
    return fits ? "" : wrong(`with ${expected.contains}`);
  }
  const arrays = Array.isArray(expected) && Array.isArray(actual);
  if (arrays ? expected.length === actual.length : isObject(expected) && isObject(actual)) {
    for (const [key, each] of Object.entries(expected)) {
      if (!(key in actual)) return `${where} has no ${key}`;
      const of = difference(each, actual[key], arrays ? `${where}[${key}]` : `${where}.${key}`);
      if (of !== "") return of;
    }
    return "";
  }
  return isDeepStrictEqual(expected, actual) ? "" : wrong(JSON.stringify(expected));
}
