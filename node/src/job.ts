// A job, as a producer, a worker or a reader holds it.
import { inspect } from "node:util";

import { checkDuration, checkOneOf, checkString, show } from "./check.js";
import { readAck } from "./enqueuer.js";
import type { JobTransaction } from "./job-transaction.js";
import { type ErrorBody, MillraceError, decodeError, hasCode, invalidArgument } from "./errors.js";
import type { Flow } from "./flow.js";
import {
  type Dependency,
  type DependencyPage,
  type DependencyQuery,
  type JobDependencies,
  childrenValues,
  failedChildrenValues,
  readAllDependencies,
  readDependencyPage,
  sortDependencies,
} from "./job-dependencies.js";
import { durabilityName, unpackDelay, unpackOptions } from "./job-options.js";
import type { JobHost, JobRunner } from "./job-runner.js";
import { waitUntilFinished } from "./job-wait.js";
import type { QueueEvents } from "./queue-events.js";
import { decodeJson, encodeJson } from "./serializer.js";
import { CANCEL_RESULTS, stateName } from "./states.js";
import type {
  CancelResult,
  Durability,
  FinishedStatus,
  JobProgress,
  JobState,
  JobsOptions,
} from "./types.js";
import { type JobInfo, type LeasedJob, Option, Reader, type Spec, readOutcome } from "./wire.js";

const NOT_READ = Symbol("not read");

/**
 * One job. What it says is how things stood when it was read or added; getState() and Queue.getJob() read anew.
 * `data` and `opts` are parsed when they are first asked for.
 */
