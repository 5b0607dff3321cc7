// store.limits: how fast and how many jobs run. Set at run time, for all processes of every language at once.
import {
  checkDuration,
  checkInteger,
  checkKnownOptions,
  checkName,
  checkObject,
  show,
} from "./check.js";
import type { Connection } from "./connection.js";
import { invalidArgument } from "./errors.js";
import { checkGroup } from "./job-model.js";
import {
  type NativeLimit,
  type NativeLimitInfo,
  Scope,
  packLimit,
  readLimit,
} from "./wire-model.js";
import { Reader } from "./wire.js";

/**
 * What a limit is for: `{ queue }`, `{ task }` (the jobs of this name, in all queues), `{ queue, group }`,
 * `{ queue, eachGroup: true }` (each group of the queue that has no limit of its own), or `{}`: the whole store.
 */
export interface LimitScope {
  queue?: string;
  task?: string;
  group?: string;
  eachGroup?: boolean;
}

export interface LimitOptions extends LimitScope {
  /** At most so many starts in `duration` milliseconds, as a token bucket: after a pause `max` may start at once. */
  max?: number;
  duration?: number;
  /** Jobs that run at once, in all processes. */
  concurrency?: number;
  /** Of groups: jobs that may wait in one; more are refused with code "group_full". */
  maxSize?: number;
}

export interface LimitInfo extends LimitOptions {
  /** Jobs that run under it now. */
  active: number;
  /** Milliseconds UTC before which nothing of it starts; undefined: it is not reached. */
  limitedUntil: number | undefined;
}

const SCOPE_OPTIONS = ["queue", "task", "group", "eachGroup"] as const;
const SCOPES = new Set<string>(SCOPE_OPTIONS);
const KNOWN = new Set<string>([...SCOPE_OPTIONS, "max", "duration", "concurrency", "maxSize"]);
export const COUNT_MAX = 1_000_000_000;
export const YEAR_MS = 366 * 86_400_000;

function scopeOf(what: string, given: LimitScope): NativeLimit {
  const { queue, task, group, eachGroup } = given;
  const limit = {
    concurrency: 0,
    count: 0,
    periodMs: 0,
    maxSize: 0,
    queue: "",
    task: "",
    group: "",
  };
  if (queue !== undefined) checkName(`${what}: queue`, queue);
  if (task !== undefined) checkName(`${what}: task`, task);
  if (group !== undefined) checkGroup(`${what}: group`, group);
  if (eachGroup !== undefined && typeof eachGroup !== "boolean") {
    throw invalidArgument(`${what}: eachGroup must be true or false, not ${show(eachGroup)}`);
  }
  if (task !== undefined) {
    if (queue !== undefined || group !== undefined || eachGroup === true) {
      throw invalidArgument(`${what}: task holds for all queues: give it without queue and group`);
    }
    return { ...limit, scope: Scope.task, task };
  }
  if (group !== undefined || eachGroup === true) {
    if (queue === undefined) throw invalidArgument(`${what}: a group needs its queue`);
    if (group !== undefined && eachGroup === true) {
      throw invalidArgument(`${what}: group and eachGroup exclude each other: give one`);
    }
    return { ...limit, scope: Scope.group, queue, group: group ?? "" };
  }
  if (queue !== undefined) return { ...limit, scope: Scope.queue, queue };
  return { ...limit, scope: Scope.store };
}

function limitOf(what: string, options: LimitOptions): NativeLimit {
  checkObject(`${what}: options`, options);
  checkKnownOptions(what, options, KNOWN);
  const limit = scopeOf(what, options);
  const { max, duration, concurrency, maxSize } = options;
  if ((max === undefined) !== (duration === undefined)) {
    throw invalidArgument(`${what}: max and duration belong together: give both or none`);
  }
  if (max === undefined && concurrency === undefined && maxSize === undefined) {
    throw invalidArgument(
      `${what}: nothing to limit: give concurrency, max with duration, or maxSize`,
    );
  }
  if (max !== undefined) {
    checkInteger(`${what}: max`, max, 1, COUNT_MAX);
    checkInteger(`${what}: duration (milliseconds)`, duration, 1, YEAR_MS);
    limit.count = max;
    limit.periodMs = duration;
  }
  if (concurrency !== undefined) {
    checkInteger(`${what}: concurrency`, concurrency, 1, COUNT_MAX);
    limit.concurrency = concurrency;
  }
  if (maxSize !== undefined) {
    checkInteger(`${what}: maxSize`, maxSize, 1, COUNT_MAX);
    if (limit.scope !== Scope.group) throw invalidArgument(`${what}: maxSize is for groups only`);
    limit.maxSize = maxSize;
  }
  return limit;
}

