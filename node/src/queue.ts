// Queue: adds jobs and manages them.
import { checkName, checkObject, show } from "./check.js";
import type { Batch } from "./enqueuer.js";
import { SpanKind, TelemetryAttributes } from "./enums.js";
import { invalidArgument } from "./errors.js";
import { Flow } from "./flow.js";
import { addError } from "./job-errors.js";
import { type JobSink, checkSink, refuseInside } from "./job-sink.js";
import { Job } from "./job.js";
import { type OptionSet, durabilityNumber, packOptions } from "./job-options.js";
import { mark } from "./kinds.js";
import { QueueSchedulers } from "./queue-schedulers.js";
import { encodeData } from "./serializer.js";
import { type Telemetry, trace } from "./telemetry.js";
import type { BulkJob, FlowJob, JobNode, JobsOptions, QueueOptions } from "./types.js";
import { SEPARATOR } from "./wire.js";

/** How messages call a job that is being added: by its place in a bulk, or alone (-1). */
function addLabel(index: number): string {
  return index < 0 ? "queue.add" : `queue.addBulk: jobs[${index}]`;
}

/** A job of its own trace keeps it. */
function withMetadata<D, N extends string>(job: BulkJob<D, N>, metadata: string): BulkJob<D, N> {
  const own = job?.opts?.telemetry;
  if (own?.omitContext === true || own?.metadata !== undefined) return job;
  return { ...job, opts: { ...job?.opts, telemetry: { metadata } } };
}

