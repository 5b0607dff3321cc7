// What a queue can tell.
import {
  checkInteger,
  checkKnownOptions,
  checkName,
  checkObject,
  checkOneOf,
  checkString,
  show,
} from "./check.js";
import type { Connection } from "./connection.js";
import { TypedEmitter } from "./emitter.js";
import { invalidArgument } from "./errors.js";
import { type FlowTree, readFlow } from "./job-dependencies.js";
import { readJob } from "./job-read.js";
import { Job } from "./job.js";
import { JOB_TYPES, nativeState, stateName } from "./states.js";
import type { JobState, JobType } from "./types.js";
import { type GroupInfo, readGroup } from "./wire-model.js";
import { type QueueCounts, type WorkerInfo, readCounts, readWorker } from "./wire-reports.js";
import { type JobInfo, NativeState, Option, Reader, readInfo } from "./wire.js";

const PAGE_JOBS = 1000;
const LOG_LINES_MAX = 10_000;

/** The reading half of a queue. */
export abstract class QueueGetters<
  Listeners extends { [E in keyof Listeners]: (...args: any[]) => void }, // eslint-disable-line @typescript-eslint/no-explicit-any -- as TypedEmitter
  Data,
  Result,
  Name extends string,
> extends TypedEmitter<Listeners> {
  // A JobHost, though it does not say so: these two are no part of the published types.
  /** @internal */
  abstract readonly connection: Connection;
  /** @internal */
  abstract readonly durability: number;

  constructor(readonly name: string) {
    super();
  }

  /** The job of this id, or undefined. */
  async getJob(jobId: string): Promise<Job<Data, Result, Name> | undefined> {
    checkString("queue.getJob: jobId", jobId);
    const info = await readJob(this.connection, jobId, this.name);
    return info === undefined ? undefined : Job.ofInfo(this, info);
  }

  /** Where the job stands; "unknown" if there is none. */
  async getJobState(jobId: string): Promise<JobState | "unknown"> {
    checkString("queue.getJobState: jobId", jobId);
    const info = await readJob(this.connection, jobId, this.name);
    return info === undefined ? "unknown" : stateName(info.state, priorityOf(info));
  }

  /** Jobs per state, in constant time: of the given states, or of all. */
  async getJobCounts(...types: JobType[]): Promise<Record<string, number>> {
    for (const type of types) checkOneOf("queue.getJobCounts: type", type, JOB_TYPES);
    const counts = await this.#counts();
    const wanted = types.length > 0 ? types : JOB_TYPES;
    return Object.fromEntries(
      wanted.map((type) => [type === "wait" ? "waiting" : type, countOf(counts, type)]),
    );
  }

  /** The sum of getJobCounts(). */
  async getJobCountByTypes(...types: JobType[]): Promise<number> {
    const counts = await this.getJobCounts(...types);
    return Object.values(counts).reduce((sum, count) => sum + count, 0);
  }

  /** All that is still to be done: waiting, prioritized, delayed and waiting for children. */
  async count(): Promise<number> {
    return this.getJobCountByTypes("waiting", "prioritized", "delayed", "waiting-children");
  }
  async getWaitingCount(): Promise<number> {
    return this.getJobCountByTypes("waiting");
  }
  async getPrioritizedCount(): Promise<number> {
    return this.getJobCountByTypes("prioritized");
  }
  async getDelayedCount(): Promise<number> {
    return this.getJobCountByTypes("delayed");
  }
  async getActiveCount(): Promise<number> {
    return this.getJobCountByTypes("active");
  }
  async getWaitingChildrenCount(): Promise<number> {
    return this.getJobCountByTypes("waiting-children");
  }
  async getCompletedCount(): Promise<number> {
    return this.getJobCountByTypes("completed");
  }
  async getFailedCount(): Promise<number> {
    return this.getJobCountByTypes("failed");
  }

  async isPaused(): Promise<boolean> {
    return (await this.#counts()).paused;
  }

  /**
   * Jobs of the given states, from position `start` to `end` (both included; -1: the last) of each state's list:
   * in the order in which they are claimed, due or finished if `asc`, else the reverse.
   */
  async getJobs(
    types?: JobType | JobType[],
    start = 0,
    end = -1,
    asc = false,
  ): Promise<Job<Data, Result, Name>[]> {
    const wanted = types === undefined ? [...JOB_TYPES] : Array.isArray(types) ? types : [types];
    for (const type of wanted) checkOneOf("queue.getJobs: type", type, JOB_TYPES);
    checkInteger("queue.getJobs: start", start, 0, Number.MAX_SAFE_INTEGER);
    checkInteger("queue.getJobs: end", end, -1, Number.MAX_SAFE_INTEGER);
    if (typeof asc !== "boolean")
      throw invalidArgument(`queue.getJobs: asc must be true or false, not ${show(asc)}`);
    const distinct = new Set(wanted.map((type) => (type === "wait" ? "waiting" : type)));
    const jobs: Job<Data, Result, Name>[] = [];
    for (const type of distinct) {
      for (const info of await this.listRange(type, start, end, asc))
        jobs.push(Job.ofInfo(this, info));
    }
    return jobs;
  }
  async getWaiting(start = 0, end = -1): Promise<Job<Data, Result, Name>[]> {
    return this.getJobs("waiting", start, end, true);
  }
  async getPrioritized(start = 0, end = -1): Promise<Job<Data, Result, Name>[]> {
    return this.getJobs("prioritized", start, end, true);
  }
  async getDelayed(start = 0, end = -1): Promise<Job<Data, Result, Name>[]> {
    return this.getJobs("delayed", start, end, true);
  }
  async getActive(start = 0, end = -1): Promise<Job<Data, Result, Name>[]> {
    return this.getJobs("active", start, end, true);
  }
  async getWaitingChildren(start = 0, end = -1): Promise<Job<Data, Result, Name>[]> {
    return this.getJobs("waiting-children", start, end, true);
  }
  async getCompleted(start = 0, end = -1): Promise<Job<Data, Result, Name>[]> {
    return this.getJobs("completed", start, end, false);
  }
  async getFailed(start = 0, end = -1): Promise<Job<Data, Result, Name>[]> {
    return this.getJobs("failed", start, end, false);
  }

  /** Lines `start` to `end` (included; -1: the last) of a job's log, newest first unless `asc`. */
  async getJobLogs(
    jobId: string,
    start = 0,
    end = -1,
    asc = true,
  ): Promise<{ logs: string[]; count: number }> {
    checkString("queue.getJobLogs: jobId", jobId);
    checkInteger("queue.getJobLogs: start", start, 0, Number.MAX_SAFE_INTEGER);
    checkInteger("queue.getJobLogs: end", end, -1, Number.MAX_SAFE_INTEGER);
    const reader = new Reader(
      await this.connection.call((engine) => engine.getLogs(jobId, this.name, 0, LOG_LINES_MAX)),
    );
    const lines = reader.list((each) => {
      each.number(); // when it was written: BullMQ's answer has no place for it
      return each.text();
    });
    if (!asc) lines.reverse();
    return { logs: lines.slice(start, end === -1 ? undefined : end + 1), count: lines.length };
  }

  /**
   * Ours: a job with what it waits or has waited for, nested, with states. `depth`: levels (default 10), `maxChildren`:
   * of each job (default 20). A job that is reached twice is shown once in full. Code "not_found".
   */
  async getFlow(
    jobId: string,
    options: { depth?: number; maxChildren?: number } = {},
  ): Promise<FlowTree> {
    return readFlow(this.connection, jobId, this.name, options);
  }

  /** The id of the job that holds a deduplication key, or null. */
  async getDeduplicationJobId(id: string): Promise<string | null> {
    checkName("queue.getDeduplicationJobId: id", id);
    const holder = await this.connection.call((engine) => engine.dedupHolder(this.name, id));
    return holder === "" ? null : holder;
  }

  /** The groups that have jobs waiting or running, or that are paused, by id; `after`: of the page before. */
  async getGroups(options: { after?: string; limit?: number } = {}): Promise<GroupInfo[]> {
    checkObject("queue.getGroups: options", options);
    checkKnownOptions("queue.getGroups", options, new Set(["after", "limit"]));
    const { after = "", limit = 1000 } = options;
    checkString("queue.getGroups: after", after);
    checkInteger("queue.getGroups: limit", limit, 1, 10_000);
    const packed = await this.connection.call((engine) =>
      engine.listGroups(this.name, after, limit),
    );
    return new Reader(packed).list(readGroup);
  }

  /** The processes, of any language, that work this queue now. */
  async getWorkers(): Promise<WorkerInfo[]> {
    const reader = new Reader(await this.connection.call((engine) => engine.listWorkers()));
    return reader
      .list(readWorker)
      .filter((worker) => worker.alive && worker.queues.includes(this.name));
  }
  async getWorkersCount(): Promise<number> {
    return (await this.getWorkers()).length;
  }

  async #counts(): Promise<QueueCounts> {
    return readCounts(new Reader(await this.connection.call((engine) => engine.counts(this.name))));
  }

  /** @internal */
  async listRange(type: JobType, start: number, end: number, asc: boolean): Promise<JobInfo[]> {
    const state = nativeState(type);
    // "waiting" and "prioritized" are one list in the core, in the order of claim: those without priority first.
    const accepts =
      state === NativeState.ready
        ? (info: JobInfo) => (priorityOf(info) === 0) === (type !== "prioritized")
        : () => true;
    let skip = start;
    let offset = 0;
    if (state !== NativeState.ready || (await this.#isPlain(type))) {
      offset = start;
      skip = 0;
    }
    const wanted = end === -1 ? Infinity : end - start + 1;
    const found: JobInfo[] = [];
    while (found.length < wanted) {
      const limit = Math.min(PAGE_JOBS, skip + wanted - found.length);
      const at = offset;
      const reader = new Reader(
        await this.connection.call((engine) =>
          engine.listJobs(this.name, state, "", at, limit, !asc),
        ),
      );
      const page = reader.list(readInfo);
      for (const info of page) {
        if (!accepts(info)) continue;
        if (skip > 0) skip--;
        else if (found.length < wanted) found.push(info);
      }
      if (page.length < limit) break;
      offset += page.length;
    }
    return found;
  }

  /** Whether the core's list of ready jobs has no others than these. */
  async #isPlain(type: JobType): Promise<boolean> {
    const counts = await this.#counts();
    return type === "prioritized" ? counts.prioritized === counts.ready : counts.prioritized === 0;
  }
}

function priorityOf(info: JobInfo): number {
  return info.numbers[info.at + Option.priority] as number;
}

function countOf(counts: QueueCounts, type: JobType): number {
  switch (type) {
    case "wait":
    case "waiting":
      return counts.ready - counts.prioritized;
    case "prioritized":
      return counts.prioritized;
    case "delayed":
      return counts.scheduled;
    case "waiting-children":
      return counts.blocked;
    default:
      return counts[type];
  }
}
