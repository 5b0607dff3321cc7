// A job between its start and the acknowledgement of its end.
import type { ErrorBody } from "./errors.js";
import type { Job } from "./job.js";

export class ActiveJob {
  /** Why its signal fired, if it did: decides how a rejection of the processor is told to the core. */
  aborted: "cancelled" | "soft" | "hard" | "lost" | undefined = undefined;
  /** The processor has ended. */
  ended = false;
  /** What the processor answered or threw; told to listeners when the core has acknowledged it. */
  result: unknown = undefined;
  error: Error | undefined = undefined;
  errorBody: ErrorBody | undefined = undefined;
  #controller: AbortController | undefined;

  constructor(
    readonly token: number,
    readonly job: Job,
  ) {}

  /** Made when first asked for: most processors never do. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }

  abort(why: NonNullable<ActiveJob["aborted"]>, reason: Error): void {
    // A cancel outlives a soft limit; a lost lease outlives both.
    if (this.aborted === undefined || why === "hard" || why === "lost") this.aborted = why;
    this.#controller ??= new AbortController();
    this.#controller.abort(reason);
  }
}