/** Does not keep the process alive, except while an add is not acknowledged. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as in BullMQ
export class Queue<Data = any, Result = any, Name extends string = string> extends QueueSchedulers<
  Data,
  Result,
  Name
> {
  static {
    mark(this.prototype, "queue");
  }
  readonly #defaultSet: OptionSet;
  readonly #context = {
    leaseOf: (id: string, queue: string): number => this.connection.leaseOf(id, queue),
  };
  #addsUnderWay = 0;
  #checkedName: Name | undefined; // the last good one: most producers use one name many times

  constructor(name: string, opts: QueueOptions = {}) {
    super(name, opts);
    this.#defaultSet = packOptions("new Queue: defaultJobOptions", name, this.defaults);
  }

  /**
   * Adds a job. It is as durable as the queue's (or the job's) durability says when the promise resolves. Adds of one
   * tick are sent together.
   */
  add(name: Name, data: Data, opts?: JobsOptions): Promise<Job<Data, Result, Name>> {
    if (opts?.tx !== undefined) return this.#addIn(opts.tx, name, data, opts);
    if (this.telemetry !== undefined) return this.#addTraced(this.telemetry, name, data, opts);
    return this.#addOne(name, data, opts);
  }

  #addOne(name: Name, data: Data, opts?: JobsOptions): Promise<Job<Data, Result, Name>> {
    return new Promise((resolve, reject) => {
      this.checkOpen();
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

  #addTraced(
    telemetry: Telemetry,
    name: Name,
    data: Data,
    opts: JobsOptions = {},
  ): Promise<Job<Data, Result, Name>> {
    const destination = `${this.name}.${String(name)}`;
    const operation = { kind: SpanKind.PRODUCER, queue: this.name, name: "add", destination };
    return trace(telemetry, operation, async (span, metadata) => {
      const omit = opts.telemetry?.omitContext === true;
      const job = await this.#addOne(
        name,
        data,
        omit ? opts : { ...opts, telemetry: { metadata } },
      );
      span.setAttributes({
        [TelemetryAttributes.JobName]: name,
        [TelemetryAttributes.JobId]: job.id,
      });
      return job;
    });
  }

  async #addIn(
    sink: JobSink,
    name: Name,
    data: Data,
    opts: JobsOptions,
  ): Promise<Job<Data, Result, Name>> {
    this.checkOpen();
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

  /** Adds all jobs or, if one is refused, none. With `tx` they are part of that transaction. */
  addBulk(
    jobs: BulkJob<Data, Name>[],
    options: { tx?: JobSink } = {},
  ): Promise<Job<Data, Result, Name>[]> {
    if (options.tx !== undefined) return this.#addAllIn(options.tx, jobs);
    if (this.telemetry === undefined || !Array.isArray(jobs)) return this.#addAll(jobs);
    const operation = {
      ...{ kind: SpanKind.PRODUCER, queue: this.name },
      ...{ name: "addBulk", destination: this.name },
    };
    return trace(this.telemetry, operation, (span, metadata) => {
      span.setAttributes({
        [TelemetryAttributes.BulkNames]: jobs.map(({ name }) => name),
        [TelemetryAttributes.BulkCount]: jobs.length,
      });
      return this.#addAll(jobs.map((job) => withMetadata(job, metadata)));
    });
  }

  #addAll(jobs: BulkJob<Data, Name>[]): Promise<Job<Data, Result, Name>[]> {
    return new Promise((resolve, reject) => {
      this.checkOpen();
      const added: Job<Data, Result, Name>[] = [];
      const batch = this.#newBatch(added, reject);
      this.#addAllTo(batch, jobs);
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

  async #addAllIn(sink: JobSink, jobs: BulkJob<Data, Name>[]): Promise<Job<Data, Result, Name>[]> {
    this.checkOpen();
    checkSink("queue.addBulk: option tx", sink);
    const added: Job<Data, Result, Name>[] = [];
    const batch = this.#newBatch(added, () => undefined);
    this.#addAllTo(batch, jobs, sink);
    if (added.length > 0) await sink.addBatch(this.connection, batch);
    return added;
  }

  #addAllTo(batch: Batch, jobs: BulkJob<Data, Name>[], sink?: JobSink): void {
    if (!Array.isArray(jobs))
      throw invalidArgument(`queue.addBulk: jobs must be an array, not ${show(jobs)}`);
    for (let i = 0; i < jobs.length; i++) {
      const job: unknown = jobs[i];
      if (typeof job !== "object" || job === null) checkObject(addLabel(i), job);
      const { name, data, opts } = job as BulkJob<Data, Name>;
      if (opts !== undefined && "durability" in opts) {
        throw invalidArgument(
          `queue.addBulk: jobs[${i}].opts must not have a durability: a bulk is one commit`,
        );
      }
      const jobId = sink === undefined ? undefined : (opts?.jobId ?? sink.newJobId());
      this.#addTo(batch, i, name, data, jobId === undefined ? opts : { ...opts, jobId });
    }
  }

  /**
   * Adds a job that waits for its children, and they for theirs, of any depth, in one commit. Without a `queueName` a
   * job goes to its parent's queue, the root to this one. Children that fail for good are waited for until they are
   * retried or removed, unless their `opts` say otherwise: onFailure or BullMQ's four flags.
   */
  addFlow(root: FlowJob): Promise<JobNode> {
    return new Promise((resolve, reject) => {
      this.checkOpen();
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
    this.checkOpen();
    return new Flow(this);
  }

  #newBatch(jobs: Job<Data, Result, Name>[], reject: (error: unknown) => void): Batch {
    const refused = (error: unknown): void => {
      this.#addsUnderWay--;
      reject(addError(error, jobs));
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
    let merged: JobsOptions = this.defaults;
    let set = this.#defaultSet;
    if (opts !== undefined) {
      const what = addLabel(index);
      checkObject(`${what}: options`, opts);
      merged = { ...this.defaults, ...opts };
      set = packOptions(`${what}: option`, this.name, merged, this.#context);
    }
    const json = encodeData(() => addLabel(index), data, merged.sizeLimit);
    const job = Job.adding<Data, Result, Name>(this, name, this.name, data, merged);
    batch.jobs.push(job);
    batch.sets.push(set);
    batch.text += name + SEPARATOR + json + SEPARATOR + job.id + SEPARATOR;
    return job;
  }

  /** Waits for adds under way, then lets the store go. Idempotent. */
  close(): Promise<void> {
    this.closing ??= this.#close();
    return this.closing;
  }

  /** The same as close(). */
  disconnect(): Promise<void> {
    return this.close();
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
