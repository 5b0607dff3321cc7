// Queue: adds jobs and manages them.
import {
  checkBoolean,
  checkDuration,
  checkInteger,
  checkKnownOptions,
  checkName,
  checkObject,
  checkOneOf,
  checkString,
  show,
} from "./check.js";
import { type Connection, closedError, connect } from "./connection.js";
import type { Batch } from "./enqueuer.js";
import { hasCode, invalidArgument } from "./errors.js";
import { type JobSink, checkSink, refuseInside } from "./job-sink.js";
import { Flow } from "./flow.js";
import { checkGroup } from "./job-model.js";
import { Job } from "./job.js";
import {
  type OptionSet,
  checkDurability,
  durabilityNumber,
  keepNumbers,
  packOptions,
} from "./job-options.js";
import { QueueSchedulers } from "./queue-schedulers.js";
import { encodeData, encodeJson } from "./serializer.js";
import { CANCEL_RESULTS, nativeState } from "./states.js";
import type {
  BulkJobOptions,
  CancelResult,
  DefaultJobOptions,
  FinishedStatus,
  FlowJob,
  JobNode,
  JobProgress,
  JobType,
  JobsOptions,
  KeepJobs,
  QueueOptions,
} from "./types.js";
import { SEPARATOR } from "./wire.js";

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as in BullMQ
export interface QueueListener<Data = any, Result = any, Name extends string = string> {
  /** Of this object's own calls; see QueueEvents for those of all processes. */
  waiting: (job: Job<Data, Result, Name>) => void;
  progress: (jobId: string, progress: JobProgress) => void;
  removed: (jobId: string) => void;
  cleaned: (jobIds: string[], type: string) => void;
  paused: () => void;
  resumed: () => void;
  error: (error: Error) => void;
}

const KNOWN = new Set(["store", "defaultJobOptions", "durability"]);
const NOT_HERE = {
  connection: 'is BullMQ\'s; Millrace needs no server: pass { store: "jobs.db" }',
  prefix: "is BullMQ's; queues of one name in two stores do not meet",
};
const CLEAN_TYPES = [
  "completed",
  "failed",
  "wait",
  "waiting",
  "prioritized",
  "delayed",
  "cancelled",
] as const;
const CLEAN_SLICE = 1000;

/** How messages call a job that is being added: by its place in a bulk, or alone (-1). */
function addLabel(index: number): string {
  return index < 0 ? "queue.add" : `queue.addBulk: jobs[${index}]`;
}

