// What a job waits or has waited for, read back.
import { checkInteger, checkKnownOptions, checkObject, checkString } from "./check.js";
import type { Connection } from "./connection.js";
import { type ErrorBody, decodeError } from "./errors.js";
import { POLICIES, statesBits } from "./job-model.js";
import { readJob } from "./job-read.js";
import type { JobJson } from "./job-record.js";
import { decodeJson } from "./serializer.js";
import { stateName } from "./states.js";
import type { DependencyPolicy, JobState } from "./types.js";
import { readDependencies } from "./wire-model.js";
import { type JobInfo, type NativeDependency, Reader } from "./wire.js";

/** One thing that a job waits or has waited for. */
export interface Dependency {
  /** The name under which its result is read; empty: none. */
  as: string;
  id: string;
  queueName: string;
  policy: DependencyPolicy;
  /** Its own state; as it ended, if it is removed meanwhile. */
  state: JobState;
  /** It holds the job back no more. */
  done: boolean;
  /** Of a completed one. */
  result?: unknown;
  /** Of a failed or cancelled one. */
  error?: ErrorBody;
}

/** What a job waits for, or has waited for. */
export interface DependencyPage {
  /** In the order in which they were given. */
  dependencies: Dependency[];
  /** Of all, whatever was asked for. */
  total: number;
  /** Of these, not done. */
  pending: number;
}

/** Which of them. */
export interface DependencyQuery {
  /** Only those that stand in one of these states. */
  states?: JobState[];
  offset?: number;
  /** Default 1,000; at most 10,000. */
  limit?: number;
}

/** BullMQ's view: by `queue:id`. */
export interface JobDependencies extends JobDependencyCursors {
  processed: Record<string, unknown>;
  /** Failed ones that count as done, with what they failed of. */
  ignored: Record<string, string>;
  failed: string[];
  unprocessed: string[];
}

type Kind = "processed" | "ignored" | "failed" | "unprocessed";
const KINDS: readonly Kind[] = ["processed", "unprocessed", "ignored", "failed"];

/** Which kinds job.getDependencies() answers, and which page of each. */
export type JobDependencyOptions = { [K in Kind]?: { cursor?: number; count?: number } };
export type JobDependencyCounts = { [K in Kind]?: number };
/** Where the next pages begin; 0: this one was the last. */
export interface JobDependencyCursors {
  nextProcessedCursor?: number;
  nextUnprocessedCursor?: number;
  nextIgnoredCursor?: number;
  nextFailedCursor?: number;
}

/** queue.getDependencies() */
export interface DependencyItems {
  items: { id: string; v?: unknown; err?: string }[];
  jobs: JobJson[];
  total: number;
}

const PAGE_MAX = 10_000;

function dependencyOf(native: NativeDependency): Dependency {
  const dependency: Dependency = {
    as: native.name,
    id: native.id,
    queueName: native.queue,
    policy: POLICIES[native.policy] as DependencyPolicy,
    state: stateName(native.state, 0),
    done: native.done,
  };
  if (native.result !== undefined) {
    dependency.result = decodeJson(`result of job ${native.id}`, native.result);
  }
  if (native.error !== "") dependency.error = decodeError(native.error);
  return dependency;
}

export async function readDependencyPage(
  connection: Connection,
  id: string,
  queue: string,
  query: DependencyQuery = {},
): Promise<DependencyPage> {
  const what = "job.dependencies";
  checkObject(`${what}: query`, query);
  checkKnownOptions(what, query, new Set(["states", "offset", "limit"]));
  const { states, offset = 0, limit = 1000 } = query;
  const bits = states === undefined ? 0 : statesBits(`${what}: states`, states);
  checkInteger(`${what}: offset`, offset, 0, Number.MAX_SAFE_INTEGER);
  checkInteger(`${what}: limit`, limit, 1, PAGE_MAX);
  const packed = await connection.call((engine) =>
    engine.dependencies(id, queue, bits, offset, limit),
  );
  const { total, pending, dependencies } = readDependencies(new Reader(packed));
  return { dependencies: dependencies.map(dependencyOf), total, pending };
}

/** All that stand in one of the states, or all. */
export async function readAllDependencies(
  connection: Connection,
  id: string,
  queue: string,
  states?: JobState[],
): Promise<Dependency[]> {
  const found: Dependency[] = [];
  for (;;) {
    const query: DependencyQuery = { offset: found.length, limit: PAGE_MAX };
    if (states !== undefined) query.states = states;
    const { dependencies } = await readDependencyPage(connection, id, queue, query);
    found.push(...dependencies);
    if (dependencies.length < PAGE_MAX) return found;
  }
}

/** How a dependency is called in an answer: by its name, else as BullMQ does without the prefix. */
function keyOf({ as, queueName, id }: Dependency): string {
  return as !== "" ? as : `${queueName}:${id}`;
}

export function childrenValues(dependencies: Dependency[]): Record<string, unknown> {
  return Object.fromEntries(
    dependencies
      .filter(({ state }) => state === "completed")
      .map((each) => [keyOf(each), each.result]),
  );
}

export function failedChildrenValues(dependencies: Dependency[]): Record<string, string> {
  return Object.fromEntries(
    dependencies
      .filter(({ error }) => error !== undefined)
      .map((each) => [keyOf(each), (each.error as ErrorBody).message]),
  );
}

/** Of those that count as done although they failed. */
export function ignoredChildrenFailures(dependencies: Dependency[]): Record<string, string> {
  return sortDependencies(dependencies).ignored;
}

