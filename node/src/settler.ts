// Collects how jobs ended and tells the session: all ends of one tick cross in one call.
import { toMillraceError } from "./errors.js";
import type { NativeSession } from "./native.cjs";
import { SEPARATOR } from "./wire.js";

/** The core's Outcome::Kind. */
export const enum OutcomeKind {
  completed,
  failed,
  retry,
  released,
  cancelled,
}

export interface Outcome {
  token: number;
  kind: OutcomeKind;
  retryable: boolean;
  /** Milliseconds until the next attempt; NaN: by the job's own rule. */
  delay: number;
  /** JSON text of the result or the error. */
  body: string;
}

const NUMBERS_PER_OUTCOME = 4;

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
    const numbers = new Float64Array(1 + outcomes.length * NUMBERS_PER_OUTCOME);
    numbers[0] = outcomes.length;
    let at = 1;
    let text = "";
    for (const { token, kind, retryable, delay, body } of outcomes) {
      numbers[at++] = token;
      numbers[at++] = kind;
      numbers[at++] = retryable ? 1 : 0;
      numbers[at++] = delay;
      text += body + SEPARATOR;
    }
    return this.#session.settle(numbers, text);
  }
}
