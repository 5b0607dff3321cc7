// Worker: runs the jobs of one queue. Its leases are held by a thread of the core, so a busy event loop costs none.
import { ActiveJob } from "./active-job.js";
import { Batches, batchSignal } from "./batches.js";
import { checkBoolean, checkDuration, checkInteger, checkName, show } from "./check.js";
import { type Connection, closedError, connect } from "./connection.js";
import { TypedEmitter } from "./emitter.js";
import { endOfError, endOfResult, isNoEnd, released } from "./endings.js";
import {
  JobCancelledError,
  MillraceError,
  RateLimitError,
  decodeError,
  hasCode,
  invalidArgument,
  nativeCall,
  toMillraceError,
} from "./errors.js";
import { hold, letGo, listen, newId, unlisten } from "./hub.js";
import { type JobHost, LeaseRunner } from "./job-runner.js";
import { Job } from "./job.js";
import { durabilityNumber } from "./job-options.js";
import { throttle } from "./limits.js";
import type { NativeSession } from "./native.cjs";
import { type Sandbox, checkProcessor, newSandbox } from "./sandbox.js";
import { type Outcome, OutcomeKind, Settler } from "./settler.js";
import type { Processor, WorkerOptions } from "./types.js";
import { type Settled, type Signal, SignalKind, readNotices } from "./wire-reports.js";
import { Reader, readLeased } from "./wire.js";
import { CONCURRENCY_MAX, type WorkerListener, checkWorkerOptions } from "./worker-options.js";

// In one crossing; more follow in the next. Bounds how long the start of many jobs holds the event loop.
const TAKE_MAX = 256;

export type { WorkerListener } from "./worker-options.js";

/** Keeps the process alive until close(). */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as in BullMQ
export class Worker<Data = any, Result = any, Name extends string = string> extends TypedEmitter<
  WorkerListener<Data, Result, Name>
