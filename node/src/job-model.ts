// The options that few jobs have: what a job waits for, its group, its deduplication key, its delivery. Checked, packed
// behind the fixed options (see wire.ts), and read back.
import {
  checkDuration,
  checkInteger,
  checkKnownOptions,
  checkName,
  checkObject,
  checkOneOf,
  checkString,
  show,
} from "./check.js";
import { invalidArgument } from "./errors.js";
import type { RepeatRule } from "./repeat-strategy.js";
import { JOB_TYPES, nativeState } from "./states.js";
import type {
  DeduplicationOptions,
  Delivery,
  DependencyPolicy,
  JobReference,
  JobsOptions,
  Join,
  Sealing,
  Upstream,
} from "./types.js";
import { OPTION_COUNT, SEPARATOR, type SpecModel } from "./wire.js";

/** In the order of the core's numbers. */
export const POLICIES = [
  ...(["fail", "wait", "ignore", "remove", "continue", "cancel", "on_failure"] as const),
] satisfies DependencyPolicy[];
const JOINS = ["run", "forward", "collect"] as const satisfies Join[];
const DELIVERIES = ["at-least-once", "at-most-once"] as const satisfies Delivery[];
export const SEALINGS = ["default", "none", "encrypt", "sign"] as const;

const enum DedupMode {
  unfinished,
  throttle,
  debounce,
  followUp,
  states,
}
const UNTIL_RELEASED = -1;
const GROUP_BYTES_MAX = 255;

/** One thing that a job waits for, as the core reads it. */
export interface Edge {
  /** Position in the same call, or -1: `id` and `queue` name it. */
  index: number;
  policy: number;
  id: string;
  queue: string;
  name: string;
}

/** What the packing of a job's options may need to know. */
export interface PackContext {
  /** Edges to other jobs of the same call. */
  edges?: Edge[];
  /** Of the job of a scheduler whose times the user's program computes: see repeat-strategy.ts. */
  repeat?: RepeatRule;
  /** The fencing token of a job that runs in this process, which gets a child; 0: it does not. */
  leaseOf?: (id: string, queue: string) => number;
}

export function policyNumber(policy: DependencyPolicy): number {
  return POLICIES.indexOf(policy);
}

const MODEL_OPTIONS = [
  ...(["group", "deduplication", "delivery", "sealing", "parent", "after", "join"] as const),
] satisfies (keyof JobsOptions)[];

function hasModel(opts: JobsOptions, context: PackContext): boolean {
  if (context.edges !== undefined && context.edges.length > 0) return true;
  for (const name of MODEL_OPTIONS) if (opts[name] !== undefined) return true;
  return false;
}

/** What goes behind the fixed options; undefined: nothing, as for most jobs. Checks all of it. */
export function packModel(
  what: string,
  opts: JobsOptions,
  context: PackContext,
): { numbers: number[]; text: string } | undefined {
  checkPolicyOptions(what, opts);
  if (!hasModel(opts, context)) return undefined;
  const dedup = dedupOf(`${what} deduplication`, opts.deduplication);
  const edges = [...(context.edges ?? []), ...upstreamEdges(`${what} after`, opts.after)];
  const join = numberOf(`${what} join`, opts.join, JOINS);
  if (join !== 0 && edges.length === 0) {
    throw invalidArgument(
      `${what} join ${show(opts.join)} needs something to wait for: give after`,
    );
  }
  const numbers = [
    join,
    numberOf(`${what} delivery`, opts.delivery, DELIVERIES),
    numberOf(`${what} sealing`, opts.sealing, SEALINGS),
    dedup.mode,
    dedup.ttl,
    dedup.states,
    edges.length,
  ];
  let text = groupOf(`${what} group`, opts.group) + SEPARATOR + dedup.key + SEPARATOR;
  for (const { index, policy, id, queue, name } of edges) {
    numbers.push(index, policy);
    text += id + SEPARATOR + queue + SEPARATOR + name + SEPARATOR;
  }
  if (opts.parent === undefined) return { numbers: [...numbers, 0], text };
  const { id, queue, token } = referenceOf(`${what} parent`, opts.parent);
  const policy = policyNumber(parentPolicy(opts) ?? "wait");
  const lease = context.leaseOf?.(id, queue) || token;
  numbers.push(1, lease, policy);
  return { numbers, text: text + id + SEPARATOR + queue + SEPARATOR + (opts.as ?? "") + SEPARATOR };
}

