// The attempts that run in a worker: from the start of a job to the acknowledgement of how the attempt ended.
import { ActiveJob } from "./active-job.js";
import { type AttemptRules, startRefusal } from "./attempt-rules.js";
import { Batches, batchSignal } from "./batches.js";
import { closedError } from "./connection.js";
import type { TypedEmitter } from "./emitter.js";
import {
  childrenRefusal,
  endOfError,
  endOfResult,
  isNoEnd,
  movedAway,
  released,
} from "./endings.js";
import { UnrecoverableError, decodeError, hasCode } from "./errors.js";
import { lockMismatch, missingLock } from "./job-errors.js";
import { type JobHost, LeaseRunner } from "./job-runner.js";
import { Job } from "./job.js";
import type { NativeSession } from "./native.cjs";
import { type Subscribable, isObservable, lastOf } from "./observable.js";
import { type Outcome, OutcomeKind, Settler } from "./settler.js";
import type { JobProgress, WorkerOptions } from "./types.js";
import { type Settled, type Signal, SignalKind, readNotices } from "./wire-reports.js";
import { type LeasedJob, type Reader, readLeased } from "./wire.js";
import type { WorkerListener } from "./worker-options.js";

/** Jobs that are started in one turn of the event loop, at most: as many as one crossing brings. */
const TURN_MAX = 256;

/** Runs a processor: answers its result or its promise, or throws. */
export type Process = (active: ActiveJob, signal: AbortSignal | undefined) => unknown;

export interface AttemptsOptions {
  label: string;
  /** Called after jobs have left their slots. */
  onFree: () => void;
  next: (token: string) => Promise<Job | undefined>;
  rested: () => Promise<void>;
  emitter: TypedEmitter<WorkerListener>;
  host: JobHost;
  opts: WorkerOptions;
  /** undefined: jobs are fetched and ended by hand. */
  process: Process | undefined;
  wantsSignal: boolean;
  rules: AttemptRules | undefined;
  /** A job that has any was started. */
  onHeaders: (leased: LeasedJob) => void;
}

export class Attempts {
  readonly jobs = new Map<number, ActiveJob>();
  readonly runner: LeaseRunner;
  readonly batches: Batches | undefined;
  readonly #emitter: TypedEmitter<WorkerListener>;
  readonly #host: JobHost;
  readonly #opts: WorkerOptions;
  readonly #process: Process | undefined;
  readonly #wantsSignal: boolean;
  readonly #rules: AttemptRules | undefined;
  readonly #onHeaders: AttemptsOptions["onHeaders"];
  #settler: Settler | undefined;
  #session: NativeSession | undefined;
  #onIdle: (() => void)[] = [];
  #taken = 0;
  #told = false;
  readonly #onFree: () => void;
  readonly #leftSlot = (): void => {
    this.#taken--;
    if (this.#told) return;
    this.#told = true;
    // With short jobs nothing else of this process would have a turn, were it always at once.
    if (this.#takenInTurn < TURN_MAX) process.nextTick(this.#tell);
    else setImmediate(this.#tell);
  };
  readonly #tell = (): void => {
    this.#told = false;
    this.#onFree();
  };
  #takenInTurn = 0;
  readonly #newTurn = (): void => {
    this.#takenInTurn = 0;
  };

  constructor(options: AttemptsOptions) {
    this.#onFree = options.onFree;
    const { label, emitter, host, opts, process, wantsSignal, rules, next, rested } = options;
    this.#emitter = emitter;
    this.#host = host;
    this.#opts = opts;
    this.#process = process;
    this.#wantsSignal = wantsSignal;
    this.#rules = rules;
    this.#onHeaders = options.onHeaders;
    if (opts.batch !== undefined) {
      this.batches = new Batches(opts.batch, opts.concurrency ?? 1, (jobs) =>
        this.#startBatch(jobs),
      );
    }
    this.runner = new LeaseRunner({
      host: () => host,
      opts,
      find: (job) => this.#find(job),
      leased: (lease) => this.jobs.get(lease),
      session: () => {
        if (this.#session === undefined) throw closedError(label);
        return this.#session;
      },
      progressed: (job, value) => this.#progressed(job, value),
      completed: (active, result) => this.completed(active, result),
      failed: (active, error) => this.failed(active, error),
      settle: (active, end) => this.#settle(active, end),
      report: (error) => void emitter.emit("error", error as Error),
      next,
      rested,
    });
  }

  open(session: NativeSession): void {
    this.#session = session;
    this.#settler = new Settler(session, (outcome, error) => this.#refused(outcome, error));
  }

  /** Tells the session now what has ended in this turn of the event loop. */
  flush(): void {
    this.#settler?.flush();
  }

  shut(): void {
    this.#session = undefined;
  }

  #find(job: Job): ActiveJob | undefined {
    if (job.lease !== 0) return this.jobs.get(job.lease);
    for (const active of this.jobs.values()) if (active.job.id === job.id) return active;
    return undefined;
  }

  /** How many jobs take up a slot. */
  get taken(): number {
    return this.#taken;
  }