> {
  readonly name: string;
  readonly opts: WorkerOptions;
  readonly #process: (active: ActiveJob, signal: AbortSignal | undefined) => unknown;
  readonly #wantsSignal: boolean;
  readonly #sandbox: Sandbox | undefined;
  readonly #connection: Connection;
  readonly #host: JobHost;
  readonly #source = newId();
  readonly #jobs = new Map<number, ActiveJob>();
  readonly #batches: Batches | undefined;
  #stopAnswering: (() => void) | undefined;
  #concurrency: number;
  #session: NativeSession | undefined;
  #settler: Settler | undefined;
  #opening: Promise<void> | undefined;
  #paused = false;
  #onIdle: (() => void)[] = [];
  #closing: Promise<void> | undefined;
  #stopped: (() => void) | undefined;

  /** `processor`: a function, or the file of a sandboxed one (a path or a file: URL) that exports it. */
  constructor(
    name: string,
    processor: Processor<Data, Result, Name> | string | URL,
    opts: WorkerOptions = {},
  ) {
    super();
    checkName("new Worker: name", name);
    checkProcessor(processor);
    checkWorkerOptions(opts);
    this.name = name;
    this.opts = opts;
    if (typeof processor === "function") {
      this.#process = ({ job }, signal) =>
        processor(job as Job<Data, Result, Name>, job.token as string, signal as AbortSignal);
      // As in BullMQ: a processor that declares three parameters gets the signal; others find it as job.signal.
      this.#wantsSignal = processor.length >= 3;
    } else {
      const sandbox = newSandbox(processor, opts);
      this.#sandbox = sandbox;
      this.#process = (active) => sandbox.run(active);
      this.#wantsSignal = false;
    }
    this.#concurrency = opts.concurrency ?? 1;
    if (opts.batch !== undefined) {
      this.#batches = new Batches(opts.batch, this.#concurrency, (jobs) => this.#startBatch(jobs));
    }
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
          this.#slots(),
          this.opts.name ?? "",
          this.#host.durability,
          pausedAtOpen,
        ),
      );
      this.#session = session;
      this.#settler = new Settler(session, (outcome, error) => this.#refused(outcome, error));
      if (this.#paused !== pausedAtOpen)
        await nativeCall(this.#paused ? session.pause() : session.resume());
      session.setSlots(this.#slots()); // it may have been set meanwhile
      this.#stopAnswering = this.#connection.addLessee((id, queue) => this.#leaseOf(id, queue));
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
    this.#session?.setSlots(this.#slots());
    if (this.#batches !== undefined) this.#batches.concurrency = concurrency;
  }

  /** How many jobs may run at once. */
  #slots(): number {
    return Math.min(this.#concurrency * (this.opts.batch?.size ?? 1), CONCURRENCY_MAX);
  }

  #leaseOf(id: string, queue: string): number {
    if (queue !== "" && queue !== this.name) return 0;
    for (const { job, token } of this.#jobs.values()) if (job.id === id) return token;
    return 0;
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
      this.#releaseHeld();
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

  /**
   * No worker of any process starts another job of this queue for `ms`. Throw a RateLimitError afterwards: the job goes
   * back to its place, and the attempt is not counted.
   */
  async rateLimit(ms: number): Promise<void> {
    checkDuration("worker.rateLimit: ms", ms);
    await throttle(this.#connection, "worker.rateLimit", { queue: this.name }, ms);
  }
  /** The same for the group of a job. */
  async rateLimitGroup(job: Job<Data, Result, Name>, ms: number): Promise<void> {
    const group = job.opts.group?.id;
    if (group === undefined) {
      throw invalidArgument(`worker.rateLimitGroup: job ${show(job.id)} has no group`);
    }
    await throttle(this.#connection, "worker.rateLimitGroup", { queue: this.name, group }, ms);
  }
  static RateLimitError(): RateLimitError {
    return new RateLimitError();
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
      this.#batches?.flush();
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
    if (this.#batches !== undefined) {
      this.#batches.add(active);
      return;
    }
    const signal = this.#wantsSignal ? active.signal : undefined;
    this.#run(
      active,
      signal,
      (value) => this.#completed(active, value),
      (error) => this.#failed(active, error),
    );
  }

  #startBatch(jobs: ActiveJob[]): void {
    const open = jobs.filter(({ aborted }) => aborted !== "hard" && aborted !== "lost");
    for (const active of open) active.batch = open;
    const ended = (end: (active: ActiveJob) => void): void => {
      for (const active of open) if (!active.ended) end(active);
      this.#batches?.ended();
    };
    const first = open[0];
    if (first === undefined) {
      ended(() => undefined);
      return;
    }
    this.#run(
      first,
      this.#wantsSignal ? batchSignal(open) : undefined,
      (value) => ended((active) => this.#completed(active, value)),
      (error) => ended((active) => this.#failed(active, error)),
    );
  }

  #run(
    active: ActiveJob,
    signal: AbortSignal | undefined,
    onValue: (value: unknown) => void,
    onError: (error: unknown) => void,
  ): void {
    let result: unknown;
    try {
      result = this.#process(active, signal);
    } catch (error) {
      onError(error);
      return;
    }
    if (typeof (result as Promise<unknown> | undefined)?.then === "function") {
      (result as Promise<unknown>).then(onValue, onError);
    } else {
      onValue(result);
    }
  }

  /** Jobs of an unfinished batch go back to the queue: their attempts have not begun. */
  #releaseHeld(): void {
    for (const active of this.#batches?.release() ?? []) {
      this.#settle(active, released(active));
    }
  }

  readonly #runner = new LeaseRunner({
    host: () => this.#host,
    find: (token) => this.#jobs.get(token),
    session: () => {
      if (this.#session === undefined) throw closedError(`Worker ${show(this.name)}`);
      return this.#session;
    },
    progressed: (job, value) => {
      if (this.listenerCount("progress") > 0)
        this.emit("progress", job as Job<Data, Result, Name>, value);
    },
    completed: (active, result) => this.#completed(active, result),
    failed: (active, error) => this.#failed(active, error),
  });

  #completed(active: ActiveJob, result: unknown): void {
    let end: Outcome;
    try {
      end = endOfResult(active, result);
    } catch (error) {
      this.#failed(active, error);
      return;
    }
    this.#settle(active, end);
  }

  #failed(active: ActiveJob, thrown: unknown): void {
    const strategy = this.opts.settings?.backoffStrategy;
    const report = (error: unknown): void => void this.emit("error", error as Error);
    const end = endOfError(active, thrown, strategy, report);
    if (!(end instanceof Promise)) {
      this.#settle(active, end);
      return;
    }
    active.ended = true;
    void end.then((decided) => this.#settle(active, decided));
  }

  #settle(active: ActiveJob, end: Outcome): void {
    active.ended = true;
    active.kind = end.kind;
    this.#settler?.push(end);
  }

  /** The core did not take an outcome: nothing was changed. */
  #refused(outcome: Outcome, error: unknown): void {
    const active = this.#jobs.get(outcome.token);
    if (active === undefined) return;
    const gone =
      hasCode(error, "not_found") || hasCode(error, "closed") || hasCode(error, "lease_lost");
    const failed = outcome.kind === OutcomeKind.failed || outcome.kind === OutcomeKind.cancelled;
    if (!gone && !failed) {
      // A result that is too large, a flow that contains itself: the job failed by it.
      active.replacement = undefined;
      this.#failed(active, error);
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
      if (error.code !== "lease_lost" && error.code !== "closed") {
        // The jobs that it was to add were refused at the commit: it has failed by that.
        this.emit("failed", active.job as Job<Data, Result, Name>, error, "active");
        return;
      }
      if (active.aborted !== "hard" && active.aborted !== "lost") this.emit("error", error);
      return;
    }
    const job = active.job as Job<Data, Result, Name>;
    this.#forget(active);
    if (isNoEnd(active.kind)) return;
    job.ended(active.result as Result, active.errorBody);
    if (active.error === undefined) this.emit("completed", job, active.result as Result, "active");
    else if (active.aborted === "cancelled") this.emit("cancelled", job, active.error.message);
    else this.emit("failed", job, active.error, "active");
  }

  #onSignal(signal: Signal): void {
    const active = this.#jobs.get(signal.token);
    if (active === undefined) return;
    const error = active.told(signal);
    if (signal.kind === SignalKind.hardLimit)
      this.emit("failed", active.job as Job<Data, Result, Name>, error, "active");
    else if (signal.kind === SignalKind.leaseLost) this.emit("error", error);
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
    this.#stopAnswering?.();
    if (session !== undefined) {
      session.stop();
      this.#releaseHeld();
      if (force) this.#abandon();
      await this.#idle();
      await nativeCall(session.close(0));
      this.#session = undefined;
      unlisten(this.#source);
      letGo();
    }
    await this.#sandbox?.close(force);
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