const EDGE_COUNT = 6; // where packModel() has the number of edges; pairs of position and policy follow

/** The positions that a packed option set names, in a call that has other jobs before its own. */
export function shiftEdges(numbers: Float64Array, by: number): void {
  const edges = numbers[OPTION_COUNT + EDGE_COUNT] ?? 0;
  for (let i = 0; i < edges; i++) {
    const at = OPTION_COUNT + EDGE_COUNT + 1 + 2 * i;
    const position = numbers[at] as number;
    if (position >= 0) numbers[at] = position + by;
  }
}

function numberOf(what: string, value: string | undefined, words: readonly string[]): number {
  if (value === undefined) return 0;
  checkOneOf(what, value, words);
  return words.indexOf(value);
}

const FLAGS = {
  failParentOnFailure: "fail",
  ignoreDependencyOnFailure: "ignore",
  removeDependencyOnFailure: "remove",
  continueParentOnFailure: "continue",
} as const satisfies Partial<Record<keyof JobsOptions, DependencyPolicy>>;

const FLAG_NAMES = Object.keys(FLAGS) as (keyof typeof FLAGS)[];

function checkPolicyOptions(what: string, opts: JobsOptions): void {
  if (opts.as !== undefined) checkName(`${what} as`, opts.as);
  if (opts.onFailure !== undefined) {
    checkOneOf(`${what} onFailure`, opts.onFailure, POLICIES);
  }
  let given = opts.onFailure === undefined ? undefined : "onFailure";
  for (const flag of FLAG_NAMES) {
    const value = opts[flag];
    if (value === undefined) continue;
    if (typeof value !== "boolean") {
      throw invalidArgument(`${what} ${flag} must be true or false, not ${show(value)}`);
    }
    if (!value) continue;
    if (given !== undefined) {
      throw invalidArgument(`${what} ${flag} and ${given} exclude each other: give one`);
    }
    given = flag;
  }
}

/** What those that wait for this job do if it fails; undefined: it does not say. */
export function parentPolicy(opts: JobsOptions): DependencyPolicy | undefined {
  if (opts.onFailure !== undefined) return opts.onFailure;
  for (const flag of FLAG_NAMES) {
    if (opts[flag] === true) return FLAGS[flag];
  }
  return undefined;
}

function groupOf(what: string, group: unknown): string {
  if (group === undefined) return "";
  checkObject(what, group);
  checkKnownOptions(what, group, new Set(["id"]), {
    maxSize: "belongs to the group: use store.limits.set({ queue, group, maxSize })",
    priority: "is not supported: groups take turns; a job's own priority orders it in its group",
  });
  checkGroup(`${what}.id`, group["id"]);
  return group["id"];
}

/** The name of a group. */
export function checkGroup(what: string, value: unknown): asserts value is string {
  if (typeof value === "string" && Buffer.byteLength(value) > GROUP_BYTES_MAX) {
    const size = Buffer.byteLength(value);
    throw invalidArgument(`${what} must be at most ${GROUP_BYTES_MAX} bytes long, not ${size}`);
  }
  checkName(what, value);
}

interface Dedup {
  key: string;
  mode: DedupMode;
  ttl: number;
  states: number;
}

function dedupOf(what: string, value: unknown): Dedup {
  if (value === undefined) return { key: "", mode: DedupMode.unfinished, ttl: 0, states: 0 };
  checkObject(what, value);
  checkKnownOptions(what, value, DEDUP_OPTIONS);
  const { id, ttl, extend, replace, keepLastIfActive, states } =
    value as Partial<DeduplicationOptions>;
  checkName(`${what}.id`, id);
  for (const [name, flag] of Object.entries({ extend, replace, keepLastIfActive })) {
    if (flag !== undefined && typeof flag !== "boolean") {
      throw invalidArgument(`${what}.${name} must be true or false, not ${show(flag)}`);
    }
  }
  const age = ttl === Infinity ? UNTIL_RELEASED : (ttl ?? 0);
  if (age !== UNTIL_RELEASED) checkDuration(`${what}.ttl`, age);
  const modes = [replace === true, keepLastIfActive === true, states !== undefined];
  if (modes.filter(Boolean).length > 1) {
    throw invalidArgument(
      `${what}: replace, keepLastIfActive and states exclude each other: give one`,
    );
  }
  if (extend === true && replace !== true) {
    throw invalidArgument(`${what}.extend needs replace: true: only a job that waits is put off`);
  }
  // The delay of the newest job decides, so that a debounce has no time of its own.
  if (replace === true) return { key: id, mode: DedupMode.debounce, ttl: 0, states: 0 };
  if (keepLastIfActive === true) return { key: id, mode: DedupMode.followUp, ttl: 0, states: 0 };
  if (states !== undefined) {
    if (age === UNTIL_RELEASED) throw invalidArgument(`${what}.ttl must be finite with states`);
    return {
      key: id,
      mode: DedupMode.states,
      ttl: age,
      states: statesBits(`${what}.states`, states),
    };
  }
  const mode = age === 0 ? DedupMode.unfinished : DedupMode.throttle;
  return { key: id, mode, ttl: age, states: 0 };
}
const DEDUP_OPTIONS = new Set(["id", "ttl", "extend", "replace", "keepLastIfActive", "states"]);