/** Does not keep the process alive, except while an add is not acknowledged. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as in BullMQ
export class Queue<Data = any, Result = any, Name extends string = string> extends QueueSchedulers<
  QueueListener<Data, Result, Name>,
  Data,
  Result,
  Name
> {
  readonly opts: QueueOptions;
  /** @internal */
  readonly connection: Connection;
  /** @internal */
  readonly durability: number;
  readonly #defaults: DefaultJobOptions;
  readonly #defaultSet: OptionSet;
  readonly #context = {
    leaseOf: (id: string, queue: string): number => this.connection.leaseOf(id, queue),
  };
  #addsUnderWay = 0;
  #checkedName: Name | undefined; // the last good one: most producers use one name many times
  #closing: Promise<void> | undefined;

  constructor(name: string, opts: QueueOptions = {}) {
    checkName("new Queue: name", name);
    checkObject("new Queue: options", opts);
    checkKnownOptions("new Queue", opts, KNOWN, NOT_HERE);
    checkDurability("new Queue: durability", opts.durability);
    super(name);
    this.opts = opts;
    this.durability = durabilityNumber(opts.durability);
    this.#defaults = opts.defaultJobOptions ?? {};
    checkObject("new Queue: defaultJobOptions", this.#defaults);
    if ("jobId" in this.#defaults)
      throw invalidArgument("new Queue: defaultJobOptions must not have a jobId");
    this.#defaultSet = packOptions("new Queue: defaultJobOptions", name, this.#defaults);
    this.connection = connect("new Queue", opts.store);
    this.connection.ready.catch((error: unknown) => {
      if (this.listenerCount("error") > 0) this.emit("error", error as Error);
    });
  }

  get defaultJobOptions(): DefaultJobOptions {
    return this.#defaults;
  }

  /** Resolves when the store is open; rejects with the reason if it cannot be opened. */
  async waitUntilReady(): Promise<void> {
    await this.connection.ready;
  }

  /**
   * Adds a job. It is as durable as the queue's (or the job's) durability says when the promise resolves. Adds of one
   * tick are sent together.
   */
  add(name: Name, data: Data, opts?: JobsOptions): Promise<Job<Data, Result, Name>> {
    if (opts?.tx !== undefined) return this.#addIn(opts.tx, name, data, opts);
    return new Promise((resolve, reject) => {
      this.#checkOpen();
      const batch = this.#newBatch([], reject);
      const job = this.#addTo(batch, -1, name, data, opts);
      batch.resolve = () => {
        this.#addsUnderWay--;
        if (this.listenerCount("waiting") > 0) this.emit("waiting", job);
        resolve(job);
      };
      const durability = job.opts.durability;
      this.#send(batch, durability === undefined ? this.durability : durabilityNumber(durability));
    });
  }

  async #addIn(
    sink: JobSink,
    name: Name,
    data: Data,
    opts: JobsOptions,
  ): Promise<Job<Data, Result, Name>> {
    this.#checkOpen();
    checkSink("queue.add: option tx", sink);
    if (opts.durability !== undefined) {
      throw invalidArgument("queue.add: options must not have both tx and durability");
    }
    const rest = { ...opts };
    delete rest.tx;
    const jobId = rest.jobId ?? sink.newJobId();
    const batch = this.#newBatch([], () => undefined);
    const job = this.#addTo(batch, -1, name, data, jobId === undefined ? rest : { ...rest, jobId });
    await sink.addBatch(this.connection, batch);
    return job;
  }

  /** Adds all jobs or, if one is refused, none. */
  addBulk(
    jobs: { name: Name; data: Data; opts?: BulkJobOptions }[],
  ): Promise<Job<Data, Result, Name>[]> {
    return new Promise((resolve, reject) => {
      this.#checkOpen();
      if (!Array.isArray(jobs))
        throw invalidArgument(`queue.addBulk: jobs must be an array, not ${show(jobs)}`);
      const added: Job<Data, Result, Name>[] = [];
      const batch = this.#newBatch(added, reject);
      for (let i = 0; i < jobs.length; i++) {
        const job: unknown = jobs[i];
        if (typeof job !== "object" || job === null) checkObject(addLabel(i), job);
        const { name, data, opts } = job as { name: Name; data: Data; opts?: BulkJobOptions };
        if (opts !== undefined && "durability" in opts) {
          throw invalidArgument(
            `queue.addBulk: jobs[${i}].opts must not have a durability: a bulk is one commit`,
          );
        }
        this.#addTo(batch, i, name, data, opts);
      }
      if (added.length === 0) {
        resolve([]);
        return;
      }
      batch.resolve = () => {
        this.#addsUnderWay--;
        if (this.listenerCount("waiting") > 0) for (const job of added) this.emit("waiting", job);
        resolve(added);
      };
      this.#send(batch, this.durability);
    });
  }

  /**
   * Adds a job that waits for its children, and they for theirs, of any depth, in one commit. Without a `queueName` a
   * job goes to its parent's queue, the root to this one. Children that fail for good are waited for until they are
   * retried or removed, unless their `opts` say otherwise: onFailure or BullMQ's four flags.
   */
  addFlow(root: FlowJob): Promise<JobNode> {
    return new Promise((resolve, reject) => {
      this.#checkOpen();
      const flow = new Flow(this);
      const node = flow.addTreeOf("queue.addFlow", root, this);
      const { jobs, sets, text } = flow.take("queue.addFlow");
      const batch = { ...this.#newBatch([], reject), jobs, sets, text };
      batch.resolve = () => {
        this.#addsUnderWay--;
        resolve(node);
      };
      this.#send(batch, this.durability);
    });
  }

  /** Ours: an empty flow, for graphs that are no tree, or that join jobs which exist. */
  flow(): Flow {
    this.#checkOpen();
    return new Flow(this);
  }

  #newBatch(jobs: Job<Data, Result, Name>[], reject: (error: unknown) => void): Batch {
    const refused = (error: unknown): void => {
      this.#addsUnderWay--;
      reject(error);
    };
    return { jobs, sets: [], text: "", resolve: () => undefined, reject: refused };
  }

  #send(batch: Batch, durability: number): void {
    refuseInside(this.connection);
    this.#addsUnderWay++;
    this.connection.enqueuer.push(batch, durability);
  }

  #addTo(
    batch: Batch,
    index: number,
    name: Name,
    data: Data,
    opts?: JobsOptions,
  ): Job<Data, Result, Name> {
    if (name !== this.#checkedName) {
      checkName(`${addLabel(index)}: name`, name);
      this.#checkedName = name;
    }
    let merged: JobsOptions = this.#defaults;
    let set = this.#defaultSet;
    if (opts !== undefined) {
      const what = addLabel(index);
      checkObject(`${what}: options`, opts);
      merged = { ...this.#defaults, ...opts };
      set = packOptions(`${what}: option`, this.name, merged, this.#context);
    }
    const json = encodeData(() => addLabel(index), data, merged.sizeLimit);
    const job = Job.adding<Data, Result, Name>(this, name, this.name, data, merged);
    batch.jobs.push(job);
    batch.sets.push(set);
    batch.text += name + SEPARATOR + json + SEPARATOR + job.id + SEPARATOR;
    return job;
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw closedError(`Queue ${show(this.name)}`);
  }

  /** No worker of any process starts another job of this queue. Running ones go on. */
  async pause(): Promise<void> {
    this.#checkOpen();
    await this.connection.call((engine) => engine.setPaused(this.name, true, this.durability));
    this.emit("paused");
  }

  async resume(): Promise<void> {
    this.#checkOpen();
    await this.connection.call((engine) => engine.setPaused(this.name, false, this.durability));
    this.emit("resumed");
  }

  /** Removes all jobs that wait, and the delayed ones too if asked. */
  async drain(delayed = false): Promise<void> {
    this.#checkOpen();
    checkBoolean("queue.drain: delayed", delayed);
    await this.connection.call((engine) => engine.drain(this.name, delayed, this.durability));
  }

  /**
   * Removes jobs of one state that finished (or were added) more than `grace` milliseconds ago, at most `limit`
   * (0: all). Answers their ids.
   */
  async clean(grace: number, limit: number, type: JobType = "completed"): Promise<string[]> {
    this.#checkOpen();
    checkDuration("queue.clean: grace", grace);
    checkInteger("queue.clean: limit", limit, 0, Number.MAX_SAFE_INTEGER);
    checkOneOf("queue.clean: type", type, CLEAN_TYPES);
    const before = (await this.connection.ready).now() - grace;
    const ids: string[] = [];
    while (limit === 0 || ids.length < limit) {
      const slice = limit === 0 ? CLEAN_SLICE : Math.min(CLEAN_SLICE, limit - ids.length);
      const old = (await this.listRange(type, 0, slice - 1, true)).filter(
        (info) => (info.finishedAt || info.createdAt) <= before,
      );
      const removed = await Promise.all(
        old.map(async ({ id }) => ((await this.#removeOne(id)) ? [id] : [])),
      );
      ids.push(...removed.flat());
      if (old.length < slice) break;
    }
    this.emit("cleaned", ids, type);
    return ids;
  }

  /** Removes the queue with everything in it. Refused while jobs run, unless `force`. */
  async obliterate(opts: { force?: boolean; count?: number } = {}): Promise<void> {
    this.#checkOpen();
    checkObject("queue.obliterate: options", opts);
    checkKnownOptions("queue.obliterate", opts, new Set(["force", "count"]));
    const force = opts.force ?? false;
    checkBoolean("queue.obliterate: force", force);
    await this.connection.call((engine) => engine.obliterate(this.name, force, this.durability));
  }

  /** Removes a job: 1, or 0 if there is none. Refused while a worker runs it. */
  async remove(jobId: string): Promise<number> {
    this.#checkOpen();
    checkString("queue.remove: jobId", jobId);
    if (!(await this.#removeOne(jobId))) return 0;
    this.emit("removed", jobId);
    return 1;
  }

  async #removeOne(jobId: string): Promise<boolean> {
    try {
      await this.connection.call((engine) =>
        engine.changeJob("remove", jobId, this.name, this.durability),
      );
      return true;
    } catch (error) {
      if (hasCode(error, "not_found")) return false;
      throw error;
    }
  }

  /** Runs failed (or completed) jobs again, those that finished before `timestamp`. */
  async retryJobs(
    opts: { count?: number; state?: FinishedStatus; timestamp?: number } = {},
  ): Promise<void> {
    this.#checkOpen();
    checkObject("queue.retryJobs: options", opts);
    checkKnownOptions("queue.retryJobs", opts, new Set(["count", "state", "timestamp"]));
    const { state = "failed", timestamp = 0 } = opts;
    checkOneOf("queue.retryJobs: state", state, ["completed", "failed"]);
    checkDuration("queue.retryJobs: timestamp", timestamp);
    await this.#changeMany("redrive", state, timestamp);
  }

  /** All delayed jobs may start now. */
  async promoteJobs(opts: { count?: number } = {}): Promise<void> {
    this.#checkOpen();
    checkObject("queue.promoteJobs: options", opts);
    checkKnownOptions("queue.promoteJobs", opts, new Set(["count"]));
    await this.#changeMany("promote", "delayed", 0);
  }

  // BullMQ's `count` is the size of a step, not a bound: the core has steps of its own.
  #changeMany(action: "redrive" | "promote", type: JobType, before: number): Promise<number> {
    return this.connection.call((engine) =>
      engine.changeMany(action, this.name, nativeState(type), "", before, 0, this.durability),
    );
  }

  /** Frees a deduplication key: 1, or 0 if it was free. */
  async removeDeduplicationKey(id: string): Promise<number> {
    this.#checkOpen();
    checkName("queue.removeDeduplicationKey: id", id);
    return this.connection.call((engine) => engine.releaseDedup(this.name, id, this.durability));
  }

  /** No worker starts another job of this group. */
  async pauseGroup(groupId: string): Promise<void> {
    await this.#pauseGroup("queue.pauseGroup", groupId, true);
  }
  async resumeGroup(groupId: string): Promise<void> {
    await this.#pauseGroup("queue.resumeGroup", groupId, false);
  }

  async #pauseGroup(what: string, groupId: string, paused: boolean): Promise<void> {
    this.#checkOpen();
    checkGroup(`${what}: groupId`, groupId);
    await this.connection.call((engine) =>
      engine.pauseGroup(this.name, groupId, paused, this.durability),
    );
  }

  /** Ours: the job will not run; or if it runs, its AbortSignal fires ("requested"). */
  async cancel(jobId: string, reason = ""): Promise<CancelResult> {
    this.#checkOpen();
    checkString("queue.cancel: jobId", jobId);
    checkString("queue.cancel: reason", reason);
    const result = await this.connection.call((engine) =>
      engine.cancel(jobId, this.name, reason, this.durability),
    );
    return CANCEL_RESULTS[result] as CancelResult;
  }

  /** Ours: what is kept of this queue's finished jobs from now on, unless a job says otherwise. */
  async setRetention(rules: {
    removeOnComplete: boolean | number | KeepJobs;
    removeOnFail: boolean | number | KeepJobs;
  }): Promise<void> {
    this.#checkOpen();
    checkObject("queue.setRetention: rules", rules);
    const completed = keepNumbers("queue.setRetention: removeOnComplete", rules.removeOnComplete);
    const failed = keepNumbers("queue.setRetention: removeOnFail", rules.removeOnFail);
    await this.connection.call((engine) =>
      engine.setRetention(this.name, ...completed, ...failed, this.durability),
    );
  }

  async updateJobProgress(jobId: string, progress: JobProgress): Promise<void> {
    this.#checkOpen();
    checkString("queue.updateJobProgress: jobId", jobId);
    const json = encodeJson("queue.updateJobProgress: progress", progress, "null");
    await this.connection.call((engine) =>
      engine.setProgress(jobId, this.name, json, this.durability),
    );
    this.emit("progress", jobId, progress);
  }

  /** Adds a line to a job's log. Answers how many it has. */
  async addJobLog(jobId: string, logRow: string): Promise<number> {
    this.#checkOpen();
    checkString("queue.addJobLog: jobId", jobId);
    checkString("queue.addJobLog: logRow", logRow);
    await this.connection.call((engine) =>
      engine.addLog(jobId, this.name, logRow, this.durability),
    );
    return (await this.getJobLogs(jobId)).count;
  }

  /** Waits for adds under way, then lets the store go. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    // Adds of other queues on the store may go on for ever: wait only while there are some of ours.
    while (this.#addsUnderWay > 0) await this.connection.enqueuer.nextAnswer();
    await this.connection.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
