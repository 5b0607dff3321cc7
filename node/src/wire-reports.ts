// The packed answers about queues, workers, events and sessions; see wire.ts.
import { MillraceError, type MillraceErrorCode } from "./errors.js";
import type { Reader } from "./wire.js";
import type { NativeState } from "./wire.js";

/** Jobs per state of one queue, in the core's words. */
export interface QueueCounts {
  queue: string;
  paused: boolean;
  /** All that may be claimed, prioritized ones included. */
  ready: number;
  prioritized: number;
  scheduled: number;
  blocked: number;
  active: number;
  completed: number;
  failed: number;
  cancelled: number;
}

/** A process that has a worker open on the store, in any language. */
export interface WorkerInfo {
  name: string;
  language: string;
  host: string;
  processId: number;
  pid: number;
  startedAt: number;
  alive: boolean;
  slots: number;
  active: number;
  queues: string[];
}

/** The core's EventType. */
export const enum EventType {
  added = 1,
  ready,
  scheduled,
  active,
  progress,
  completed,
  failed,
  cancelled,
  rescued,
  removed,
  duplicate,
  paused,
  resumed,
  drained,
  cleaned,
  blocked,
  custom,
}

export interface NativeEvent {
  id: string;
  queue: string;
  jobId: string;
  name: string;
  data: string;
  type: EventType;
  at: number;
  state: NativeState;
  prev: NativeState;
  attempt: number;
  dueAt: number;
  count: number;
}

export interface EventPage {
  next: string;
  events: NativeEvent[];
}

/** The core's Signal::Kind. */
export const enum SignalKind {
  cancel,
  softLimit,
  hardLimit,
  leaseLost,
}

/** A job that was added in the commit of another one's end. */
export interface Added {
  id: string;
  replacedId: string;
  state: NativeState;
  existing: boolean;
  durability: number;
}

export interface Settled {
  token: number;
  state: NativeState;
  dueAt: number;
  error: MillraceError | undefined;
  added: Added[];
}

export interface Signal {
  kind: SignalKind;
  token: number;
  reason: string;
}

export interface Notices {
  drained: boolean;
  settled: Settled[];
  signals: Signal[];
  rescued: string[];
  errors: MillraceError[];
}

export function readCounts(reader: Reader): QueueCounts {
  return {
    queue: reader.text(),
    paused: reader.number() === 1,
    ready: reader.number(),
    prioritized: reader.number(),
    scheduled: reader.number(),
    blocked: reader.number(),
    active: reader.number(),
    completed: reader.number(),
    failed: reader.number(),
    cancelled: reader.number(),
  };
}

export function readWorker(reader: Reader): WorkerInfo {
  return {
    name: reader.text(),
    language: reader.text(),
    host: reader.text(),
    processId: reader.number(),
    pid: reader.number(),
    startedAt: reader.number(),
    alive: reader.number() === 1,
    slots: reader.number(),
    active: reader.number(),
    queues: reader.list((each) => each.text()),
  };
}

/** `before`: the queue of the event before, which is not told again. */
function readEvent(reader: Reader, before: string): NativeEvent {
  return {
    id: reader.text(),
    queue: reader.text() || before,
    jobId: reader.text(),
    name: reader.text(),
    data: reader.text(),
    type: reader.number(),
    at: reader.number(),
    state: reader.number(),
    prev: reader.number(),
    attempt: reader.number(),
    dueAt: reader.number(),
    count: reader.number(),
  };
}

export function readPage(reader: Reader): EventPage {
  let queue = "";
  return {
    next: reader.text(),
    events: reader.list((each) => {
      const event = readEvent(each, queue);
      queue = event.queue;
      return event;
    }),
  };
}

function readError(reader: Reader): MillraceError {
  const code = reader.text() as MillraceErrorCode;
  return new MillraceError(code, reader.text());
}

export function readAdded(reader: Reader): Added {
  return {
    id: reader.text(),
    replacedId: reader.text(),
    state: reader.number(),
    existing: reader.number() === 1,
    durability: reader.number(),
  };
}

function readSettled(reader: Reader): Settled {
  return {
    token: reader.number(),
    state: reader.number(),
    dueAt: reader.number(),
    error: reader.number() === 0 ? undefined : readError(reader),
    added: reader.list(readAdded),
  };
}

export function readNotices(reader: Reader): Notices {
  const drained = reader.number() === 1;
  const counts = [reader.number(), reader.number(), reader.number(), reader.number()] as const;
  const many = <T>(count: number, read: (each: Reader) => T): T[] => {
    const list: T[] = [];
    for (let i = 0; i < count; i++) list.push(read(reader));
    return list;
  };
  return {
    drained,
    settled: many(counts[0], readSettled),
    signals: many(counts[1], (each) => ({
      kind: each.number(),
      token: each.number(),
      reason: each.text(),
    })),
    rescued: many(counts[2], (each) => each.text()),
    errors: many(counts[3], readError),
  };
}