/** How long nothing of a scope is to start. */
export async function throttle(
  connection: Connection,
  what: string,
  scope: LimitScope,
  ms: number,
): Promise<void> {
  checkObject(`${what}: scope`, scope);
  checkKnownOptions(what, scope, SCOPES);
  checkDuration(`${what}: ms`, ms);
  const [numbers, text] = packLimit(scopeOf(what, scope));
  await connection.call((engine) => engine.throttle(numbers, text, -1, ms));
}

/** The limit of exactly this scope and how it stands; zeros where there is none. */
export async function findLimit(
  connection: Connection,
  scope: LimitScope,
): Promise<NativeLimitInfo> {
  const wanted = scopeOf("limit", scope);
  const all = new Reader(await connection.call((engine) => engine.listLimits())).list(readLimit);
  const found = all.find((limit) =>
    (["scope", "queue", "task", "group"] as const).every((part) => limit[part] === wanted[part]),
  );
  return found ?? { ...wanted, active: 0, limitedUntil: 0 };
}

const PARTS = ["concurrency", "count", "periodMs", "maxSize"] as const;

/** Changes a part of a limit; 0 ends it. Nothing is written if it stands so already. */
export async function changeLimit(
  connection: Connection,
  scope: LimitScope,
  change: Partial<Pick<NativeLimit, (typeof PARTS)[number]>>,
  durability: number,
): Promise<void> {
  const now = await findLimit(connection, scope);
  const next = { ...now, ...change };
  if (PARTS.every((part) => next[part] === now[part])) return;
  const [numbers, text] = packLimit(next);
  await connection.call((engine) => engine.setLimit(numbers, text, durability));
}

/** From store.limits. Every change holds from its commit on, in all processes. */
export class Limits {
  readonly #open: () => Connection;

  /** @internal */
  constructor(open: () => Connection) {
    this.#open = open;
  }

  /** Sets a limit, in place of the one of the same scope. Jobs that run already go on. */
  async set(options: LimitOptions): Promise<void> {
    const [numbers, text] = packLimit(limitOf("store.limits.set", options));
    await this.#open().call((engine) => engine.setLimit(numbers, text, -1));
  }

  /** Removes the limit of a scope; one that does not exist is no error. */
  async remove(scope: LimitScope): Promise<void> {
    const what = "store.limits.remove";
    checkObject(`${what}: scope`, scope);
    checkKnownOptions(what, scope, SCOPES);
    const [numbers, text] = packLimit(scopeOf(what, scope));
    await this.#open().call((engine) => engine.setLimit(numbers, text, -1));
  }

  async list(): Promise<LimitInfo[]> {
    const reader = new Reader(await this.#open().call((engine) => engine.listLimits()));
    return reader.list(readLimit).map((native) => {
      const { scope, queue, task, group } = native;
      const info: LimitInfo = {
        active: native.active,
        limitedUntil: native.limitedUntil || undefined,
      };
      if (scope === Scope.queue || scope === Scope.group) info.queue = queue;
      if (scope === Scope.task) info.task = task;
      if (scope === Scope.group && group !== "") info.group = group;
      if (scope === Scope.group && group === "") info.eachGroup = true;
      if (native.count > 0) Object.assign(info, { max: native.count, duration: native.periodMs });
      if (native.concurrency > 0) info.concurrency = native.concurrency;
      if (native.maxSize > 0) info.maxSize = native.maxSize;
      return info;
    });
  }

  /** Nothing of the scope starts for `ms` from now, such as while a remote service asks for patience; 0 ends it. */
  async throttle(scope: LimitScope, ms: number): Promise<void> {
    await throttle(this.#open(), "store.limits.throttle", scope, ms);
  }
}
