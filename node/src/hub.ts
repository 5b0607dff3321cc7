// Where news from core threads arrives: one hub for this copy of the package in this environment.
import { native, type NativeHub } from "./native.cjs";
import { SEPARATOR } from "./wire.js";

/** What one enqueue call carried, and who waits for it. */
export interface Crossing {
  /** `ids` and `flags` hold all acknowledged jobs of the news; ours start at `at`. Answers where the next ones do. */
  accept(batch: number, ids: string[], flags: string, at: number): number;
  refuse(batch: number, error: unknown): void;
  readonly batchCount: number;
  /** All its batches were answered. */
  done(): void;
}

const crossings = new Map<number, Crossing>();
const sources = new Map<number, () => void>();
let nextId = 0;
let holders = 0;

function dispatch(
  ready: number[],
  requests: number[],
  ids: string,
  flags: string,
  errors: unknown[] | undefined,
  lines: string[] | undefined,
): void {
  if (requests.length > 0) dispatchAnswers(requests, ids, flags, errors ?? []);
  for (const source of ready) {
    try {
      sources.get(source)?.();
    } catch (error) {
      // A bug of ours, not of a user's handler (those are caught where they are called): never swallowed.
      process.nextTick(() => {
        throw error;
      });
    }
  }
  if (lines !== undefined) for (const line of lines) process.emitWarning(line, "MillraceWarning");
}

function dispatchAnswers(requests: number[], ids: string, flags: string, errors: unknown[]): void {
  const list = flags.length > 1 ? ids.split(SEPARATOR) : [ids];
  let job = 0;
  let refused = 0;
  for (let r = 0; r < requests.length; r++) {
    const request = requests[r] as number;
    const crossing = crossings.get(request);
    crossings.delete(request);
    if (crossing === undefined) continue;
    for (let batch = 0; batch < crossing.batchCount; batch++) {
      if (errors[refused] === r && errors[refused + 1] === batch) {
        crossing.refuse(batch, errors[refused + 2]);
        refused += 3;
      } else {
        job = crossing.accept(batch, list, flags, job);
      }
    }
    crossing.done();
  }
}

const hub: NativeHub = new native.Hub(dispatch);

export function openEngine(...args: Parameters<NativeHub["open"]>): ReturnType<NativeHub["open"]> {
  return hub.open(...args);
}

/** A number under which core threads may report. */
export function newId(): number {
  nextId = (nextId + 1) >>> 0;
  return nextId;
}

export function expect(request: number, crossing: Crossing): void {
  crossings.set(request, crossing);
}

/** No answer will come. */
export function forgo(request: number): void {
  crossings.delete(request);
}

/** Calls `onReady` when the session or subscription that was opened with this source has something new. */
export function listen(source: number, onReady: () => void): void {
  sources.set(source, onReady);
}

export function unlisten(source: number): void {
  sources.delete(source);
}

/** Keeps the process alive until letGo() was called as often. */
export function hold(): void {
  if (holders++ === 0) hub.setReferenced(true);
}

export function letGo(): void {
  if (--holders === 0) hub.setReferenced(false);
}
