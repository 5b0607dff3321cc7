// What stands behind a job: the store that its methods work on, and the worker that runs it.
import type { ActiveJob } from "./active-job.js";
import { show } from "./check.js";
import type { Connection } from "./connection.js";
import {
  childrenRefusal,
  endOfError,
  endOfResult,
  movedAway,
  waitsForChildren,
} from "./endings.js";
import { MillraceError, hasCode, toMillraceError } from "./errors.js";
import { Flow, checkFlow } from "./flow.js";
import { lockMismatch, missingLock } from "./job-errors.js";
import type { JobJson } from "./job-record.js";
import { type JobTransaction, collectEffects } from "./job-transaction.js";
import type { Job } from "./job.js";
import type { NativeSession } from "./native.cjs";
import type { Outcome } from "./settler.js";
import type { JobProgress, WorkerOptions } from "./types.js";

/** Where a job's methods work: a store, and how durable what they write must be. */
export interface JobHost {
  readonly connection: Connection;
  readonly durability: number;
  /** Of the worker that runs its jobs. */
  readonly workerName?: string | undefined;
  /** A queue object's listeners, who hear of what is done through its jobs. */
  tell?(event: "progress", jobId: string, progress: JobProgress): void;
  tell?(event: "removed", jobId: string): void;
}

/** What follows a job that was ended by hand: the next one, its id, and two of BullMQ's numbers that are 0 here. */
export type NextJob = [json: JobJson | undefined, id: string | undefined, limit: 0, until: 0];

/** What the worker that runs a job does for it. */
export interface JobRunner {
  progress(job: Job, json: string, value: JobProgress): void;
  log(job: Job, line: string): void;
  checkpoint(job: Job, json: string): void;
  /** The job's AbortSignal, made when first asked for. */
  signal(job: Job): AbortSignal;
  /** An empty flow on the worker's store. */
  flow(): Flow;
  /** The job ends as these do, once its processor has returned. */
  replace(job: Job, flow: Flow): void;
  /** The job waits for these too, once its processor has thrown a WaitingChildrenError. */
  waitFor(job: Job, flow: Flow): void;
  /** The jobs that were handed to the processor together with this one. */
  batch(job: Job): Job[];
  /** What is to go with the job's completion. */
  transaction<T>(job: Job, work: (tx: JobTransaction) => Promise<T> | T): Promise<T>;
  /** Ends one job of a batch. */
  settle(job: Job, end: { result: unknown } | { error: Error }): void;

  /** Whether the job is in the hands of this worker, under this token if one is given. */
  holds(job: Job, token: string | undefined): boolean;
  /** Ends the job now, whether its processor runs or not; resolves when that is written. */
  end(
    job: Job,
    end: { result: unknown } | { error: Error },
    token: string | undefined,
    fetchNext: boolean,
  ): Promise<NextJob | undefined>;
  /** Sends the job back to its place, or to a later time: now, or when its processor has ended. */
  postpone(job: Job, delay: number, token: string | undefined, command: string): Promise<void>;
  /** Has a job that is worked by hand wait for its children; false: it is not worked by hand. */
  waitNow(job: Job, token: string | undefined): Promise<boolean>;
  /** It is not tried again if it fails. */
  discard(job: Job): void;
  /** A child is being added to the job of this lease. */
  adopts(lease: number): void;
}

/** A worker, as its jobs need it. */
export interface Lessee {
  host(): JobHost;
  opts: WorkerOptions;
  find(job: Job): ActiveJob | undefined;
  leased(lease: number): ActiveJob | undefined;
  /** Throws when it is closed. */
  session(): NativeSession;
  progressed(job: Job, value: JobProgress): void;
  completed(active: ActiveJob, result: unknown): void;
  failed(active: ActiveJob, error: Error): void;
  settle(active: ActiveJob, end: Outcome): void;
  report(error: unknown): void;
  /** Resolves when a job that is worked by hand may end. */
  rested(): Promise<void>;
  /** The next job for a worker without a processor of its own. */
  next(token: string): Promise<Job | undefined>;
}

function gone(job: Job): MillraceError {
  return new MillraceError("lease_lost", `job ${show(job.id)} does not run here any more`);
}

export class LeaseRunner implements JobRunner {
  readonly #worker: Lessee;

  constructor(worker: Lessee) {
    this.#worker = worker;
  }

  progress(job: Job, json: string, value: JobProgress): void {
    this.#lease(job, (session, token) => session.progress(token, json));
    this.#worker.progressed(job, value);
  }

  log(job: Job, line: string): void {
    this.#lease(job, (session, token) => session.log(token, line));
  }

