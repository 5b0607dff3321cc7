// Worker: runs the jobs of one queue. Its leases are held by a thread of the core, so a busy event loop costs none.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import type { ActiveJob } from "./active-job.js";
import { attemptRules } from "./attempt-rules.js";
import { Attempts } from "./attempts.js";
import {
  checkBoolean,
  checkDuration,
  checkInteger,
  checkKnownOptions,
  checkName,
  checkObject,
  checkString,
  show,
} from "./check.js";
import { type Connection, closedError, connect } from "./connection.js";
import { TypedEmitter } from "./emitter.js";
import {
  JobCancelledError,
  MillraceError,
  RateLimitError,
  hasCode,
  invalidArgument,
  nativeCall,
  toMillraceError,
} from "./errors.js";
import { hold, letGo, listen, newId, unlisten } from "./hub.js";
import { durabilityNumber } from "./job-options.js";
import type { JobHost } from "./job-runner.js";
import type { Job } from "./job.js";
import { throttle } from "./limits.js";
import { ManualWork } from "./manual-work.js";
import type { NativeSession } from "./native.cjs";
import { checkQueueName } from "./peer-rules.js";
import { Repeater } from "./repeater.js";
import { type Sandbox, checkProcessor, newSandbox } from "./sandbox.js";
import type { Processor, WorkerOptions } from "./types.js";
import { Reader } from "./wire.js";
import { CONCURRENCY_MAX, type WorkerListener, checkWorkerOptions } from "./worker-options.js";
import { applyQueueOptions, processOf, traced } from "./worker-setup.js";

// In one crossing; more follow in the next. Bounds how long the start of many jobs holds the event loop.
const TAKE_MAX = 256;

export type { WorkerListener } from "./worker-options.js";

function noProcessor(): MillraceError {
  return new MillraceError("wrong_state", "No process function is defined.");
}

