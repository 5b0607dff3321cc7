// How many values cross to and from the addon at once: as one string, one Float64Array and, rarely, a few separate
// values. The order of the fields mirrors bindings/node/wire_jobs.cc: change both together.
import type { Packed } from "./native.cjs";

/** The text of a field that travels apart. */
const APART = "\u0001";
export const SEPARATOR = "\0";

/** How many numbers the options of a job are; ReadOptions() and PackSpec() in C++ have their order. */
export const OPTION_COUNT = 20;
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
}

export interface LeasedJob extends Spec {
  progress: string;
  token: number;
  attempt: number;
  crashes: number;
  createdAt: number;
  startedAt: number;
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
    progress: reader.text(),
    token: reader.number(),
    attempt: reader.number(),
    crashes: reader.number(),
    createdAt: reader.number(),
    startedAt: reader.number(),
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