  /** A job that has come from the session, not started yet. */
  accept(reader: Reader): ActiveJob {
    const leased = readLeased(reader);
    if (leased.headers !== "") this.#onHeaders(leased);
    const job = Job.leased(this.#host, this.runner, leased);
    const active = new ActiveJob(leased.token, job, this.#leftSlot);
    this.#taken++;
    if (this.#takenInTurn++ === 0) setImmediate(this.#newTurn);
    this.jobs.set(leased.token, active);
    return active;
  }

  /** A job that is worked by hand and not ended yet. */
  handOver(job: Job, token: string): ActiveJob {
    const active = this.#find(job);
    if (active === undefined || active.ended) throw missingLock(job.id, "moveToFinished");
    if (active.job.token !== token) throw lockMismatch(job.id, "moveToFinished");
    return active;
  }

  announce(active: ActiveJob): void {
    const emitter = this.#emitter;
    if (emitter.listenerCount("active") > 0) emitter.emit("active", active.job, "waiting");
  }

  start(active: ActiveJob): void {
    this.announce(active);
    if (this.batches !== undefined) this.batches.add(active);
    else this.run(active);
  }

  /** Calls the processor; its end is settled. */
  run(active: ActiveJob): void {
    if (this.#rules !== undefined && !this.#mayRun(active, this.#rules)) return;
    this.#call(
      active,
      this.#wantsSignal ? active.signal : undefined,
      (value) => this.completed(active, value),
      (error) => this.failed(active, error),
    );
  }

  /** A job that was started too often has failed; another one's time to live begins. */
  #mayRun(active: ActiveJob, rules: AttemptRules): boolean {
    const refusal = startRefusal(active.job, rules);
    if (refusal !== undefined) {
      this.failed(active, new UnrecoverableError(refusal));
      return false;
    }
    rules.startTimer?.(active, (error) => {
      if (active.ended) return;
      active.abort("hard", error);
      active.aborted = undefined; // it fails as it would by itself, and is retried
      this.failed(active, error);
    });
    return true;
  }

  #startBatch(jobs: ActiveJob[]): void {
    const rules = this.#rules;
    const open = jobs.filter(
      (active) =>
        active.aborted !== "hard" &&
        active.aborted !== "lost" &&
        (rules === undefined || this.#mayRun(active, rules)),
    );
    let over = false;
    const leave = (): void => {
      if (!over) this.batches?.ended();
      over = true;
    };
    const ended = (end: (active: ActiveJob) => void): void => {
      for (const active of open) if (!active.ended) end(active);
      leave();
    };
    const first = open[0];
    if (first === undefined) {
      leave();
      return;
    }
    for (const active of open) {
      active.batch = open;
      // A processor that never settles keeps no place from others once time limits have ended its jobs.
      active.onForgotten = () => {
        if (open.some(({ token }) => this.jobs.has(token))) return;
        if (!open.every(({ settledInBatch }) => settledInBatch)) leave();
      };
    }
    this.#call(
      first,
      this.#wantsSignal ? batchSignal(open) : undefined,
      (value) => ended((active) => this.completed(active, value)),
      (error) => ended((active) => this.failed(active, error)),
    );
  }

  #call(
    active: ActiveJob,
    signal: AbortSignal | undefined,
    onValue: (value: unknown) => void,
    onError: (error: unknown) => void,
  ): void {
    active.running = true;
    let result: unknown;
    try {
      result = this.#process?.(active, signal);
      // What has a then() of the user's own may throw in it, or call both: a promise sees to that.
      if (typeof (result as PromiseLike<unknown> | undefined)?.then === "function")
        result = Promise.resolve(result);
    } catch (error) {
      onError(error);
      return;
    }
    const onAnswer = (value: unknown): void => {
      if (isObservable(value)) this.#follow(active, signal, value).then(onValue, onError);
      else onValue(value);
    };
    if (result instanceof Promise) result.then(onAnswer, onError);
    else onAnswer(result);
  }

