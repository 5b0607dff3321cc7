// A job between its start and the acknowledgement of its end.
import { type ErrorBody, JobCancelledError, MillraceError, TimeLimitError } from "./errors.js";
import { show } from "./check.js";
import type { FlowBatch } from "./flow.js";
import type { Job } from "./job.js";
import type { Effects } from "./job-transaction.js";
import type { OutcomeKind } from "./settler.js";
import { type Signal, SignalKind } from "./wire-reports.js";

export class ActiveJob {
  /** Why its signal fired, if it did: decides how a rejection of the processor is told to the core. */
  aborted: "cancelled" | "soft" | "hard" | "lost" | undefined = undefined;
  /** What the processor answered or threw; told to listeners when the core has acknowledged it. */
  result: unknown = undefined;
  error: Error | undefined = undefined;
  errorBody: ErrorBody | undefined = undefined;
  /** What was told to the core. */
  kind: OutcomeKind | undefined = undefined;
  /** The job will end as these do, or wait for them. */
  replacement: FlowBatch | undefined = undefined;
  children: FlowBatch | undefined = undefined;
  /** job.moveToWaitingChildren() has found something to wait for: a WaitingChildrenError says that it does. */
  waits = false;
  /** What goes with its completion. */
  effects: Effects | undefined = undefined;
  /** The processor was called; if not, the job is worked by hand. */
  running = false;
  /** Where job.moveToDelayed() or job.moveToWait() has sent it: it goes there when its processor has ended. */
  moved: { delay: number } | undefined = undefined;
  /** Hears that its end is written, or why it is not. */
  onSettled: ((error: Error | undefined) => void) | undefined = undefined;
  stopTimer: (() => void) | undefined = undefined;
  onForgotten: (() => void) | undefined = undefined;
  /** Children were added to it since it was started: it may not complete before they are done. */
  hasChildren = false;
  /** It must not be tried again, whatever attempts are left. */
  noRetry = false;
  /** By setAsCompleted() or setAsFailed(): its processor goes on. */
  settledInBatch = false;
  /** The jobs that the processor was handed together; undefined: this one alone. */
  batch: ActiveJob[] | undefined = undefined;
  /** Told each time, also when the signal has fired already: its sandbox may have to be killed. */
  onAbort: ((why: NonNullable<ActiveJob["aborted"]>, reason: Error) => void) | undefined;
  #controller: AbortController | undefined;
  #ended = false;
  #left = false;

  /** `leftSlot` is called once: when the job's end is decided, or the core has given its slot to another. */
  constructor(
    readonly token: number,
    readonly job: Job,
    readonly leftSlot: () => void,
  ) {}

  /** The processor has ended. */
  get ended(): boolean {
    return this.#ended;
  }
  set ended(ended: boolean) {
    this.#ended = ended;
    if (ended) this.leaveSlot();
  }

  leaveSlot(): void {
    if (this.#left) return;
    this.#left = true;
    this.leftSlot();
  }

  /** Made when first asked for: most processors never do. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }

  abort(why: NonNullable<ActiveJob["aborted"]>, reason: Error): void {
    // A cancel outlives a soft limit; a lost lease outlives both.
    if (this.aborted === undefined || why === "hard" || why === "lost") this.aborted = why;
    if (why === "hard" || why === "lost") this.leaveSlot(); // a processor that never ends blocks nobody
    this.#controller ??= new AbortController();
    this.#controller.abort(reason);
    this.onAbort?.(why, reason);
  }

  /** What the core says of the job: fires its signal. */
  told({ kind, reason }: Signal): Error {
    const id = show(this.job.id);
    let error: Error;
    switch (kind) {
      case SignalKind.cancel:
        error = new JobCancelledError(reason === "" ? `job ${id} was cancelled` : reason);
        this.abort("cancelled", error);
        break;
      case SignalKind.softLimit:
        error = new TimeLimitError("soft", `job ${id} runs longer than its softTimeLimit`);
        this.abort("soft", error);
        break;
      case SignalKind.hardLimit:
        error = new TimeLimitError("hard", `job ${id} ran longer than its timeLimit`);
        this.abort("hard", error);
        break;
      case SignalKind.leaseLost:
        error = new MillraceError("lease_lost", `job ${id} was taken away: ${reason}`);
        this.abort("lost", error);
        break;
    }
    return error;
  }
}
