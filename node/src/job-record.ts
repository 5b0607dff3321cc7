// What a job object holds: the fields that BullMQ's users know, however it was come by.
import { inspect } from "node:util";

import { show } from "./check.js";
import { readAck } from "./enqueuer.js";
import { type ErrorBody, MillraceError, decodeError } from "./errors.js";
import {
  type ParentKeys,
  parentKeys,
  parentKeysOf,
  readExtras,
  schedulerOf,
} from "./job-extras.js";
import { POLICIES } from "./job-model.js";
import { durabilityName, unpackDelay, unpackOptions } from "./job-options.js";
import type { JobHost, JobRunner } from "./job-runner.js";
import type { Job } from "./job.js";
import { decodeJson } from "./serializer.js";
import type { Durability, JobProgress, JobsOptions } from "./types.js";
import { type JobInfo, type LeasedJob, Option, type Spec } from "./wire.js";

const NOT_READ = Symbol("not read");

/** A job as plain data: `data`, `returnvalue`, `stacktrace` and `failedReason` are JSON text. */
export interface JobJson {
  id: string;
  name: string;
  data: string;
  opts: JobsOptions;
  progress: JobProgress;
  attemptsMade: number;
  attemptsStarted: number;
  stalledCounter: number;
  timestamp: number;
  delay?: number;
  priority?: number;
  finishedOn?: number;
  processedOn?: number;
  failedReason?: string;
  stacktrace?: string;
  returnvalue?: string;
  parent?: ParentKeys;
  parentKey?: string;
  repeatJobKey?: string;
  deduplicationId?: string;
  deferredFailure?: string;
  processedBy?: string;
}

export type JobJsonSandbox = JobJson & {
  queueName: string;
  queueQualifiedName: string;
  prefix: string;
};

export abstract class JobRecord<Data, Result, Name extends string> {
  id: string;
  readonly name: Name;
  readonly queueName: string;
  /** When it was added. Milliseconds UTC, as all times here. */
  timestamp: number;
  /** When its newest attempt began. */
  processedOn: number | undefined = undefined;
  finishedOn: number | undefined = undefined;
  delay = 0;
  priority = 0;
  /** Attempts that ended by themselves; in the processor 0 for the first. */
  attemptsMade = 0;
  attemptsStarted = 0;
  /** How often a worker died under it. */
  stalledCounter = 0;
  progress: JobProgress = 0;
  /** null until it has completed; the type is BullMQ's. */
  returnvalue: Result = null as Result;
  /** undefined until an attempt has failed; the type is BullMQ's. */
  failedReason!: string;
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

  /** @internal The fencing token of its lease; 0: none is known. */
  lease = 0;
  /** @internal */
  protected readonly host: JobHost;
  /** @internal The worker that runs it. */
  protected runner: JobRunner | undefined = undefined;
  #data: Data | typeof NOT_READ = NOT_READ;
  #spec: Spec | undefined = undefined;
  #opts: JobsOptions | undefined = undefined;
  #checkpoint: unknown = NOT_READ;
  #parent: ParentKeys | undefined = undefined;
  #above: Job | undefined = undefined;
  #hasParent = true;

  /** Not for users: jobs come from Queue and Worker. */
  constructor(host: JobHost, name: Name, queueName: string, id: string, timestamp: number) {
    this.host = host;
    this.name = name;
    this.queueName = queueName;
    this.id = id;
    this.timestamp = timestamp;
  }

  /** @internal As those know it who only ever see whole jobs. */
  protected get self(): Job {
    return this as unknown as Job;
  }

