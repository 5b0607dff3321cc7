// A job, as a producer, a worker or a reader holds it.
import type { Flow } from "./flow.js";
import { JobMoves } from "./job-moves.js";
import type { JobJson } from "./job-record.js";
import type { JobHost, JobRunner } from "./job-runner.js";
import type { JobTransaction } from "./job-transaction.js";
import { decodeJson, encodeJson } from "./serializer.js";
import type { JobsOptions } from "./types.js";
import type { JobInfo, LeasedJob } from "./wire.js";

/** A queue, as the static functions of Job need it. */
interface JobQueue<Data, Result, Name extends string> {
  getJob(jobId: string): Promise<Job<Data, Result, Name> | undefined>;
  add(name: Name, data: Data, opts?: JobsOptions): Promise<Job<Data, Result, Name>>;
  addBulk(
    jobs: { name: Name; data: Data; opts?: JobsOptions }[],
  ): Promise<Job<Data, Result, Name>[]>;
  addJobLog(jobId: string, logRow: string, keepLogs?: number): Promise<number>;
}

/**
 * One job. What it says is how things stood when it was read or added; getState() and Queue.getJob() read anew.
 * `data` and `opts` are parsed when they are first asked for.
 */
// `any` as in BullMQ: users who name no types can read `data` without a cast.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export class Job<Data = any, Result = any, Name extends string = string> extends JobMoves<
  Data,
  Result,
  Name