// `any` as in BullMQ: users who name no types can read `data` without a cast.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export class Job<Data = any, Result = any, Name extends string = string> {
  id: string;
  readonly name: Name;
  readonly queueName: string;
  /** When it was added. Milliseconds UTC, as all times here. */
  timestamp: number;
  /** When its newest attempt began. */
  processedOn: number | undefined = undefined;
  finishedOn: number | undefined = undefined;
  delay: number;
  priority: number;
  /** Attempts that ended by themselves; in the processor 0 for the first. */
  attemptsMade = 0;
  attemptsStarted = 0;
  /** How often a worker died under it. */
  stalledCounter = 0;
  progress: JobProgress = 0;
  returnvalue: Result | null = null;
  failedReason: string | undefined = undefined;
  stacktrace: string[] = [];
  /** The lease, while a worker runs it. */
  token: string | undefined = undefined;
  processedBy: string | undefined = undefined;
  /** Ours: its id was there already when it was added, so nothing was. */
  existing = false;
  /** Ours: the id of the job whose place this one has taken (deduplication). */
  replacedId: string | undefined = undefined;
  /** Ours: what the acknowledgement of add() survives. */
  durability: Durability | undefined = undefined;

  readonly #host: JobHost;
  #runner: JobRunner | undefined;
  #data: Data | typeof NOT_READ = NOT_READ;
  #spec: Spec | undefined;
  #opts: JobsOptions | undefined;
  #checkpoint: unknown = NOT_READ;
  #logged = 0;

  /** Not for users: jobs come from Queue and Worker. */
  constructor(host: JobHost, name: Name, queueName: string, id: string, timestamp: number) {
    this.#host = host;
    this.name = name;
    this.queueName = queueName;
    this.id = id;
    this.timestamp = timestamp;
    this.delay = 0;
    this.priority = 0;
  }

  /** @internal A job that is being added. */
  static adding<D, R, N extends string>(
    host: JobHost,
    name: N,
    queueName: string,
    data: D,
    opts: JobsOptions,
  ): Job<D, R, N> {
    const job = new Job<D, R, N>(host, name, queueName, opts.jobId ?? "", Date.now());
    job.#data = data;
    job.#opts = opts;
    job.delay = opts.delay ?? 0;
    job.priority = opts.priority ?? 0;
    return job;
  }

  static #ofSpec<D, R, N extends string>(
    host: JobHost,
    spec: Spec,
    createdAt: number,
  ): Job<D, R, N> {
    const job = new Job<D, R, N>(host, spec.name as N, spec.queue, spec.id, createdAt);
    job.#spec = spec;
    job.delay = unpackDelay(spec.numbers, spec.at, createdAt);
    job.priority = spec.numbers[spec.at + Option.priority] as number;
    return job;
  }

  /** @internal A job that this process runs. */
  static leased<D, R, N extends string>(
    host: JobHost,
    runner: JobRunner,
    leased: LeasedJob,
  ): Job<D, R, N> {
    const job = Job.#ofSpec<D, R, N>(host, leased, leased.createdAt);
    job.#runner = runner;
    job.token = String(leased.token);
    job.processedOn = leased.startedAt;
    job.attemptsMade = leased.attempt - 1;
    job.attemptsStarted = leased.attempt + leased.crashes;
    job.stalledCounter = leased.crashes;
    if (leased.progress !== "") job.progress = progressOf(leased.progress);
    return job;
  }

  /** @internal A job that was read. */
  static ofInfo<D, R, N extends string>(host: JobHost, info: JobInfo): Job<D, R, N> {
    const job = Job.#ofSpec<D, R, N>(host, info, info.createdAt);
    job.processedOn = info.startedAt === 0 ? undefined : info.startedAt;
    job.finishedOn = info.finishedAt === 0 ? undefined : info.finishedAt;
    job.attemptsMade = info.attemptsMade;
    job.attemptsStarted = info.attemptsStarted;
    job.stalledCounter = info.crashes;
    if (info.worker !== "") job.processedBy = info.worker;
    if (info.progress !== "") job.progress = progressOf(info.progress);
    if (info.result !== undefined) job.returnvalue = decodeJson("result", info.result) as R;
    const errors = info.attemptErrors.map(decodeError);
    if (info.error !== "") errors.push(decodeError(info.error));
    job.#failures(errors);
    return job;
  }

  /** The job of this id, or undefined. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as the class
  static async fromId<D = any, R = any, N extends string = string>(
    queue: { getJob(jobId: string): Promise<Job<D, R, N> | undefined> },
    jobId: string,
  ): Promise<Job<D, R, N> | undefined> {
    return queue.getJob(jobId);
  }

  get data(): Data {
    if (this.#data === NOT_READ) {
      this.#data = decodeJson(`data of job ${show(this.id)}`, this.#spec?.data ?? "") as Data;
    }
    return this.#data;
  }
  set data(data: Data) {
    this.#data = data;
  }

  get opts(): JobsOptions {
    if (this.#opts === undefined) {
      const spec = this.#spec;
      this.#opts = spec === undefined ? {} : unpackOptions(spec, this.timestamp);
    }
    return this.#opts;
  }

  get deduplicationId(): string | undefined {
    return this.opts.deduplication?.id;
  }

  /** The same as `queueName`: queues have no prefix here. */
  get queueQualifiedName(): string {
    return this.queueName;
  }

  /** Ours: fires when someone cancels the job or a time limit has passed. Only in its processor. */
  get signal(): AbortSignal {
    return this.#running().signal(this as Job);
  }

  #running(): JobRunner {
    if (this.#runner !== undefined) return this.#runner;
    throw new MillraceError("wrong_state", `job ${show(this.id)} does not run here`);
  }

  /**
   * Ours: what updateCheckpoint() saved last, in an earlier attempt or before the job waited; undefined: nothing. Also
   * of a job that was read with queue.getJob().
   */
  get checkpoint(): unknown {
    if (this.#checkpoint === NOT_READ) {
      const spec = this.#spec as Partial<LeasedJob & JobInfo> | undefined;
      const json = spec?.more?.checkpoint ?? spec?.checkpoint ?? "";
      this.#checkpoint = decodeJson(`checkpoint of job ${show(this.id)}`, json);
    }
    return this.#checkpoint;
  }

  /**
   * Ours: saves where a long job stands: any JSON value. It is handed back as `checkpoint` when the job is started
   * again, after a crash, a deploy, a retry or a wait. Written with the next commit, in the order of the calls; gone
   * when the job ends. Only in its processor.
   */
  updateCheckpoint(state: unknown): Promise<void> {
    return new Promise((resolve) => {
      this.#running().checkpoint(this as Job, encodeJson("checkpoint", state, "null"));
      this.#checkpoint = state;
      resolve();
    });
  }

  /** Records how far it is: any JSON value. Written with the next commit. */
  async updateProgress(progress: JobProgress): Promise<void> {
    const json = encodeJson("progress", progress, "null");
    if (this.#runner !== undefined) {
      this.#runner.progress(this as Job, json, progress);
    } else {
      await this.#host.connection.call((engine) =>
        engine.setProgress(this.id, this.queueName, json, this.#host.durability),
      );
    }
    this.progress = progress;
  }

  /** Adds a line to its log. Answers how many lines this object has added. */
  async log(row: string): Promise<number> {
    checkString("job.log: row", row);
    if (this.#runner !== undefined) {
      this.#runner.log(this as Job, row);
    } else {
      await this.#host.connection.call((engine) =>
        engine.addLog(this.id, this.queueName, row, this.#host.durability),
      );
    }
    return ++this.#logged;
  }

  /** Where it stands now; "unknown" if it is gone. */
  async getState(): Promise<JobState | "unknown"> {
    const { connection } = this.#host;
    try {
      const packed = await connection.call((engine) => engine.getOutcome(this.id, this.queueName));
      return stateName(readOutcome(new Reader(packed)).state, this.priority);
    } catch (error) {
      if (hasCode(error, "not_found")) return "unknown";
      throw error;
    }
  }
  async isCompleted(): Promise<boolean> {
    return (await this.getState()) === "completed";
  }
  async isFailed(): Promise<boolean> {
    return (await this.getState()) === "failed";
  }
  async isDelayed(): Promise<boolean> {
    return (await this.getState()) === "delayed";
  }
  async isActive(): Promise<boolean> {
    return (await this.getState()) === "active";
  }
  async isWaiting(): Promise<boolean> {
    const state = await this.getState();
    return state === "waiting" || state === "prioritized";
  }
  async isWaitingChildren(): Promise<boolean> {
    return (await this.getState()) === "waiting-children";
  }

  /** Runs a failed (or completed) job again, from its first attempt. */
  async retry(state: FinishedStatus = "failed"): Promise<void> {
    checkOneOf("job.retry: state", state, ["completed", "failed"]);
    const now = await this.getState();
    if (now !== state) {
      throw new MillraceError(
        "wrong_state",
        `job ${show(this.id)} is ${now}, not ${state}: it cannot be retried`,
      );
    }
    await this.#change("redrive");
    this.failedReason = undefined;
    this.finishedOn = undefined;
    this.processedOn = undefined;
    this.returnvalue = null;
    this.attemptsMade = 0;
  }

  /** Deletes it with everything about it. Refused while a worker runs it. */
  async remove(): Promise<void> {
    await this.#change("remove");
  }

  /** A delayed job may start now. */
  async promote(): Promise<void> {
    await this.#change("promote");
    this.delay = 0;
  }

  /** Ours: it will not run, or if it runs, its signal fires ("requested"), or it had ended ("finished"). */
  async cancel(reason = ""): Promise<CancelResult> {
    checkString("job.cancel: reason", reason);
    const result = await this.#host.connection.call((engine) =>
      engine.cancel(this.id, this.queueName, reason, this.#host.durability),
    );
    return CANCEL_RESULTS[result] as CancelResult;
  }

  /**
   * Waits until it is completed and answers its result. Rejects with a RemoteError if it failed or was cancelled, and
   * with code "timeout" after `ttl` milliseconds.
   */
  async waitUntilFinished(queueEvents: QueueEvents, ttl?: number): Promise<Result> {
    if (ttl !== undefined) checkDuration("job.waitUntilFinished: ttl", ttl);
    if (typeof queueEvents !== "object" || typeof queueEvents?.waitUntilReady !== "function") {
      throw invalidArgument(
        `job.waitUntilFinished: queueEvents must be a QueueEvents, not ${show(queueEvents)}`,
      );
    }
    return (await waitUntilFinished(
      this.#host.connection,
      this.id,
      this.queueName,
      queueEvents,
      ttl,
    )) as Result;
  }

  /** Ours: what it waits or has waited for, in order, with states and results; a page of them. */
  async dependencies(query: DependencyQuery = {}): Promise<DependencyPage> {
    return readDependencyPage(this.#host.connection, this.id, this.queueName, query);
  }

  #dependencies(states?: JobState[]): Promise<Dependency[]> {
    return readAllDependencies(this.#host.connection, this.id, this.queueName, states);
  }

  /** What it waits or has waited for, sorted by how it stands; keys as in getChildrenValues(). */
  async getDependencies(): Promise<JobDependencies> {
    return sortDependencies(await this.#dependencies());
  }

  /** The results of what it has waited for: by the name (`as`) that was given, else by "queue:id". */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- results are typed by who reads them, as in BullMQ
  async getChildrenValues<Value = any>(): Promise<Record<string, Value>> {
    return childrenValues(await this.#dependencies(["completed"])) as Record<string, Value>;
  }

  /** Why those failed that it has waited for (or does): keys as in getChildrenValues(). */
  async getFailedChildrenValues(): Promise<Record<string, string>> {
    return failedChildrenValues(await this.#dependencies(["failed", "cancelled"]));
  }

  /**
   * In its processor, after adding jobs with `parent: job`: whether there is something to wait for. If so, throw a
   * WaitingChildrenError; the processor is called again when they are done. `children`: a flow that is added in the
   * commit with which the job begins to wait, to wait for the jobs in it that nobody else waits for.
   */
  async moveToWaitingChildren(
    _token?: string,
    options: { children?: Flow } = {},
  ): Promise<boolean> {
    const runner = this.#running();
    if (options.children !== undefined) {
      runner.waitFor(this as Job, options.children);
      return true;
    }
    return (await this.dependencies({ limit: 1 })).pending > 0;
  }

  /** Ours: an empty flow, for replaceBy() and moveToWaitingChildren(). Only in its processor. */
  flow(): Flow {
    return this.#running().flow();
  }

  /**
   * Ours: in its processor, the job will end as the flow does. When the processor returns, the flow's jobs are added in
   * one commit, and this job waits for those that nobody else waits for: it completes with the result of the one (of
   * several: the array of their results), or fails with its error. The processor's own result is not used.
   */
  replaceBy(flow: Flow): void {
    this.#running().replace(this as Job, flow);
  }

  /**
   * In a processor: what is added with `{ tx }` goes with the job's completion, in one commit, or never if the block
   * throws or the job fails. Nothing is written in the block; ids are known at once.
   */
  transaction<T>(work: (tx: JobTransaction) => Promise<T> | T): Promise<T> {
    return this.#running().transaction(this as Job, work);
  }

  /** In the processor of a worker with the option `batch`: all jobs that it was handed, this one the first. */
  getBatch(): Job<Data, Result, Name>[] {
    return this.#running().batch(this as Job) as Job<Data, Result, Name>[];
  }

  /**
   * Ends this job of a batch as failed, at once; what the processor returns or throws later does not touch it. In
   * BullMQ Pro it only takes effect at the end of the batch.
   */
  setAsFailed(error: Error): void {
    this.#running().settle(this as Job, { error });
  }

  /** Ours: ends this job of a batch with a result of its own, at once. Others complete with what the processor returns. */
  setAsCompleted(result: Result): void {
    this.#running().settle(this as Job, { result });
  }

  toJSON(): object {
    const { id, name, queueName, data, opts, progress, timestamp, delay, priority } = this;
    const { attemptsMade, attemptsStarted, stalledCounter, processedOn, finishedOn, processedBy } =
      this;
    const { returnvalue, failedReason, stacktrace } = this;
    return {
      ...{ id, name, queueName, data, opts, progress, timestamp, delay, priority },
      ...{ attemptsMade, attemptsStarted, stalledCounter, processedOn, finishedOn, processedBy },
      ...{ returnvalue, failedReason, stacktrace },
    };
  }

  [inspect.custom](): object {
    return this.toJSON();
  }

  /** @internal The acknowledgement of add(). */
  added(id: string, flag: number): void {
    const ack = readAck(id, flag);
    this.id = ack.id;
    this.existing = ack.existing;
    this.durability = durabilityName(ack.durability);
    if (ack.replacedId !== "") this.replacedId = ack.replacedId;
  }

  /** @internal It ended here: its worker says how. */
  ended(result: Result | undefined, error: ErrorBody | undefined): void {
    this.attemptsMade++;
    this.finishedOn = Date.now();
    if (error === undefined) this.returnvalue = result ?? null;
    else this.#failures([error]);
  }

  #failures(errors: ErrorBody[]): void {
    const last = errors.at(-1);
    if (last !== undefined) this.failedReason = last.message;
    for (const error of errors) this.stacktrace.push(error.stack ?? "");
  }

  async #change(action: "redrive" | "promote" | "remove"): Promise<void> {
    await this.#host.connection.call((engine) =>
      engine.changeJob(action, this.id, this.queueName, this.#host.durability),
    );
  }
}

/** Progress is advice: a damaged one must not keep the job from running. */
function progressOf(json: string): JobProgress {
  try {
    return decodeJson("progress", json) as JobProgress;
  } catch {
    return 0;
  }
}
