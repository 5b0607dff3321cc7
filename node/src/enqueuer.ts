// Collects the adds of one store and sends them to the core: those of one tick cross in one call.
import { hasCode, toMillraceError } from "./errors.js";
import { type Crossing, expect, forgo, hold, letGo, newId } from "./hub.js";
import type { OptionSet } from "./job-options.js";
import type { NativeEngine } from "./native.cjs";

/** What the core answered for one job. */
export interface AddedJob {
  /** What notify.cc says of it: see readAck(). */
  added(id: string, flags: number): void;
}

/** One atomic call: all of its jobs are added or none. */
export interface Batch {
  jobs: AddedJob[];
  sets: OptionSet[];
  /** name, data and id of each job, each followed by U+0000 */
  text: string;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/** An acknowledgement taken apart: `id` holds the id that the job replaced too, if it did. See notify.cc. */
export function readAck(
  id: string,
  flag: number,
): { id: string; replacedId: string; state: number; existing: boolean; durability: number } {
  const rest = (flag - 0x20) >> 3;
  const how = rest % 3;
  const end = how === 2 ? id.indexOf("\u0001") : id.length;
  return {
    id: id.slice(0, end),
    replacedId: id.slice(end + 1),
    state: (flag - 0x20) & 7,
    existing: how === 1,
    durability: (rest - how) / 3,
  };
}

/** The reverse, for acknowledgements that came otherwise. */
export function ackFlag(state: number, existing: boolean, replaced: boolean, durability: number) {
  return 0x20 + state + 8 * ((existing ? 1 : replaced ? 2 : 0) + 3 * durability);
}

// Enough for one commit to be worth it; the rest of a long tick is then serialised while the core writes.
const CROSS_AT_JOBS = 256;
// The core's queue holds 8,192 operations of all environments of the process. Beyond these bounds adds wait here.
const IN_FLIGHT_BATCHES_MAX = 4_096;
const IN_FLIGHT_CHARS_MAX = 64 << 20;
// Somebody else fills the core's queue: how long until we try again if no answer of ours comes first.
const RETRY_MS = 2;

interface Lane {
  durability: number;
  batches: Batch[];
  jobs: number;
}

export class Enqueuer {
  #engine: NativeEngine | undefined;
  #failed: { error: unknown } | undefined;
  readonly #lanes: Lane[] = [-1, 0, 1, 2].map((durability) => ({
    durability,
    batches: [],
    jobs: 0,
  }));
  #scheduled = false;
  #batchesInFlight = 0;
  #charsInFlight = 0;
  #waiting = 0; // batches not answered yet, in flight or not
  #onIdle: (() => void)[] = [];
  #onAnswer: (() => void)[] = [];
  readonly #flush = (): void => {
    this.#scheduled = false;
    this.flush();
  };

  /** Adds wait until the store is open. */
  open(engine: NativeEngine): void {
    this.#engine = engine;
    this.flush();
  }

  /** Refuses everything that waits or comes: the store could not be opened. */
  fail(error: unknown): void {
    this.#failed = { error };
    for (const lane of this.#lanes) {
      for (const batch of lane.batches.splice(0)) {
        this.#answered();
        batch.reject(error);
      }
      lane.jobs = 0;
    }
    for (const resolve of this.#onAnswer.splice(0)) resolve();
  }

  push(batch: Batch, durability: number): void {
    if (this.#failed !== undefined) {
      batch.reject(this.#failed.error);
      return;
    }
    const lane = this.#lanes[durability + 1] as Lane;
    lane.batches.push(batch);
    lane.jobs += batch.jobs.length;
    if (this.#waiting++ === 0) hold();
    if (lane.jobs >= CROSS_AT_JOBS) {
      this.#send(lane);
    } else if (!this.#scheduled) {
      this.#scheduled = true;
      process.nextTick(this.#flush);
    }
  }

  flush(): void {
    for (const lane of this.#lanes) if (lane.batches.length > 0) this.#send(lane);
  }

  /** Resolves when everything pushed so far was answered. */
  idle(): Promise<void> {
    if (this.#waiting === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  /** Resolves after the next crossing was answered. */
  nextAnswer(): Promise<void> {
    return new Promise((resolve) => this.#onAnswer.push(resolve));
  }

  #send(lane: Lane): void {
    if (this.#engine === undefined) return;
    let taken = 0;
    let chars = 0;
    const room = IN_FLIGHT_BATCHES_MAX - this.#batchesInFlight;
    while (taken < lane.batches.length && taken < room) {
      const next = (lane.batches[taken] as Batch).text.length;
      if (
        this.#charsInFlight + chars + next > IN_FLIGHT_CHARS_MAX &&
        this.#charsInFlight + chars > 0
      )
        break;
      chars += next;
      taken++;
    }
    if (taken === 0) return; // the next answer makes room
    const batches = taken === lane.batches.length ? lane.batches : lane.batches.slice(0, taken);
    lane.batches = taken === lane.batches.length ? [] : lane.batches.slice(taken);
    for (const batch of batches) lane.jobs -= batch.jobs.length;
    this.#batchesInFlight += taken;
    this.#charsInFlight += chars;
    const crossing = this.#crossing(batches, lane, chars);
    const request = newId();
    try {
      const { numbers, text } = pack(batches, request);
      expect(request, crossing);
      this.#engine.enqueue(request, numbers, text, lane.durability);
    } catch (error) {
      // Too long for one string, or the engine is gone: those who wait must hear of it.
      forgo(request);
      for (let index = 0; index < batches.length; index++) crossing.refuse(index, error);
      crossing.done();
    }
  }

  #crossing(batches: Batch[], lane: Lane, chars: number): Crossing {
    const again: Batch[] = [];
    return {
      batchCount: batches.length,
      accept: (index, ids, flags, at) => {
        const batch = batches[index] as Batch;
        let job = at;
        for (const added of batch.jobs) {
          added.added(ids[job] as string, flags.charCodeAt(job));
          job++;
        }
        this.#answered();
        batch.resolve();
        return job;
      },
      refuse: (index, error) => {
        const batch = batches[index] as Batch;
        const reason = toMillraceError(error);
        if (hasCode(reason, "queue_full")) {
          again.push(batch);
          return;
        }
        this.#answered();
        batch.reject(reason);
      },
      done: () => {
        this.#batchesInFlight -= batches.length;
        this.#charsInFlight -= chars;
        if (this.#onAnswer.length > 0) for (const resolve of this.#onAnswer.splice(0)) resolve();
        if (again.length > 0) this.#sendAgain(lane, again);
        else this.flush();
      },
    };
  }

  #sendAgain(lane: Lane, batches: Batch[]): void {
    lane.batches.unshift(...batches);
    for (const batch of batches) lane.jobs += batch.jobs.length;
    // With others in flight their answer sends these; else a timer does.
    if (this.#batchesInFlight === 0) setTimeout(this.#flush, RETRY_MS);
  }

  #answered(): void {
    if (--this.#waiting > 0) return;
    letGo();
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }
}

/** Counts, option sets, then for each batch its number of jobs and the option set of each. */
export function pack(
  batches: Pick<Batch, "sets" | "text">[],
  crossing: number,
): { numbers: Float64Array; text: string } {
  const sets: OptionSet[] = [];
  let jobs = 0;
  let length = 0;
  for (const batch of batches) {
    jobs += batch.sets.length;
    for (const set of batch.sets) {
      if (set.crossing === crossing) continue;
      set.crossing = crossing;
      set.index = sets.length;
      length += set.numbers.length;
      sets.push(set);
    }
  }
  const numbers = new Float64Array(2 + length + batches.length + jobs);
  numbers[0] = sets.length;
  numbers[1] = batches.length;
  let at = 2;
  let text = "";
  for (const set of sets) {
    numbers.set(set.numbers, at);
    at += set.numbers.length;
    text += set.text;
  }
  for (const batch of batches) {
    numbers[at++] = batch.sets.length;
    for (const set of batch.sets) numbers[at++] = set.index;
    text += batch.text;
  }
  return { numbers, text };
}
