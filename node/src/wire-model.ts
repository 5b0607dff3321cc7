// The packed forms of dependencies, counters, limits, groups and schedules. The order of the fields mirrors
// bindings/node/wire_model.cc: change both together.
import {
  type NativeDependency,
  type Reader,
  SEPARATOR,
  type Spec,
  readDependency,
  readSpec,
} from "./wire.js";

export interface NativeDependencies {
  total: number;
  pending: number;
  dependencies: NativeDependency[];
}

export function readDependencies(reader: Reader): NativeDependencies {
  return {
    total: reader.number(),
    pending: reader.number(),
    dependencies: reader.list(readDependency),
  };
}

/** What happened to the jobs of one task in one queue since the store was made. A second late at most. */
export interface TaskCounters {
  queue: string;
  task: string;
  enqueued: number;
  started: number;
  completed: number;
  failed: number;
  cancelled: number;
  retried: number;
  /** Attempts whose worker died. */
  crashed: number;
  /**
   * From the moment a job could have started to its start, counted by power of two: element i counts times t with
   * 2^(i-1) <= t < 2^i milliseconds, element 0 those below 1 ms.
   */
  waitMs: number[];
  /** The same of the length of attempts. */
  runMs: number[];
}

/** Jobs of a queue that ended in each minute. */
export interface MinuteMetrics {
  /** Since the store was made. */
  total: number;
  /** How many there are, from the present one to the oldest kept. */
  minutes: number;
  /** When the present minute began. */
  minuteAt: number;
  /** The newest first. */
  data: number[];
}

export function readMetrics(reader: Reader): MinuteMetrics {
  return {
    total: reader.number(),
    minutes: reader.number(),
    minuteAt: reader.number(),
    data: reader.list((each) => each.number()),
  };
}

export function readCounters(reader: Reader): TaskCounters {
  return {
    queue: reader.text(),
    task: reader.text(),
    enqueued: reader.number(),
    started: reader.number(),
    completed: reader.number(),
    failed: reader.number(),
    cancelled: reader.number(),
    retried: reader.number(),
    crashed: reader.number(),
    waitMs: reader.list((each) => each.number()),
    runMs: reader.list((each) => each.number()),
  };
}

/** The core's LimitScope. */
export const enum Scope {
  store = 1,
  queue,
  task,
  group,
}

export interface NativeLimit {
  scope: Scope;
  concurrency: number;
  count: number;
  periodMs: number;
  maxSize: number;
  queue: string;
  task: string;
  group: string;
}

export interface NativeLimitInfo extends NativeLimit {
  active: number;
  limitedUntil: number;
}

export function packLimit(limit: NativeLimit): [numbers: Float64Array, text: string] {
  const { scope, concurrency, count, periodMs, maxSize, queue, task, group } = limit;
  return [
    Float64Array.of(scope, concurrency, count, periodMs, maxSize),
    [queue, task, group, ""].join(SEPARATOR),
  ];
}

export function readLimit(reader: Reader): NativeLimitInfo {
  return {
    scope: reader.number(),
    concurrency: reader.number(),
    count: reader.number(),
    periodMs: reader.number(),
    maxSize: reader.number(),
    active: reader.number(),
    limitedUntil: reader.number(),
    queue: reader.text(),
    task: reader.text(),
    group: reader.text(),
  };
}

/** A lane within a queue. */
export interface GroupInfo {
  id: string;
  paused: boolean;
  /** Its jobs that wait for their turn. */
  ready: number;
  active: number;
  /** Milliseconds UTC before which nothing of it starts; undefined: no limit is reached. */
  limitedUntil: number | undefined;
}

export function readGroup(reader: Reader): GroupInfo {
  reader.text(); // its queue: the caller's
  return {
    id: reader.text(),
    paused: reader.number() === 1,
    ready: reader.number(),
    active: reader.number(),
    limitedUntil: reader.number() || undefined,
  };
}

export interface NativeTiming {
  every: number;
  offset: number;
  latitude: number;
  longitude: number;
  startAt: number;
  endAt: number;
  cron: string;
  timeZone: string;
  solar: string;
}

export function timingNumbers(timing: NativeTiming): number[] {
  const { every, offset, latitude, longitude, startAt, endAt } = timing;
  return [every, offset, latitude, longitude, startAt, endAt];
}

export function timingText({ cron, timeZone, solar }: NativeTiming): string {
  return [cron, timeZone, solar, ""].join(SEPARATOR);
}

export interface NativeSchedule {
  id: string;
  timing: NativeTiming;
  job: Spec;
  limit: number;
  jitter: number;
  overlap: number;
  catchUp: number;
  catchUpMax: number;
  paused: boolean;
  nextAt: number;
  lastAt: number;
  fired: number;
  skipped: number;
  lastJobId: string;
}

export function readSchedule(reader: Reader): NativeSchedule {
  const job = readSpec(reader);
  const id = reader.text();
  const words = { cron: reader.text(), timeZone: reader.text(), solar: reader.text() };
  const lastJobId = reader.text();
  const timing: NativeTiming = {
    every: reader.number(),
    offset: reader.number(),
    latitude: reader.number(),
    longitude: reader.number(),
    startAt: reader.number(),
    endAt: reader.number(),
    ...words,
  };
  return {
    id,
    timing,
    job,
    limit: reader.number(),
    jitter: reader.number(),
    overlap: reader.number(),
    catchUp: reader.number(),
    catchUpMax: reader.number(),
    paused: reader.number() === 1,
    nextAt: reader.number(),
    lastAt: reader.number(),
    fired: reader.number(),
    skipped: reader.number(),
    lastJobId,
  };
}
