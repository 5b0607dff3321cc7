// Worker: runs the jobs of one queue. Its leases are held by a thread of the core, so a busy event loop costs none.
import { ActiveJob } from "./active-job.js";
import {
  checkBoolean,
  checkInteger,
  checkKnownOptions,
  checkName,
  checkObject,
  show,
} from "./check.js";
import { type Connection, closedError, connect } from "./connection.js";
import { TypedEmitter } from "./emitter.js";
import {
  JobCancelledError,
  MillraceError,
  TimeLimitError,
  decodeError,
  encodeError,
  hasCode,
  invalidArgument,
  nativeCall,
  toMillraceError,
} from "./errors.js";
import { hold, letGo, listen, newId, unlisten } from "./hub.js";
import { Job, type JobHost, type JobRunner } from "./job.js";
import { checkDurability, durabilityNumber } from "./job-options.js";
import type { NativeSession } from "./native.cjs";
import { type RetryDecision, decideRetry } from "./retry.js";
import { encodeJson } from "./serializer.js";
import { type Outcome, OutcomeKind, Settler } from "./settler.js";
import type { JobProgress, Processor, WorkerOptions } from "./types.js";
import { type Settled, type Signal, SignalKind, readNotices } from "./wire-reports.js";
import { Reader, readLeased } from "./wire.js";

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as in BullMQ
export interface WorkerListener<Data = any, Result = any, Name extends string = string> {
  active: (job: Job<Data, Result, Name>, prev: string) => void;
  /** The job's end is acknowledged: as durable as the worker's durability says. */
  completed: (job: Job<Data, Result, Name>, result: Result, prev: string) => void;
  /** An attempt failed, whether it is the last one or not. */
  failed: (job: Job<Data, Result, Name> | undefined, error: Error, prev: string) => void;
  /** Ours: the job ended as cancelled. */
  cancelled: (job: Job<Data, Result, Name>, reason: string) => void;
  progress: (job: Job<Data, Result, Name>, progress: JobProgress) => void;
  /** This process took the job back from a worker that died. */
  stalled: (jobId: string, prev: string) => void;
  /** No job is left to claim and none runs here. */
  drained: () => void;
  error: (error: Error) => void;
  ready: () => void;
  paused: () => void;
  resumed: () => void;
  closing: (message: string) => void;
  closed: () => void;
}

const KNOWN = new Set([
  ...["store", "concurrency", "autorun", "name", "durability", "settings"],
  // Accepted for BullMQ's sake, without effect.
  ...["lockDuration", "lockRenewTime", "stalledInterval", "maxStalledCount", "skipStalledCheck"],
  ...["skipLockRenewal", "drainDelay", "runRetryDelay"],
]);
const NOT_HERE = {
  connection: 'is BullMQ\'s; Millrace needs no server: pass { store: "jobs.db" }',
  prefix: "is BullMQ's; queues of one name in two stores do not meet",
  limiter: "is not supported: rate limits are not part of this version",
  useWorkerThreads: "is not supported: start the Worker inside a worker_thread of your own",
  removeOnComplete: "belongs to the queue: use defaultJobOptions or queue.setRetention()",
  removeOnFail: "belongs to the queue: use defaultJobOptions or queue.setRetention()",
};
const CONCURRENCY_MAX = 100_000;
// In one crossing; more follow in the next. Bounds how long the start of many jobs holds the event loop.
const TAKE_MAX = 256;

/** Keeps the process alive until close(). */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as in BullMQ
export class Worker<Data = any, Result = any, Name extends string = string> extends TypedEmitter<
  WorkerListener<Data, Result, Name>