/** Keeps the process alive until close(), unless unref() is called. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as in BullMQ
export class Worker<Data = any, Result = any, Name extends string = string> extends TypedEmitter<
  WorkerListener<Data, Result, Name>
> {
  readonly name: string;
  readonly opts: WorkerOptions;
  /** Of this object. */
  readonly id: string = randomUUID();
  readonly #sandbox: Sandbox | undefined;
  /** @internal */
  readonly connection: Connection;
  readonly #host: JobHost;
  readonly #source = newId();
  readonly #attempts: Attempts;
  readonly #repeater: Repeater;
  readonly #hasProcessor: boolean;
  #manual: Promise<ManualWork> | undefined;
  #manualWork: ManualWork | undefined;
  #stopAnswering: (() => void) | undefined;
  #concurrency: number;
  #session: NativeSession | undefined;
  #opening: Promise<void> | undefined;
  #paused = false;
  #pausing: Promise<void> = Promise.resolve();
  #referenced = true;
  #holding = false;
  #closing: Promise<void> | undefined;
  #stopped: (() => void) | undefined;

  /**
   * `processor`: a function, or the file of a sandboxed one (a path or a file: URL) that exports it. Without one, null
   * or undefined, jobs are fetched with getNextJob() and ended by job.moveToCompleted() and moveToFailed().
   */
  constructor(
    name: string,
    processor?: Processor<Data, Result, Name> | string | URL | null,
    opts: WorkerOptions = {},
  ) {
    super();
    checkName("new Worker: name", name);
    checkQueueName("new Worker: name", name);
    if (processor !== undefined && processor !== null) checkProcessor(processor);
    checkWorkerOptions(opts);
    this.name = name;
    this.opts = opts;
    this.#hasProcessor = processor !== undefined && processor !== null;
    this.#concurrency = opts.concurrency ?? 1;
    this.connection = connect("new Worker", opts.store);
    this.#host = {
      connection: this.connection,
      durability: durabilityNumber(opts.durability),
      workerName: opts.name,
    };
    if (typeof processor === "string" || processor instanceof URL)
      this.#sandbox = newSandbox(processor, opts);
    const process = processOf(processor, this.#sandbox);
    const report = (error: unknown): void => void this.emit("error", error as Error);
    const strategy = opts.settings?.repeatStrategy;
    this.#repeater = new Repeater(name, this.connection, strategy, report);
    this.#attempts = new Attempts({
      label: `Worker ${show(name)}`,
      emitter: this,
      host: this.#host,
      opts,
      process: traced(process, { queue: name, id: this.id, opts }),
      // As in BullMQ: a processor that declares three parameters gets the signal; others find it as job.signal.
      wantsSignal: typeof processor === "function" && processor.length >= 3,
      rules: attemptRules(opts),
      onFree: () => this.#onReady(),
      onHeaders: (leased) => this.#repeater.started(leased),
      rested: async () => (await this.#manual)?.settled(),
      next: async (token) => (await this.#manual)?.next(token, 0),
    });
    if (opts.autorun !== false && this.#hasProcessor)
      this.run().catch((error: unknown) => this.emit("error", error as Error));
  }

  /** Starts to take jobs; resolves when the worker is closed. Called by the constructor unless `autorun` is false. */
  run(): Promise<void> {
    if (!this.#hasProcessor) return Promise.reject(noProcessor());
    if (this.#closing !== undefined)
      return Promise.reject(closedError(`Worker ${show(this.name)}`));
    if (this.#opening !== undefined || this.#manual !== undefined)
      return Promise.reject(new MillraceError("wrong_state", "Worker is already running."));
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
    await (this.#opening ?? this.connection.ready);
  }

  async #open(): Promise<void> {
    await this.#openSession(this.#slots(), () => this.#paused);
    if (this.#closing !== undefined) return;
    this.#session?.setSlots(this.#slots()); // it may have been set meanwhile
    this.emit("ready");
    this.#onReady();
  }

  async #openSession(slots: number, paused: () => boolean): Promise<NativeSession> {
    this.#hold(true);
    listen(this.#source, () => this.#onReady());
    try {
      const { opts, name } = this;
      await applyQueueOptions(this.connection, name, opts, this.#host.durability);
      const pausedAtOpen = paused();
      const { durability } = this.#host;
      const session = await this.connection.call((engine) =>
        engine.openSession(this.#source, name, slots, opts.name ?? "", durability, pausedAtOpen),
      );
      this.#session = session;
      this.#attempts.open(session);
      if (paused() !== pausedAtOpen) await this.#setPaused(session, paused());
      this.#stopAnswering = this.connection.addLessee({
        leaseOf: (id, queue) => this.#leaseOf(id, queue),
        runner: this.#attempts.runner,
      });
      this.#repeater.open();
      return session;
    } catch (error) {
      unlisten(this.#source);
      this.#hold(false);
      throw error;
    }
  }

  /** Whether the process must not end while this works. */
  #hold(holding: boolean): void {
    if (this.#referenced && holding !== this.#holding) {
      if (holding) hold();
      else letGo();
    }
    this.#holding = holding;
  }

  /** Ours: the process may end although the worker is open, as after timer.unref(). Its jobs are started again then. */
  unref(): this {
    if (this.#referenced && this.#holding) letGo();
    this.#referenced = false;
    return this;
  }
  /** Undoes unref(). */
  ref(): this {
    if (!this.#referenced && this.#holding) hold();
    this.#referenced = true;
    return this;
  }

  get concurrency(): number {
    return this.#concurrency;
  }
  set concurrency(concurrency: number) {
    checkInteger("worker.concurrency", concurrency, 1, CONCURRENCY_MAX);
    this.#concurrency = concurrency;
    if (this.#closing !== undefined) return;
    this.#session?.setSlots(this.#slots());
    if (this.#attempts.batches !== undefined) this.#attempts.batches.concurrency = concurrency;
    this.#onReady(); // jobs that were claimed ahead may wait
  }

  /** How many jobs may run at once. */
  #slots(): number {
    return Math.min(this.#concurrency * (this.opts.batch?.size ?? 1), CONCURRENCY_MAX);
  }

  #leaseOf(id: string, queue: string): number {
    if (queue !== "" && queue !== this.name) return 0;
    for (const { job, token } of this.#attempts.jobs.values()) if (job.id === id) return token;
    return 0;
  }

  isRunning(): boolean {
    return this.#opening !== undefined && this.#closing === undefined;
  }
  isPaused(): boolean {
    return this.#paused;
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw closedError(`Worker ${show(this.name)}`);
  }

  /** One change after the other: on the pool's threads they might overtake each other. */
  #setPaused(session: NativeSession, paused: boolean): Promise<void> {
    const change = this.#pausing.then(() =>
      this.connection.call(() => (paused ? session.pause() : session.resume())),
    );
    this.#pausing = change.catch(() => undefined);
    return change;
  }

  /** Takes no more jobs; resolves when those that run have ended, or at once. */
  async pause(doNotWaitActive = false): Promise<void> {
    checkBoolean("worker.pause: doNotWaitActive", doNotWaitActive);
    this.#checkOpen();
    if (!this.#paused) {
      this.#paused = true;
      if (this.#session !== undefined) await this.#setPaused(this.#session, true);
      this.#attempts.releaseHeld();
      if (!doNotWaitActive) await this.#attempts.idle();
      this.emit("paused");
    }
    if (!doNotWaitActive) await this.#attempts.idle();
  }

  async resume(): Promise<void> {
    this.#checkOpen();
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#session !== undefined) await this.#setPaused(this.#session, false);
    this.#onReady(); // the session claims for those who take
    this.emit("resumed");
  }

  /**
   * No worker of any process starts another job of this queue for `ms`. Throw a RateLimitError afterwards: the job goes
   * back to its place, and the attempt is not counted.
   */
  async rateLimit(ms: number): Promise<void> {
    checkDuration("worker.rateLimit: ms", ms);
    this.#checkOpen();
    await throttle(this.connection, "worker.rateLimit", { queue: this.name }, ms);
  }
  /** The same for the group of a job. */
  async rateLimitGroup(job: Job<Data, Result, Name>, ms: number): Promise<void> {
    const group = job.opts.group?.id;
    if (group === undefined) {
      throw invalidArgument(`worker.rateLimitGroup: job ${show(job.id)} has no group`);
    }
    this.#checkOpen();
    await throttle(this.connection, "worker.rateLimitGroup", { queue: this.name, group }, ms);
  }
  static RateLimitError(): RateLimitError {
    return new RateLimitError();
  }

  /** Fires the AbortSignal of a job that runs here; true if there is one. When it then throws, it is cancelled. */
  cancelJob(jobId: string, reason = ""): boolean {
    let found = false;
    for (const active of this.#attempts.jobs.values()) {
      if (active.job.id !== jobId || active.ended) continue;
      active.abort("cancelled", new JobCancelledError(reason));
      found = true;
    }
    return found;
  }
  cancelAllJobs(reason = ""): void {
    for (const active of this.#attempts.jobs.values()) this.cancelJob(active.job.id, reason);
  }

  #onReady(): void {
    const session = this.#session;
    if (session === undefined) return;
    try {
      for (let packed = session.drain(); packed !== undefined; packed = session.drain()) {
        this.#attempts.notice(new Reader(packed));
      }
      // What was claimed before a pause takes effect goes back with it.
      if (this.#manual !== undefined) this.#manualWork?.take();
      else if (!this.#paused) this.#takeAll(session);
    } catch (error) {
      const reason = toMillraceError(error);
      if (!hasCode(reason, "closed")) this.emit("error", reason as Error);
    }
  }

  /** Starts jobs in the free slots. The session may have more, claimed ahead: they wait there, not in a processor. */
  #takeAll(session: NativeSession): void {
    for (;;) {
      const free = Math.min(this.#slots() - this.#attempts.taken, TAKE_MAX);
      const packed = free > 0 ? session.take(free) : undefined;
      if (packed === undefined) break;
      const reader = new Reader(packed);
      const count = reader.number();
      for (let i = 0; i < count; i++) this.#attempts.start(this.#attempts.accept(reader));
    }
    this.#attempts.batches?.flush();
  }

  /**
   * A job to work by hand, under a token of your choice; undefined: there is none. With `block` (the default) it waits
   * for one, at most `drainDelay` seconds. End it with job.moveToCompleted() or moveToFailed(), or with processJob().
   */
  async getNextJob(
    token: string,
    options: { block?: boolean } = {},
  ): Promise<Job<Data, Result, Name> | undefined> {
    checkString("worker.getNextJob: token", token);
    checkObject("worker.getNextJob: options", options);
    checkKnownOptions("worker.getNextJob", options, new Set(["block"]));
    const { block = true } = options;
    checkBoolean("worker.getNextJob: block", block);
    if (this.#closing !== undefined) return undefined;
    if (this.#opening !== undefined) {
      const message = "worker.getNextJob: this worker takes its jobs by itself: use autorun: false";
      throw new MillraceError("wrong_state", message);
    }
    if (this.#paused) return undefined;
    const manual = await (this.#manual ??= this.#openManual());
    const job = await manual.next(token, block ? (this.opts.drainDelay ?? 5) * 1000 : 0);
    return job as Job<Data, Result, Name> | undefined;
  }

  async #openManual(): Promise<ManualWork> {
    const session = await this.#openSession(1, () => true);
    this.#manualWork = new ManualWork(session, this.#attempts, this.connection, this.name);
    return this.#manualWork;
  }

  /**
   * Runs the processor on a job of getNextJob(). When its end is written it resolves: with the next job, under the same
   * token, unless `fetchNext` answers false.
   */
  async processJob(
    job: Job<Data, Result, Name>,
    token: string,
    fetchNext: () => boolean = () => true,
  ): Promise<Job<Data, Result, Name> | undefined> {
    checkString("worker.processJob: token", token);
    if (!this.#hasProcessor) throw noProcessor();
    await (await this.#manual)?.settled();
    const active = this.#attempts.handOver(job as Job, token);
    await new Promise<void>((resolve) => {
      active.onSettled = () => resolve();
      this.#attempts.run(active);
    });
    if (!fetchNext() || this.#paused || this.#closing !== undefined) return undefined;
    return (await (await this.#manual)?.next(token, 0)) as Job<Data, Result, Name> | undefined;
  }

  /** Answers the ids of the jobs that this worker does not have under these tokens. Leases need no extension. */
  async extendJobLocks(jobIds: string[], tokens: string[], duration: number): Promise<string[]> {
    if (!Array.isArray(jobIds) || !Array.isArray(tokens) || jobIds.length !== tokens.length) {
      throw invalidArgument(
        "worker.extendJobLocks: jobIds and tokens must be arrays of one length",
      );
    }
    checkDuration("worker.extendJobLocks: duration", duration);
    await this.waitUntilReady();
    const held = new Map([...this.#attempts.jobs.values()].map(({ job }) => [job.id, job.token]));
    return jobIds.filter((id, i) => !held.has(id) || held.get(id) !== tokens[i]);
  }

  /** Without effect: the jobs of a dead worker are taken back at once, by any process that has a worker. */
  async startStalledCheckTimer(): Promise<void> {
    await this.connection.ready;
  }

  /** Resolves after so many milliseconds, or when it is aborted. */
  async delay(milliseconds = 100, abortController?: AbortController): Promise<void> {
    checkDuration("worker.delay: milliseconds", milliseconds);
    const signal = abortController?.signal;
    await sleep(milliseconds, undefined, signal === undefined ? {} : { signal }).catch(
      (error: unknown) => {
        if (signal?.aborted !== true) throw error;
      },
    );
  }

  /** 0: nothing polls, so nothing blocks for a time. */
  get minimumBlockTimeout(): number {
    return 0;
  }
  /** Infinity, see minimumBlockTimeout. */
  get maximumBlockTimeout(): number {
    return Infinity;
  }

  /** @internal */
  get durability(): number {
    return this.#host.durability;
  }

  /** Set by close(). */
  get closing(): Promise<void> | undefined {
    return this.#closing;
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
    const manual = await this.#manual?.catch(() => undefined);
    const session = this.#session;
    this.#stopAnswering?.();
    if (session !== undefined) {
      this.#attempts.flush(); // what ended in this turn of the event loop has ended
      session.stop();
      await manual?.close();
      this.#attempts.releaseHeld();
      // What nobody may ever end goes back to the queue.
      if (manual !== undefined) this.#abandon(({ running }) => !running);
      if (force) this.#abandon();
      await this.#attempts.idle();
      await this.#pausing;
      await nativeCall(session.close(0));
      this.#session = undefined;
      this.#attempts.shut();
      unlisten(this.#source);
      this.#hold(false);
    }
    await this.#sandbox?.close(force);
    await this.#repeater.close();
    await this.connection.release();
    this.#stopped?.();
    this.emit("closed");
  }

  /** Stops waiting for jobs that run. */
  #abandon(which?: (active: ActiveJob) => boolean): void {
    const why = which === undefined ? "was closed with force" : "was closed";
    const reason = new MillraceError("closed", `Worker ${show(this.name)} ${why}`);
    this.#attempts.abandon(reason, which);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