  /** The processor answered an observable: its values are the job's progress. */
  #follow(
    active: ActiveJob,
    signal: AbortSignal | undefined,
    observable: Subscribable<unknown>,
  ): Promise<unknown> {
    const { batch, job } = active;
    if (batch === undefined) {
      return lastOf(observable, active.signal, (value) => job.updateProgress(value as JobProgress));
    }
    return lastOf(observable, signal ?? batchSignal(batch), () => Promise.resolve());
  }

  /** Jobs of an unfinished batch go back to the queue: their attempts have not begun. */
  releaseHeld(): void {
    for (const active of this.batches?.release() ?? []) this.#settle(active, released(active));
  }

  completed(active: ActiveJob, result: unknown): void {
    if (active.ended) return;
    if (active.hasChildren && active.moved === undefined && active.replacement === undefined) {
      void this.#completeParent(active, result);
      return;
    }
    let end: Outcome;
    try {
      end = active.moved === undefined ? endOfResult(active, result) : movedAway(active);
    } catch (error) {
      this.failed(active, error);
      return;
    }
    this.#settle(active, end);
  }

  /** One that has added children to itself: it completes if they are done. */
  async #completeParent(active: ActiveJob, result: unknown): Promise<void> {
    active.ended = true; // nobody else ends it meanwhile
    const refusal = await childrenRefusal(active.job, "moveToFinished").catch(
      (error: unknown) => error,
    );
    active.ended = false;
    active.hasChildren = false;
    if (refusal === undefined) this.completed(active, result);
    else this.failed(active, refusal);
  }

  failed(active: ActiveJob, thrown: unknown): void {
    if (active.ended) return;
    const report = (error: unknown): void => void this.#emitter.emit("error", error as Error);
    const end = endOfError(active, thrown, this.#opts, report);
    if (!(end instanceof Promise)) {
      this.#settle(active, end);
      return;
    }
    active.ended = true;
    void end.then((decided) => this.#settle(active, decided));
  }

  #settle(active: ActiveJob, end: Outcome): void {
    active.kind = end.kind;
    active.stopTimer?.();
    if (end.progress !== undefined) {
      active.job.progress = end.progress.value;
      this.#progressed(active.job, end.progress.value);
    }
    this.#settler?.push(end);
    active.ended = true; // after the push: its slot is asked for behind its end
  }

  #progressed(job: Job, value: JobProgress): void {
    if (this.#emitter.listenerCount("progress") > 0) this.#emitter.emit("progress", job, value);
  }

  /** The core did not take an outcome: nothing was changed. */
  #refused(outcome: Outcome, error: unknown): void {
    const active = this.jobs.get(outcome.token);
    if (active === undefined) return;
    const gone =
      hasCode(error, "not_found") || hasCode(error, "closed") || hasCode(error, "lease_lost");
    const failed = outcome.kind === OutcomeKind.failed || outcome.kind === OutcomeKind.cancelled;
    if (!gone && !failed) {
      // A result that is too large, a flow that contains itself: the job failed by it.
      active.replacement = undefined;
      active.ended = false;
      this.failed(active, error);
      return;
    }
    if (!gone && outcome.body.length > 1000) {
      const { type, message } = decodeError(outcome.body);
      const body = JSON.stringify({ type, message: message.slice(0, 500), stack: "" });
      this.#settler?.push({ ...outcome, body });
      return;
    }
    this.forget(active, error as Error);
    this.#lost(active, error as Error);
  }

  #lost(active: ActiveJob, error: Error): void {
    if (active.onSettled === undefined && active.aborted !== "hard" && active.aborted !== "lost")
      this.#emitter.emit("error", error);
  }

  notice(reader: Reader): void {
    const notices = readNotices(reader);
    for (const signal of notices.signals) this.#onSignal(signal);
    for (const settled of notices.settled) this.#onSettled(settled);
    for (const id of notices.rescued) this.#emitter.emit("stalled", id, "active");
    for (const error of notices.errors) this.#emitter.emit("error", error);
    if (notices.drained) this.#emitter.emit("drained");
  }

  #onSettled({ token, error }: Settled): void {
    const active = this.jobs.get(token);
    if (active === undefined) return;
    if (error !== undefined) {
      // Not written yet: the session tries again with its next commit.
      if (error.code === "io_error" || error.code === "disk_full") {
        this.#emitter.emit("error", error);
        return;
      }
      this.forget(active, error);
      if (error.code !== "lease_lost" && error.code !== "closed") {
        // The jobs that it was to add were refused at the commit: it has failed by that.
        this.#emitter.emit("failed", active.job, error, "active");
        return;
      }
      this.#lost(active, error);
      return;
    }
    const { job } = active;
    const ended = !isNoEnd(active.kind);
    if (ended) job.ended(active.result, active.errorBody);
    this.forget(active);
    if (!ended || (active.onSettled !== undefined && !active.running)) return;
    if (active.error === undefined) this.#emitter.emit("completed", job, active.result, "active");
    else if (active.aborted === "cancelled")
      this.#emitter.emit("cancelled", job, active.error.message);
    else this.#emitter.emit("failed", job, active.error, "active");
  }

  #onSignal(signal: Signal): void {
    const active = this.jobs.get(signal.token);
    if (active === undefined) return;
    const error = active.told(signal);
    if (signal.kind === SignalKind.hardLimit) {
      this.#emitter.emit("failed", active.job, error, "active");
      // The core has failed it; this gives its place to another one, should its processor never end.
      if (!active.ended) this.#settle(active, released(active));
    } else if (signal.kind === SignalKind.leaseLost) this.#emitter.emit("error", error);
  }

  /** It runs here no more; `error`: its end could not be written. */
  forget(active: ActiveJob, error?: Error): void {
    this.jobs.delete(active.token);
    active.leaveSlot();
    active.stopTimer?.();
    active.onSettled?.(error);
    active.onForgotten?.();
    if (this.jobs.size === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  idle(): Promise<void> {
    if (this.jobs.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  /** Stops waiting for the jobs that run, or for those of them that `which` accepts. */
  abandon(reason: Error, which: (active: ActiveJob) => boolean = () => true): void {
    for (const active of [...this.jobs.values()]) {
      if (!which(active)) continue;
      if (!active.ended) active.abort("lost", reason);
      this.forget(active, reason);
    }
  }
}
