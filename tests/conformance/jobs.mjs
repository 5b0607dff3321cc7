// The jobs of the scenarios, packed for the addon: see node/src/wire.ts and job-model.ts.
import assert from "node:assert/strict";

import { OPTION_COUNT } from "../../node/dist/esm/wire.js";
import { STATES, moment } from "./values.mjs";

const BACKOFFS = ["none", "fixed", "exponential", "custom"];
const POLICIES = ["fail", "wait", "ignore", "remove", "continue", "cancel", "on_failure"];
const JOINS = ["run", "forward", "collect"];
const DELIVERIES = ["at_least_once", "at_most_once"];
const SEALINGS = ["default", "none", "encrypt", "sign"];
const DEDUP_MODES = ["unfinished", "throttle", "debounce", "follow_up", "states"];

export const keep = (rule) => ({ ageMs: rule.age_ms ?? -1, count: rule.count ?? -1 });

/** The position of a word; a number stands for itself, so that a scenario can give what does not exist. */
function indexOf(words, word) {
  if (typeof word === "number") return word;
  assert.ok(words.includes(word), `no such word: ${word}`);
  return words.indexOf(word);
}

/** The numbers of a job's fixed options. */
function optionNumbers(job) {
  const { retry = {} } = job;
  const rule = (given) => (given === undefined ? [NaN, NaN] : Object.values(keep(given)));
  const numbers = [
    ...[0, moment(job.due_at_ms), job.delay_ms ?? 0, moment(job.expires_at_ms)],
    ...[job.expires_in_ms ?? 0, job.priority ?? 0, job.lifo ? 1 : 0, retry.max_attempts ?? 1],
    ...[BACKOFFS.indexOf(retry.backoff ?? "none"), retry.delay_ms ?? 0, retry.max_ms ?? 0],
    ...[retry.jitter ?? 0, job.max_crashes ?? 3, job.time_limit_ms ?? 0],
    ...[job.soft_time_limit_ms ?? 0, job.keep_logs ?? -1],
    ...[...rule(job.keep_completed), ...rule(job.keep_failed)],
    1, // what few jobs have follows: of every job here
  ];
  assert.equal(numbers.length, OPTION_COUNT);
  return numbers;
}

function model(runner, job) {
  const { after = [], dedup = {}, parent } = job;
  const states = (dedup.states ?? []).map((state) => 1 << STATES.indexOf(state));
  const numbers = [
    indexOf(JOINS, job.join ?? "run"),
    indexOf(DELIVERIES, job.delivery ?? "at_least_once"),
    indexOf(SEALINGS, job.sealing ?? "default"),
    indexOf(DEDUP_MODES, dedup.mode ?? "unfinished"),
    dedup.ttl_ms ?? 0,
    states.reduce((all, bit) => all | bit, 0),
    after.length,
  ];
  const texts = [job.group ?? "", dedup.key ?? ""];
  for (const edge of after) {
    numbers.push(edge.index ?? -1, indexOf(POLICIES, edge.policy ?? "fail"));
    texts.push(...(edge.job === undefined ? ["", ""] : runner.ref(edge)), edge.name ?? "");
  }
  if (parent === undefined) return { numbers: [...numbers, 0], texts };
  const token = parent.held ? runner.lease(parent).token : 0;
  numbers.push(1, token, indexOf(POLICIES, parent.policy ?? "wait"));
  return { numbers, texts: [...texts, ...runner.ref(parent), parent.name ?? ""] };
}

/** Jobs as one batch; each has options of its own. */
export function packJobs(runner, jobs) {
  const numbers = [jobs.length, 1];
  const texts = [];
  for (const job of jobs) {
    const few = model(runner, job);
    const headers = job.headers === undefined ? "" : JSON.stringify(job.headers);
    numbers.push(...optionNumbers(job), ...few.numbers);
    texts.push(job.queue ?? "q", headers, ...few.texts);
  }
  numbers.push(jobs.length, ...jobs.keys());
  for (const job of jobs) texts.push(job.name ?? "n", JSON.stringify(job.data ?? {}), job.id ?? "");
  return { numbers, text: texts.map((text) => `${text}\0`).join("") };
}
