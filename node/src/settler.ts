// Collects how jobs ended and tells the session: all ends of one tick cross in one call.
import { type Batch, pack } from "./enqueuer.js";
import { toMillraceError } from "./errors.js";
import { newId } from "./hub.js";
import type { NativeSession } from "./native.cjs";
import type { JobProgress } from "./types.js";
import { SEPARATOR } from "./wire.js";

/** The core's Outcome::Kind. */
export const enum OutcomeKind {
  completed,
  failed,
  retry,
  released,
  cancelled,
  waiting,
  replaced,
}

/** Progress that is written in the commit that ends the attempt. */
export interface OutcomeProgress {
  value: JobProgress;
  json: string;
}

export interface Outcome {
  token: number;
  kind: OutcomeKind;
  retryable: boolean;
  /** Milliseconds until the next attempt; NaN: by the job's own rule. */
  delay: number;
  /** JSON text of the result or the error. */
  body: string;
  /** The core's LimitScope of which nothing starts for so long; 0: none. */
  throttleScope: number;
  throttleMs: number;
  /** Jobs to add in the same commit. */
  jobs: Pick<Batch, "sets" | "text"> | undefined;
  progress?: OutcomeProgress | undefined;
}

const NUMBERS_PER_OUTCOME = 7;

export class Settler {
  #outcomes: Outcome[] = [];
  readonly #session: NativeSession;
  readonly #refused: (outcome: Outcome, error: unknown) => void;
  readonly #flush = (): void => this.flush();

  /** `refused` hears of an outcome that the core did not take, such as a result that is too large. */
  constructor(session: NativeSession, refused: (outcome: Outcome, error: unknown) => void) {
    this.#session = session;
    this.#refused = refused;
  }

  push(outcome: Outcome): void {
    if (this.#outcomes.push(outcome) === 1) process.nextTick(this.#flush);
  }

  flush(): void {
    let outcomes = this.#outcomes;
    this.#outcomes = [];
    while (outcomes.length > 0) {
      let index: number;
      let error: unknown;
      try {
        const refusal = this.#settle(outcomes);
        if (refusal === undefined) return;
        [index, error] = refusal;
      } catch (thrown) {
        [index, error] = [0, thrown]; // the session is closed: each outcome hears of it
      }
      this.#refused(outcomes[index] as Outcome, toMillraceError(error));
      outcomes = outcomes.slice(index + 1);
    }
  }

  #settle(outcomes: Outcome[]): [number, Error] | undefined {
    let length = 1;
    const added = outcomes.map(({ jobs }) => {
      const packed = jobs === undefined ? undefined : pack([jobs], newId());
      length += NUMBERS_PER_OUTCOME + (packed?.numbers.length ?? 0);
      return packed;
    });
    const numbers = new Float64Array(length);
    numbers[0] = outcomes.length;
    let at = 1;
    let text = "";
    for (let i = 0; i < outcomes.length; i++) {
      const outcome = outcomes[i] as Outcome;
      const jobs = added[i];
      numbers[at++] = outcome.token;
      numbers[at++] = outcome.kind;
      numbers[at++] = outcome.retryable ? 1 : 0;
      numbers[at++] = outcome.delay;
      numbers[at++] = outcome.throttleScope;
      numbers[at++] = outcome.throttleMs;
      const { progress } = outcome;
      numbers[at++] = (jobs === undefined ? 0 : 1) + (progress === undefined ? 0 : 2);
      text += outcome.body + SEPARATOR;
      if (progress !== undefined) text += progress.json + SEPARATOR;
      if (jobs === undefined) continue;
      numbers.set(jobs.numbers, at);
      at += jobs.numbers.length;
      text += jobs.text;
    }
    return this.#session.settle(numbers, text);
  }
}
