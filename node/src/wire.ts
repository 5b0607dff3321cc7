// How many values cross to and from the addon at once: as one string, one Float64Array and, rarely, a few separate
// values. The order of the fields mirrors bindings/node/wire_specs.cc and wire_jobs.cc: change them together.
import type { Packed } from "./native.cjs";

/** The text of a field that travels apart. */
const APART = "\u0001";
export const SEPARATOR = "\0";

/** How many numbers the options of a job are; ReadOptions() and PackSpec() in C++ have their order. */
export const OPTION_COUNT = 21;
export const enum Option {
  contentType,
  dueAt,
  delay,
  expiresAt,
  expiresIn,
  priority,
  lifo,
  attempts,
  backoffKind,
  backoffDelay,
  backoffMax,
  backoffJitter,
  maxCrashes,
  timeLimit,
  softTimeLimit,
  keepLogs,
  completedAge,
  completedCount,
  failedAge,
  failedCount,
  /** 1: what few jobs have follows, see job-model.ts. */
  hasModel,
}

/** The core's JobState. */
export const enum NativeState {
  scheduled = 1,
  ready,
  blocked,
  active,
  completed,
  failed,
  cancelled,
}

/** What few jobs have, as it is read back. */
export interface SpecModel {
  join: number;
  delivery: number;
  sealing: number;
  group: string;
  dedupKey: string;
}

/** A job as it was enqueued. Its options stay packed until somebody asks for them. */
export interface Spec {
  id: string;
  queue: string;
  name: string;
  /** JSON text, or a Buffer for another content type. */
  data: string | Buffer;
  headers: string;
  /** Where its options begin in `numbers`. */
  at: number;
  numbers: Float64Array;
  model: SpecModel | undefined;
}

/** How a job stands that another one waits for. */
export interface NativeDependency {
  name: string;
  id: string;
  queue: string;
  policy: number;
  state: NativeState;
  done: boolean;
  /** undefined: none */
  result: string | Buffer | undefined;
  error: string;
}

/** The first job that waits or has waited for another one. */
export interface NativeParent {
  id: string;
  queue: string;
  policy: number;
}

/** What few jobs bring when they start. */
export interface LeasedMore {
  checkpoint: string;
  dependencyCount: number;
  /** The first of them, as many as are cheap. */
  dependencies: NativeDependency[];
  parent: NativeParent | undefined;
}

export interface LeasedJob extends Spec {
  progress: string;
  token: number;
  attempt: number;
  crashes: number;
  createdAt: number;
  startedAt: number;
  more: LeasedMore | undefined;
}

export interface JobInfo extends Spec {
  state: NativeState;
  createdAt: number;
  dueAt: number;
  startedAt: number;
  finishedAt: number;
  attemptsStarted: number;
  attemptsMade: number;
  crashes: number;
  cancelRequested: boolean;
  worker: string;
  progress: string;
  /** undefined: none */
  result: string | Buffer | undefined;
  error: string;
  attemptErrors: string[];
  checkpoint: string;
  dependencies: number;
  pending: number;
  parent: NativeParent | undefined;
}

export interface JobOutcome {
  state: NativeState;
  finishedAt: number;
  attemptsMade: number;
  progress: string;
  result: string | Buffer | undefined;
  error: string;
}

/** Reads packed values in order. */
export class Reader {
  readonly #fields: string[];
  readonly #numbers: Float64Array;
  readonly #apart: (string | Buffer)[];
  #field = 0;
  #number = 0;
  #separate = 0;

  constructor([text, numbers, apart]: Packed) {
    this.#fields = text.split(SEPARATOR);
    this.#numbers = numbers;
    this.#apart = apart ?? [];
  }

  body(): string | Buffer {
    const field = this.#fields[this.#field++] ?? "";
    return field === APART ? (this.#apart[this.#separate++] ?? "") : field;
  }

  text(): string {
    return this.body() as string;
  }

  number(): number {
    return this.#numbers[this.#number++] ?? NaN;
  }

  list<T>(read: (reader: Reader) => T): T[] {
    const count = this.number();
    const list: T[] = [];
    for (let i = 0; i < count; i++) list.push(read(this));
    return list;
  }

  /** Passes over the options of a job; answers where they are. */
  options(): number {
    const at = this.#number;
    this.#number += OPTION_COUNT;
    return at;
  }

  get numbers(): Float64Array {
    return this.#numbers;
  }
}

function readModel(reader: Reader, at: number): SpecModel | undefined {
  if (reader.numbers[at + Option.hasModel] === 0) return undefined;
  return {
    join: reader.number(),
    delivery: reader.number(),
    sealing: reader.number(),
    group: reader.text(),
    dedupKey: reader.text(),
  };
}

export function readDependency(reader: Reader): NativeDependency {
  return {
    name: reader.text(),
    id: reader.text(),
    queue: reader.text(),
    policy: reader.number(),
    state: reader.number(),
    done: reader.number() === 1,
    result: readResult(reader),
    error: reader.text(),
  };
}

function readParent(reader: Reader): NativeParent | undefined {
  if (reader.number() === 0) return undefined;
  return { id: reader.text(), queue: reader.text(), policy: reader.number() };
}

function readMore(reader: Reader): LeasedMore | undefined {
  if (reader.number() === 0) return undefined;
  return {
    checkpoint: reader.text(),
    dependencyCount: reader.number(),
    dependencies: reader.list(readDependency),
    parent: readParent(reader),
  };
}

/** A template: readLeased() and readInfo() spell these fields out, for one shape and one allocation. */
export function readSpec(reader: Reader): Spec {
  const at = reader.options();
  return {
    id: reader.text(),
    queue: reader.text(),
    name: reader.text(),
    data: reader.body(),
    headers: reader.text(),
    at,
    numbers: reader.numbers,
    model: readModel(reader, at),
  };
}

export function readLeased(reader: Reader): LeasedJob {
  const at = reader.options();
  return {
    id: reader.text(),
    queue: reader.text(),
    name: reader.text(),
    data: reader.body(),
    headers: reader.text(),
    at,
    numbers: reader.numbers,
    model: readModel(reader, at),
    progress: reader.text(),
    token: reader.number(),
    attempt: reader.number(),
    crashes: reader.number(),
    createdAt: reader.number(),
    startedAt: reader.number(),
    more: readMore(reader),
  };
}

function readResult(reader: Reader): string | Buffer | undefined {
  const present = !Number.isNaN(reader.number());
  const body = reader.body();
  return present ? body : undefined;
}

export function readInfo(reader: Reader): JobInfo {
  const at = reader.options();
  return {
    id: reader.text(),
    queue: reader.text(),
    name: reader.text(),
    data: reader.body(),
    headers: reader.text(),
    at,
    numbers: reader.numbers,
    model: readModel(reader, at),
    state: reader.number(),
    createdAt: reader.number(),
    dueAt: reader.number(),
    startedAt: reader.number(),
    finishedAt: reader.number(),
    attemptsStarted: reader.number(),
    attemptsMade: reader.number(),
    crashes: reader.number(),
    cancelRequested: reader.number() === 1,
    worker: reader.text(),
    progress: reader.text(),
    result: readResult(reader),
    error: reader.text(),
    attemptErrors: reader.list((each) => each.text()),
    checkpoint: reader.text(),
    dependencies: reader.number(),
    pending: reader.number(),
    parent: readParent(reader),
  };
}

export function readOutcome(reader: Reader): JobOutcome {
  return {
    state: reader.number(),
    finishedAt: reader.number(),
    attemptsMade: reader.number(),
    progress: reader.text(),
    result: readResult(reader),
    error: reader.text(),
  };
}