function kindsOf(what: string, options: unknown): Kind[] {
  checkObject(`${what}: options`, options);
  checkKnownOptions(what, options, new Set(KINDS));
  return KINDS.filter((kind) => options[kind] !== undefined && options[kind] !== false);
}

/** job.getDependencies(): all of them, or pages of some kinds. */
export function selectDependencies(
  dependencies: Dependency[],
  options: JobDependencyOptions,
): Partial<JobDependencies> & JobDependencyCursors {
  const what = "job.getDependencies";
  const kinds = kindsOf(what, options);
  const sorted = sortDependencies(dependencies);
  if (kinds.length === 0) return sorted;
  const selected: Record<string, unknown> = {};
  for (const kind of kinds) {
    const page = options[kind] as { cursor?: number; count?: number };
    checkObject(`${what}: ${kind}`, page);
    const { cursor = 0, count = 20 } = page;
    checkInteger(`${what}: ${kind}.cursor`, cursor, 0, Number.MAX_SAFE_INTEGER);
    checkInteger(`${what}: ${kind}.count`, count, 1, Number.MAX_SAFE_INTEGER);
    const all: unknown[] | Record<string, unknown> = sorted[kind];
    const entries: unknown[] = Array.isArray(all) ? all : Object.entries(all);
    const taken = entries.slice(cursor, cursor + count);
    selected[kind] = Array.isArray(all) ? taken : Object.fromEntries(taken as [string, unknown][]);
    const next = `next${kind[0]?.toUpperCase()}${kind.slice(1)}Cursor`;
    selected[next] = cursor + count < entries.length ? cursor + count : 0;
  }
  return selected;
}

/** job.getDependenciesCount() */
export function countDependencies(
  dependencies: Dependency[],
  options: { [K in Kind]?: boolean },
): JobDependencyCounts {
  const named = kindsOf("job.getDependenciesCount", options);
  const counts: JobDependencyCounts = {};
  for (const kind of named.length > 0 ? named : KINDS) counts[kind] = 0;
  for (const each of dependencies) {
    const kind = kindOf(each);
    const count = counts[kind];
    if (count !== undefined) counts[kind] = count + 1;
  }
  return counts;
}

/** queue.getDependencies() */
export async function readDependencyItems(
  connection: Connection,
  { id, queue }: { id: string; queue: string },
  jsonOf: (info: JobInfo) => JobJson,
  type: "processed" | "pending",
  start: number,
  end: number,
): Promise<DependencyItems> {
  const all = await readAllDependencies(connection, id, queue);
  const wanted = all.filter((each) => (kindOf(each) === "unprocessed") === (type === "pending"));
  const page = wanted.slice(start, end === -1 ? undefined : end + 1);
  const infos = await Promise.all(page.map((each) => readJob(connection, each.id, each.queueName)));
  const items = page.map((each) => {
    const item: DependencyItems["items"][number] = { id: `${each.queueName}:${each.id}` };
    if (each.result !== undefined) item.v = each.result;
    if (each.error !== undefined) item.err = each.error.message;
    return item;
  });
  const jobs = infos.flatMap((info) => (info === undefined ? [] : [jsonOf(info)]));
  return { items, jobs, total: wanted.length };
}

function kindOf({ state, done }: Dependency): Kind {
  if (state === "completed") return "processed";
  if (state !== "failed" && state !== "cancelled") return "unprocessed";
  return done ? "ignored" : "failed";
}

export function sortDependencies(dependencies: Dependency[]): JobDependencies {
  const sorted: JobDependencies = { processed: {}, ignored: {}, failed: [], unprocessed: [] };
  for (const each of dependencies) {
    const key = keyOf(each);
    const kind = kindOf(each);
    if (kind === "processed") sorted.processed[key] = each.result;
    else if (kind === "ignored") sorted.ignored[key] = each.error?.message ?? "";
    else sorted[kind].push(key);
  }
  return sorted;
}

/** A job with what it waits for, nested. */
export interface FlowTree {
  id: string;
  queueName: string;
  name: string;
  state: JobState;
  /** What the job above it does if this one fails; the root has none. */
  policy?: DependencyPolicy;
  children: FlowTree[];
  /** How many children are not shown. */
  more: number;
}

interface CoreTree {
  id: string;
  queue: string;
  name: string;
  state: string;
  policy?: DependencyPolicy;
  children?: CoreTree[];
  more?: number;
}

const CORE_STATES: Record<string, JobState> = {
  scheduled: "delayed",
  ready: "waiting",
  blocked: "waiting-children",
};

export async function readFlow(
  connection: Connection,
  id: string,
  queue: string,
  options: { depth?: number; maxChildren?: number } = {},
): Promise<FlowTree> {
  const what = "queue.getFlow";
  checkString(`${what}: jobId`, id);
  checkObject(`${what}: options`, options);
  checkKnownOptions(what, options, new Set(["depth", "maxChildren"]));
  const { depth = 10, maxChildren = 20 } = options;
  checkInteger(`${what}: depth`, depth, 1, 1000);
  checkInteger(`${what}: maxChildren`, maxChildren, 1, 100_000);
  const text = await connection.call((engine) => engine.flowJson(id, queue, depth, maxChildren));
  return treeOf(JSON.parse(text) as CoreTree);
}

function treeOf(core: CoreTree): FlowTree {
  const { id, queue, name, state, policy, children = [], more = 0 } = core;
  const tree: FlowTree = {
    ...{ id, queueName: queue, name, state: CORE_STATES[state] ?? (state as JobState) },
    ...{ children: children.map(treeOf), more },
  };
  return policy === undefined ? tree : { ...tree, policy };
}