/** A set of states as the core's bits. */
export function statesBits(what: string, states: unknown): number {
  if (!Array.isArray(states) || states.length === 0) {
    throw invalidArgument(`${what} must be an array of states, not ${show(states)}`);
  }
  let bits = 0;
  for (const state of states) {
    checkOneOf(what, state, JOB_TYPES);
    bits |= 1 << nativeState(state as (typeof JOB_TYPES)[number]);
  }
  return bits;
}

/** A job that exists: one in hand, or named. */
export function referenceOf(
  what: string,
  value: unknown,
): { id: string; queue: string; token: number } {
  if (typeof value !== "object" || value === null) {
    throw invalidArgument(`${what} must be a job or {id, queue}, not ${show(value)}`);
  }
  const given = value as Partial<Record<"id" | "queue" | "queueName" | "token" | "lease", unknown>>;
  const queue = given.queueName ?? given.queue ?? "";
  if (given.id === "" && given.queueName !== undefined) {
    throw invalidArgument(`${what} is a job that was not added yet`);
  }
  checkName(`${what}.id`, given.id);
  checkString(`${what}.queue`, queue);
  if (queue !== "") checkName(`${what}.queue`, queue);
  const token = Number(given.lease ?? given.token ?? 0);
  checkInteger(`${what}.token`, token, 0, Number.MAX_SAFE_INTEGER);
  return { id: given.id, queue, token };
}

/** An entry of `after` taken apart. */
export function upstreamOf(
  what: string,
  entry: Upstream,
): { job: JobReference; policy: DependencyPolicy | undefined; name: string | undefined } {
  const wrapped = typeof entry === "object" && entry !== null && "job" in entry;
  if (!wrapped) return { job: entry, policy: undefined, name: undefined };
  checkKnownOptions(what, entry, new Set(["job", "policy", "as"]));
  const { job, policy, as } = entry;
  if (policy !== undefined) checkOneOf(`${what}.policy`, policy, POLICIES);
  if (as !== undefined) checkName(`${what}.as`, as);
  return { job, policy, name: as };
}

/** Entries of `after`; `inCall` answers for those that are jobs of the same call. */
export function upstreamEdges(
  what: string,
  after: unknown,
  inCall?: (
    job: JobReference,
  ) => { index: number; policy: DependencyPolicy; name: string } | undefined,
): Edge[] {
  if (after === undefined) return [];
  if (!Array.isArray(after)) {
    throw invalidArgument(`${what} must be an array of jobs, not ${show(after)}`);
  }
  return (after as Upstream[]).map((entry, i) => {
    const { job, policy, name } = upstreamOf(`${what}[${i}]`, entry);
    const own = inCall?.(job);
    if (own !== undefined) {
      const number = policyNumber(policy ?? own.policy);
      return { index: own.index, policy: number, id: "", queue: "", name: name ?? own.name };
    }
    const { id, queue } = referenceOf(`${what}[${i}]`, job);
    return { index: -1, policy: policyNumber(policy ?? "fail"), id, queue, name: name ?? "" };
  });
}

/** The options of a job that was read back, as they would be given to add(). */
export function unpackModel(model: SpecModel, opts: JobsOptions): void {
  if (model.join !== 0) opts.join = JOINS[model.join] as Join;
  if (model.delivery !== 0) opts.delivery = DELIVERIES[model.delivery] as Delivery;
  if (model.sealing !== 0) opts.sealing = SEALINGS[model.sealing] as Sealing;
  if (model.group !== "") opts.group = { id: model.group };
  if (model.dedupKey !== "") opts.deduplication = { id: model.dedupKey };
}