> {
  /** @internal A job that is being added. */
  static adding<D, R, N extends string>(
    host: JobHost,
    name: N,
    queueName: string,
    data: D,
    opts: JobsOptions,
  ): Job<D, R, N> {
    const job = new Job<D, R, N>(host, name, queueName, opts.jobId ?? "", Date.now());
    job.fillNew(data, opts);
    return job;
  }

  /** @internal A job that this process runs. */
  static leased<D, R, N extends string>(
    host: JobHost,
    runner: JobRunner,
    leased: LeasedJob,
  ): Job<D, R, N> {
    const { name, queue, id, createdAt } = leased;
    const job = new Job<D, R, N>(host, name as N, queue, id, createdAt);
    job.fillLeased(runner, leased);
    return job;
  }

  /** @internal A job that was read. */
  static ofInfo<D, R, N extends string>(host: JobHost, info: JobInfo): Job<D, R, N> {
    const job = new Job<D, R, N>(host, info.name as N, info.queue, info.id, info.createdAt);
    job.fillInfo(info);
    return job;
  }

  /** The job of this id, or undefined. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as the class
  static async fromId<D = any, R = any, N extends string = string>(
    queue: Pick<JobQueue<D, R, N>, "getJob">,
    jobId: string,
  ): Promise<Job<D, R, N> | undefined> {
    return queue.getJob(jobId);
  }

  /** The same as queue.add(). */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as the class
  static create<D = any, R = any, N extends string = string>(
    queue: Pick<JobQueue<D, R, N>, "add">,
    name: N,
    data: D,
    opts?: JobsOptions,
  ): Promise<Job<D, R, N>> {
    return queue.add(name, data, opts);
  }

  /** The same as queue.addBulk(). */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as the class
  static createBulk<D = any, R = any, N extends string = string>(
    queue: Pick<JobQueue<D, R, N>, "addBulk">,
    jobs: { name: N; data: D; opts?: JobsOptions }[],
  ): Promise<Job<D, R, N>[]> {
    return queue.addBulk(jobs);
  }

  /** The same as queue.addJobLog(). */
  static addJobLog(
    queue: Pick<JobQueue<unknown, unknown, string>, "addJobLog">,
    jobId: string,
    logRow: string,
    keepLogs?: number,
  ): Promise<number> {
    return queue.addJobLog(jobId, logRow, keepLogs);
  }

  /**
   * A job from what asJSON() or job.moveToCompleted() answered. `queue`: the Queue or Worker that it is of. If a worker
   * of this process has it in hand, so has the object.
   */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as the class
  static fromJSON<D = any, R = any, N extends string = string>(
    queue: { readonly name: string },
    json: Partial<JobJson> & { name: string },
    jobId?: string,
  ): Job<D, R, N> {
    const host = queue as unknown as JobHost & { readonly name: string };
    const { name, timestamp = 0, id = jobId ?? "" } = json;
    const job = new Job<D, R, N>(host, name as N, host.name, id, timestamp);
    job.fillJson(json);
    const held = host.connection.holderOf(id, host.name);
    if (held !== undefined) job.fillHeld(held.runner, held.lease);
    return job;
  }

  /** The options of a job from their JSON text, also under the short names that BullMQ stores. */
  static optsFromJSON(rawOpts?: string): JobsOptions {
    const opts = (decodeJson("opts", rawOpts ?? "{}") ?? {}) as Record<string, unknown>;
    const options: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(opts)) {
      const telemetry = TELEMETRY_OPTIONS[key];
      if (telemetry === undefined) options[SHORT_OPTIONS[key] ?? key] = value;
      else options["telemetry"] = { ...(options["telemetry"] as object), [telemetry]: value };
    }
    return options;
  }

  /** Ours: fires when someone cancels the job or a time limit has passed. Only in its processor. */
  get signal(): AbortSignal {
    return this.running().signal(this.self);
  }

  /**
   * Ours: saves where a long job stands: any JSON value. It is handed back as `checkpoint` when the job is started
   * again, after a crash, a deploy, a retry or a wait. Written with the next commit, in the order of the calls; gone
   * when the job ends. Only in its processor.
   */
  updateCheckpoint(state: unknown): Promise<void> {
    return new Promise((resolve) => {
      this.running().checkpoint(this.self, encodeJson("checkpoint", state, "null"));
      this.checkpointed(state);
      resolve();
    });
  }

  /** Ours: an empty flow, for replaceBy() and moveToWaitingChildren(). Only in its processor. */
  flow(): Flow {
    return this.running().flow();
  }

  /**
   * Ours: in its processor, the job will end as the flow does. When the processor returns, the flow's jobs are added in
   * one commit, and this job waits for those that nobody else waits for: it completes with the result of the one (of
   * several: the array of their results), or fails with its error. The processor's own result is not used.
   */
  replaceBy(flow: Flow): void {
    this.running().replace(this.self, flow);
  }

  /**
   * In a processor: what is added with `{ tx }` goes with the job's completion, in one commit, or never if the block
   * throws or the job fails. Nothing is written in the block; ids are known at once.
   */
  transaction<T>(work: (tx: JobTransaction) => Promise<T> | T): Promise<T> {
    return this.running().transaction(this.self, work);
  }

  /** In the processor of a worker with the option `batch`: all jobs that it was handed, this one the first. */
  getBatch(): Job<Data, Result, Name>[] {
    return this.running().batch(this.self) as Job<Data, Result, Name>[];
  }

  /**
   * Ends this job of a batch as failed, at once; what the processor returns or throws later does not touch it. In
   * BullMQ Pro it only takes effect at the end of the batch.
   */
  setAsFailed(error: Error): void {
    this.running().settle(this.self, { error });
  }

  /** Ours: ends this job of a batch with a result of its own, at once. Others complete with what the processor returns. */
  setAsCompleted(result: Result): void {
    this.running().settle(this.self, { result });
  }
}

const SHORT_OPTIONS: Record<string, string> = {
  de: "deduplication",
  fpof: "failParentOnFailure",
  cpof: "continueParentOnFailure",
  idof: "ignoreDependencyOnFailure",
  rdof: "removeDependencyOnFailure",
  kl: "keepLogs",
};
const TELEMETRY_OPTIONS: Record<string, string> = { tm: "metadata", omc: "omitContext" };