  /** @internal */
  protected running(): JobRunner {
    if (this.runner !== undefined) return this.runner;
    throw new MillraceError("wrong_state", `job ${show(this.id)} does not run here`);
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

  /** The job that waits for this one; of several the first. */
  get parent(): ParentKeys | undefined {
    if (!this.#hasParent) return undefined;
    if (this.#spec !== undefined) return parentOfSpec(this.#spec);
    if (this.#above !== undefined && this.#above.id !== "")
      return parentKeys(this.#above.id, this.#above.queueName, this.opts);
    const { parent } = this.opts;
    if (this.#parent !== undefined || parent === undefined) return this.#parent;
    const queue = "queueName" in parent ? parent.queueName : (parent.queue ?? this.queueName);
    return parentKeys(parent.id, queue, this.opts);
  }
  /** The same as text, `queue:id`. */
  get parentKey(): string | undefined {
    const { parent } = this;
    return parent === undefined ? undefined : `${parent.queueKey}:${parent.id}`;
  }

  /** @internal The job above it in a flow that is being added: its id may not be known yet. */
  adoptedBy(parent: Job): void {
    this.#above = parent;
  }

  /** @internal Nobody waits for it any more. */
  protected orphaned(): void {
    this.#hasParent = false;
  }

  /** The scheduler that made it. */
  get repeatJobKey(): string | undefined {
    const { repeatJobKey, headers } = this.opts;
    return repeatJobKey ?? schedulerOf(this.queueName, headers);
  }

  /** Always undefined: a job whose child fails with failParentOnFailure fails at once, without being run. */
  get deferredFailure(): undefined {
    return undefined;
  }

  /** The same as `queueName`: queues have no prefix here. */
  get queueQualifiedName(): string {
    return this.queueName;
  }
  /** Always empty. */
  get prefix(): string {
    return "";
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
  /** @internal */
  protected checkpointed(state: unknown): void {
    this.#checkpoint = state;
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

  /** As plain data, from which Job.fromJSON() makes a job again. */
  asJSON(): JobJson {
    const { id, name, opts, progress, timestamp, delay, priority } = this;
    const { attemptsMade, attemptsStarted, stalledCounter, finishedOn, processedOn } = this;
    const { parent, parentKey, repeatJobKey, deduplicationId, processedBy } = this;
    const all = {
      ...{ id, name, opts, progress, timestamp, delay, priority },
      ...{ attemptsMade, attemptsStarted, stalledCounter, finishedOn, processedOn },
      ...{ parent, parentKey, repeatJobKey, deduplicationId, processedBy },
      data: JSON.stringify(this.data === undefined ? {} : this.data),
      failedReason: JSON.stringify(this.failedReason) as string | undefined,
      stacktrace: JSON.stringify(this.stacktrace),
      returnvalue: JSON.stringify(this.returnvalue),
    };
    const entries = Object.entries(all).filter(([, value]) => value !== undefined);
    return Object.fromEntries(entries) as unknown as JobJson;
  }

  asJSONSandbox(): JobJsonSandbox {
    const { queueName, queueQualifiedName, prefix } = this;
    return { ...this.asJSON(), queueName, queueQualifiedName, prefix };
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
    if (error === undefined) this.returnvalue = (result ?? null) as Result;
    else this.#failures([error]);
  }

  /** @internal It is being added. */
  protected fillNew(data: Data, opts: JobsOptions): void {
    this.#data = data;
    this.#opts = opts;
    if (opts.timestamp !== undefined) this.timestamp = opts.timestamp;
    this.delay = opts.delay ?? 0;
    this.priority = opts.priority ?? 0;
  }

  /** @internal It was made plain data. */
  protected fillJson(json: Partial<JobJson>): void {
    const what = `of job ${show(this.id)}`;
    this.#data = decodeJson(`data ${what}`, json.data ?? "{}") as Data;
    this.#opts = json.opts ?? {};
    this.delay = json.delay ?? 0;
    this.priority = json.priority ?? 0;
    this.progress = json.progress ?? 0;
    this.attemptsMade = json.attemptsMade ?? 0;
    this.attemptsStarted = json.attemptsStarted ?? 0;
    this.stalledCounter = json.stalledCounter ?? 0;
    this.finishedOn = json.finishedOn;
    this.processedOn = json.processedOn;
    this.processedBy = json.processedBy;
    this.#parent = json.parent;
    if (json.returnvalue !== undefined)
      this.returnvalue = decodeJson(`result ${what}`, json.returnvalue) as Result;
    if (json.failedReason !== undefined)
      this.failedReason = decodeJson(`failedReason ${what}`, json.failedReason) as string;
    if (json.stacktrace !== undefined)
      this.stacktrace = decodeJson(`stacktrace ${what}`, json.stacktrace) as string[];
  }

  /** @internal A worker of this process has it in hand. */
  protected fillHeld(runner: JobRunner, lease: number): void {
    this.runner = runner;
    this.lease = lease;
  }

  #fillSpec(spec: Spec): void {
    this.#spec = spec;
    if (spec.headers !== "") this.timestamp = readExtras(spec.headers)?.timestamp ?? this.timestamp;
    this.delay = unpackDelay(spec.numbers, spec.at, this.timestamp);
    this.priority = spec.numbers[spec.at + Option.priority] as number;
  }

  /** @internal This process runs it. */
  protected fillLeased(runner: JobRunner, leased: LeasedJob): void {
    this.#fillSpec(leased);
    this.runner = runner;
    this.lease = leased.token;
    this.token = String(leased.token);
    this.processedBy = this.host.workerName;
    this.processedOn = leased.startedAt;
    this.attemptsMade = leased.attempt - 1;
    this.attemptsStarted = leased.attempt + leased.crashes;
    this.stalledCounter = leased.crashes;
    if (leased.progress !== "") this.progress = progressOf(leased.progress);
  }

  /** @internal It was read. */
  protected fillInfo(info: JobInfo): void {
    this.#fillSpec(info);
    this.processedOn = info.startedAt === 0 ? undefined : info.startedAt;
    this.finishedOn = info.finishedAt === 0 ? undefined : info.finishedAt;
    this.attemptsMade = info.attemptsMade;
    this.attemptsStarted = info.attemptsStarted;
    this.stalledCounter = info.crashes;
    if (info.worker !== "") this.processedBy = info.worker;
    if (info.progress !== "") this.progress = progressOf(info.progress);
    if (info.result !== undefined) this.returnvalue = decodeJson("result", info.result) as Result;
    const errors = info.attemptErrors.map(decodeError);
    if (info.error !== "") errors.push(decodeError(info.error));
    this.#failures(errors);
  }

  #failures(errors: ErrorBody[]): void {
    const last = errors.at(-1);
    if (last === undefined) return;
    this.failedReason = last.message;
    for (const error of errors) this.stacktrace.push(error.stack ?? "");
    const limit = this.opts.stackTraceLimit;
    if (limit !== undefined) this.stacktrace = limit === 0 ? [] : this.stacktrace.slice(-limit);
  }
}

/** As it was named when the job was added, else as the store knows it. */
function parentOfSpec(spec: Spec): ParentKeys | undefined {
  const named = readExtras(spec.headers)?.parent;
  if (named !== undefined) return named;
  const { more, parent = more?.parent } = spec as Partial<LeasedJob & JobInfo>;
  return parent && parentKeysOf(parent.id, parent.queue, POLICIES[parent.policy]);
}

/** Progress is advice: a damaged one must not keep the job from running. */
function progressOf(json: string): JobProgress {
  try {
    return decodeJson("progress", json) as JobProgress;
  } catch {
    return 0;
  }
}