  checkpoint(job: Job, json: string): void {
    this.#lease(job, (session, token) => session.checkpoint(token, json));
  }

  signal(job: Job): AbortSignal {
    // A job that has ended keeps a signal that never fires.
    return this.#worker.find(job)?.signal ?? new AbortController().signal;
  }

  flow(): Flow {
    return new Flow(this.#worker.host());
  }

  replace(job: Job, flow: Flow): void {
    checkFlow("job.replaceBy: flow", flow);
    this.#active(job).replacement = flow.take("job.replaceBy");
  }

  waitFor(job: Job, flow: Flow): void {
    checkFlow("job.moveToWaitingChildren: children", flow);
    this.#active(job).children = flow.take("job.moveToWaitingChildren");
  }

  transaction<T>(job: Job, work: (tx: JobTransaction) => Promise<T> | T): Promise<T> {
    return collectEffects(this.#active(job), this.#worker.host(), work);
  }

  batch(job: Job): Job[] {
    const active = this.#active(job);
    return (active.batch ?? [active]).map((each) => each.job);
  }

  settle(job: Job, end: { result: unknown } | { error: Error }): void {
    const active = this.#active(job);
    if (active.batch === undefined || active.ended) {
      const why = active.ended ? "has ended already" : "is not one of a batch: return or throw";
      throw new MillraceError("wrong_state", `job ${show(job.id)} ${why}`);
    }
    active.settledInBatch = true;
    if ("error" in end) this.#worker.failed(active, end.error);
    else this.#worker.completed(active, end.result);
  }

  holds(job: Job, token: string | undefined): boolean {
    const active = this.#worker.find(job);
    if (active === undefined || active.ended) return false;
    return token === undefined || token === active.job.token;
  }

  async end(
    job: Job,
    end: { result: unknown } | { error: Error },
    token: string | undefined,
    fetchNext: boolean,
  ): Promise<NextJob | undefined> {
    const active = this.#held(job, token, "moveToFinished");
    const byHand = !active.running;
    const { opts } = this.#worker;
    if ("result" in end && active.hasChildren) {
      const refusal = await childrenRefusal(active.job, "moveToFinished");
      if (refusal !== undefined) throw refusal;
    }
    const outcome =
      "error" in end
        ? await endOfError(active, end.error, opts, (error) => this.#worker.report(error))
        : endOfResult(active, end.result);
    await this.#written(active, outcome, byHand);
    if (job !== active.job) job.ended(active.result, active.errorBody);
    if (!byHand || !fetchNext) return undefined;
    const next = await this.#worker.next(active.job.token as string);
    return next === undefined ? [undefined, undefined, 0, 0] : [next.asJSON(), next.id, 0, 0];
  }

  async postpone(
    job: Job,
    delay: number,
    token: string | undefined,
    command: string,
  ): Promise<void> {
    const active = this.#held(job, token, command);
    active.moved = { delay };
    if (!active.running) await this.#written(active, movedAway(active), true);
  }

  async waitNow(job: Job, token: string | undefined): Promise<boolean> {
    const active = this.#held(job, token, "moveToWaitingChildren");
    active.waits = true;
    if (active.running) return false;
    await this.#written(active, waitsForChildren(active), true);
    return true;
  }

  discard(job: Job): void {
    this.#active(job).noRetry = true;
  }

  adopts(lease: number): void {
    const active = this.#worker.leased(lease);
    if (active !== undefined) active.hasChildren = true;
  }

  async #written(active: ActiveJob, outcome: Outcome, byHand: boolean): Promise<void> {
    active.ended = true; // nobody else ends it meanwhile
    if (byHand) await this.#worker.rested();
    return new Promise((resolve, reject) => {
      active.onSettled = (error) => {
        if (error === undefined) resolve();
        else reject(error);
      };
      this.#worker.settle(active, outcome);
    });
  }

  #held(job: Job, token: string | undefined, command: string): ActiveJob {
    const active = this.#worker.find(job);
    if (active === undefined || active.ended) throw missingLock(job.id, command);
    if (token === undefined || token === active.job.token) return active;
    throw lockMismatch(job.id, command);
  }

  #active(job: Job): ActiveJob {
    const active = this.#worker.find(job);
    if (active === undefined) throw gone(job);
    return active;
  }

  #lease(job: Job, action: (session: NativeSession, token: number) => void): void {
    const session = this.#worker.session();
    try {
      action(session, this.#active(job).token);
    } catch (error) {
      const reason = toMillraceError(error);
      throw hasCode(reason, "not_found") ? gone(job) : reason;
    }
  }
}