> {
  readonly name: string;
  readonly opts: WorkerOptions;
  readonly #processor: Processor<Data, Result, Name>;
  readonly #wantsSignal: boolean;
  readonly #connection: Connection;
  readonly #host: JobHost;
  readonly #source = newId();
  readonly #jobs = new Map<number, ActiveJob>();
  #concurrency: number;
  #session: NativeSession | undefined;
  #settler: Settler | undefined;
  #opening: Promise<void> | undefined;
  #paused = false;
  #onIdle: (() => void)[] = [];
  #closing: Promise<void> | undefined;
  #stopped: (() => void) | undefined;

  constructor(name: string, processor: Processor<Data, Result, Name>, opts: WorkerOptions = {}) {
    super();
    checkName("new Worker: name", name);
    if (typeof processor !== "function") {
      throw invalidArgument(`new Worker: processor must be a function, not ${show(processor)}`);
    }
    checkOptions(opts);
    this.name = name;
    this.opts = opts;
    this.#processor = processor;
    // As in BullMQ: a processor that declares three parameters gets the signal; others find it as job.signal.
    this.#wantsSignal = processor.length >= 3;
    this.#concurrency = opts.concurrency ?? 1;
    this.#connection = connect("new Worker", opts.store);
    this.#host = { connection: this.#connection, durability: durabilityNumber(opts.durability) };
    if (opts.autorun !== false)
      this.run().catch((error: unknown) => this.emit("error", error as Error));
  }

  /** Starts to take jobs; resolves when the worker is closed. Called by the constructor unless `autorun` is false. */
  run(): Promise<void> {
    if (this.#opening !== undefined)
      return Promise.reject(new Error(`Worker ${show(this.name)} is running already`));
    if (this.#closing !== undefined)
      return Promise.reject(closedError(`Worker ${show(this.name)}`));
    this.#opening = this.#open();
    return this.#opening.then(
      () =>
        new Promise<void>((resolve) => {
          if (this.#closing !== undefined) resolve();
          else this.#stopped = resolve;
        }),
    );
  }

  /** Resolves when it may take jobs. */
  async waitUntilReady(): Promise<void> {
    await (this.#opening ?? this.#connection.ready);
  }

  async #open(): Promise<void> {
    hold();
    listen(this.#source, () => this.#onReady());
    try {
      const pausedAtOpen = this.#paused;
      const session = await this.#connection.call((engine) =>
        engine.openSession(
          this.#source,
          this.name,
          this.#concurrency,
          this.opts.name ?? "",
          this.#host.durability,
          pausedAtOpen,
        ),
      );
      this.#session = session;
      this.#settler = new Settler(session, (outcome, error) => this.#refused(outcome, error));
      if (this.#paused !== pausedAtOpen)
        await nativeCall(this.#paused ? session.pause() : session.resume());
      session.setSlots(this.#concurrency); // it may have been set meanwhile
    } catch (error) {
      unlisten(this.#source);
      letGo();
      throw error;
    }
    if (this.#closing !== undefined) return;
    this.emit("ready");
    this.#onReady();
  }

  get concurrency(): number {
    return this.#concurrency;
  }
  set concurrency(concurrency: number) {
    checkInteger("worker.concurrency", concurrency, 1, CONCURRENCY_MAX);
    this.#concurrency = concurrency;
    this.#session?.setSlots(concurrency);
  }

  isRunning(): boolean {
    return this.#opening !== undefined && this.#closing === undefined;
  }
  isPaused(): boolean {
    return this.#paused;
  }

  /** Takes no more jobs; resolves when those that run have ended, or at once. */
  async pause(doNotWaitActive = false): Promise<void> {
    checkBoolean("worker.pause: doNotWaitActive", doNotWaitActive);
    if (this.#closing !== undefined) throw closedError(`Worker ${show(this.name)}`);
    if (!this.#paused) {
      this.#paused = true;
      if (this.#session !== undefined) await nativeCall(this.#session.pause());
      this.emit("paused");
    }
    if (!doNotWaitActive) await this.#idle();
  }

  async resume(): Promise<void> {
    if (this.#closing !== undefined) throw closedError(`Worker ${show(this.name)}`);
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#session !== undefined) await nativeCall(this.#session.resume());
    this.emit("resumed");
  }

  /** Fires the AbortSignal of a job that runs here; true if there is one. When it then throws, it is cancelled. */
  cancelJob(jobId: string, reason = ""): boolean {
    let found = false;
    for (const active of this.#jobs.values()) {
      if (active.job.id !== jobId || active.ended) continue;
      active.abort("cancelled", new JobCancelledError(reason));
      found = true;
    }
    return found;
  }
  cancelAllJobs(reason = ""): void {
    for (const active of this.#jobs.values()) this.cancelJob(active.job.id, reason);
  }

  #onReady(): void {
    const session = this.#session;
    if (session === undefined) return;
    try {
      for (let packed = session.drain(); packed !== undefined; packed = session.drain()) {
        this.#notice(new Reader(packed));
      }
      for (
        let packed = session.take(TAKE_MAX);
        packed !== undefined;
        packed = session.take(TAKE_MAX)
      ) {
        const reader = new Reader(packed);
        const count = reader.number();
        for (let i = 0; i < count; i++) this.#start(reader);
      }
    } catch (error) {
      const reason = toMillraceError(error);
      if (!hasCode(reason, "closed")) this.emit("error", reason as Error);
    }
  }

  #start(reader: Reader): void {
    const leased = readLeased(reader);
    const job = Job.leased<Data, Result, Name>(this.#host, this.#runner, leased);
    const active = new ActiveJob(leased.token, job as Job);
    this.#jobs.set(leased.token, active);
    if (this.listenerCount("active") > 0) this.emit("active", job, "waiting");
    try {
      const signal = this.#wantsSignal ? active.signal : (undefined as unknown as AbortSignal);
      const result = this.#processor(job, job.token as string, signal);
      if (typeof (result as Promise<Result> | undefined)?.then === "function") {
        (result as Promise<Result>).then(
          (value) => this.#completed(active, value),
          (error: unknown) => this.#failed(active, error),
        );
      } else {
        this.#completed(active, result);
      }
    } catch (error) {
      this.#failed(active, error);
    }
  }

  readonly #runner: JobRunner = {
    progress: (job, json, value) => {
      this.#lease(job, (session, token) => session.progress(token, json));
      if (this.listenerCount("progress") > 0)
        this.emit("progress", job as Job<Data, Result, Name>, value);
    },
    log: (job, line) => this.#lease(job, (session, token) => session.log(token, line)),
    signal: (job) => {
      const active = this.#jobs.get(Number(job.token));
      // A job that has ended keeps a signal that never fires.
      return active?.signal ?? new AbortController().signal;
    },
  };

  #lease(job: Job, action: (session: NativeSession, token: number) => void): void {
    if (this.#session === undefined) throw closedError(`Worker ${show(this.name)}`);
    try {
      action(this.#session, Number(job.token));
    } catch (error) {
      const reason = toMillraceError(error);
      if (!hasCode(reason, "not_found")) throw reason;
      throw new MillraceError("lease_lost", `job ${show(job.id)} does not run here any more`);
    }
  }

  #completed(active: ActiveJob, result: unknown): void {
    let body: string;
    try {
      body = encodeJson(() => `the result of job ${show(active.job.id)}`, result, "null");
    } catch (error) {
      this.#failed(active, error);
      return;
    }
    active.result = result === undefined ? null : result;
    this.#settle(active, OutcomeKind.completed, body, { retryable: true, delay: NaN });
  }

  #failed(active: ActiveJob, thrown: unknown): void {
    const body = encodeError(thrown);
    active.errorBody = decodeError(body);
    active.error = thrown instanceof Error ? thrown : new Error(active.errorBody.message);
    if (active.aborted === "cancelled") {
      this.#settle(active, OutcomeKind.cancelled, body, { retryable: false, delay: NaN });
      return;
    }
    const decision = decideRetry(active.job, active.error, this.opts.settings?.backoffStrategy);
    if (decision instanceof Promise) {
      void decision.then(
        (retry) => this.#settle(active, OutcomeKind.failed, body, retry),
        (error: unknown) => {
          this.emit("error", error as Error);
          this.#settle(active, OutcomeKind.failed, body, { retryable: true, delay: NaN });
        },
      );
      return;
    }
    this.#settle(active, OutcomeKind.failed, body, decision);
  }

  #settle(
    active: ActiveJob,
    kind: OutcomeKind,
    body: string,
    { retryable, delay }: RetryDecision,
  ): void {
    active.ended = true;
    this.#settler?.push({ token: active.token, kind, retryable, delay, body });
  }

  /** The core did not take an outcome: nothing was changed. */
  #refused(outcome: Outcome, error: unknown): void {
    const active = this.#jobs.get(outcome.token);
    if (active === undefined) return;
    const gone =
      hasCode(error, "not_found") || hasCode(error, "closed") || hasCode(error, "lease_lost");
    if (!gone && outcome.kind === OutcomeKind.completed) {
      this.#failed(active, error); // a result that is too large: the job failed by it
      return;
    }
    if (!gone && outcome.body.length > 1000) {
      const { type, message } = decodeError(outcome.body);
      const body = JSON.stringify({ type, message: message.slice(0, 500), stack: "" });
      this.#settler?.push({ ...outcome, body });
      return;
    }
    this.#forget(active);
    if (active.aborted !== "hard" && active.aborted !== "lost") this.emit("error", error as Error);
  }

  #notice(reader: Reader): void {
    const notices = readNotices(reader);
    for (const signal of notices.signals) this.#onSignal(signal);
    for (const settled of notices.settled) this.#onSettled(settled);
    for (const id of notices.rescued) this.emit("stalled", id, "active");
    for (const error of notices.errors) this.emit("error", error);
    if (notices.drained) this.emit("drained");
  }

  #onSettled({ token, error }: Settled): void {
    const active = this.#jobs.get(token);
    if (active === undefined) return;
    if (error !== undefined) {
      // Not written yet: the session tries again with its next commit.
      if (error.code === "io_error" || error.code === "disk_full") {
        this.emit("error", error);
        return;
      }
      this.#forget(active);
      if (active.aborted !== "hard" && active.aborted !== "lost") this.emit("error", error);
      return;
    }
    const job = active.job as Job<Data, Result, Name>;
    job.ended(active.result as Result, active.errorBody);
    this.#forget(active);
    if (active.error === undefined) this.emit("completed", job, active.result as Result, "active");
    else if (active.aborted === "cancelled") this.emit("cancelled", job, active.error.message);
    else this.emit("failed", job, active.error, "active");
  }

  #onSignal({ kind, token, reason }: Signal): void {
    const active = this.#jobs.get(token);
    if (active === undefined) return;
    const id = show(active.job.id);
    switch (kind) {
      case SignalKind.cancel:
        active.abort(
          "cancelled",
          new JobCancelledError(reason === "" ? `job ${id} was cancelled` : reason),
        );
        break;
      case SignalKind.softLimit:
        active.abort(
          "soft",
          new TimeLimitError("soft", `job ${id} runs longer than its softTimeLimit`),
        );
        break;
      case SignalKind.hardLimit: {
        const error = new TimeLimitError("hard", `job ${id} ran longer than its timeLimit`);
        active.abort("hard", error);
        this.emit("failed", active.job as Job<Data, Result, Name>, error, "active");
        break;
      }
      case SignalKind.leaseLost: {
        const error = new MillraceError("lease_lost", `job ${id} was taken away: ${reason}`);
        active.abort("lost", error);
        this.emit("error", error);
        break;
      }
    }
  }

  #forget(active: ActiveJob): void {
    this.#jobs.delete(active.token);
    if (this.#jobs.size === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  #idle(): Promise<void> {
    if (this.#jobs.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  /**
   * Takes no more jobs and resolves when those that run have ended and that is written. With `force` their signals
   * fire and they go back to the queue at once. Idempotent.
   */
  close(force = false): Promise<void> {
    checkBoolean("worker.close: force", force);
    if (this.#closing === undefined) {
      this.emit("closing", "closing queue");
      this.#closing = this.#close(force);
    } else if (force) {
      this.#abandon();
    }
    return this.#closing;
  }

  async #close(force: boolean): Promise<void> {
    try {
      await this.#opening;
    } catch {
      // run() has said why; there is no session.
    }
    const session = this.#session;
    if (session !== undefined) {
      session.stop();
      if (force) this.#abandon();
      await this.#idle();
      await nativeCall(session.close(0));
      this.#session = undefined;
      unlisten(this.#source);
      letGo();
    }
    await this.#connection.release();
    this.#stopped?.();
    this.emit("closed");
  }

  /** Stops waiting for the jobs that run. */
  #abandon(): void {
    const reason = new MillraceError("closed", `Worker ${show(this.name)} was closed with force`);
    for (const active of [...this.#jobs.values()]) {
      if (!active.ended) active.abort("lost", reason);
      this.#forget(active);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function checkOptions(opts: unknown): asserts opts is WorkerOptions {
  checkObject("new Worker: options", opts);
  checkKnownOptions("new Worker", opts, KNOWN, NOT_HERE);
  if (opts["concurrency"] !== undefined) {
    checkInteger("new Worker: concurrency", opts["concurrency"], 1, CONCURRENCY_MAX);
  }
  if (opts["autorun"] !== undefined) checkBoolean("new Worker: autorun", opts["autorun"]);
  if (opts["name"] !== undefined) checkName("new Worker: name option", opts["name"]);
  checkDurability("new Worker: durability", opts["durability"]);
  if (opts["settings"] === undefined) return;
  checkObject("new Worker: settings", opts["settings"]);
  checkKnownOptions("new Worker: settings", opts["settings"], new Set(["backoffStrategy"]));
  const strategy = opts["settings"]["backoffStrategy"];
  if (strategy !== undefined && typeof strategy !== "function") {
    throw invalidArgument(
      `new Worker: settings.backoffStrategy must be a function, not ${show(strategy)}`,
    );
  }
}
