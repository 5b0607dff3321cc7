// What a queue can tell.
import { checkBoolean, checkInteger, checkName, checkOneOf, checkString, show } from "./check.js";
import { invalidArgument } from "./errors.js";
import {
  type DependencyItems,
  type FlowTree,
  readDependencyItems,
  readFlow,
} from "./job-dependencies.js";
import { readJob } from "./job-read.js";
import type { JobJson } from "./job-record.js";
import { Job } from "./job.js";
import { QueueBase } from "./queue-base.js";
import { JOB_TYPES, nativeState, stateName } from "./states.js";
import type { JobState, JobType } from "./types.js";
import { type QueueCounts, readCounts } from "./wire-reports.js";
import { type JobInfo, NativeState, Option, Reader, readInfo } from "./wire.js";

/** "wait" is another word for "waiting". */
const ALL_STATES = JOB_TYPES.filter((type) => type !== "wait");
const PAGE_JOBS = 1000;
const LOG_LINES_MAX = 10_000;

function checkType(what: string, type: unknown): void {
  if (type === "paused") {
    throw invalidArgument(
      `${what} "paused" is gone since BullMQ 6: the jobs of a paused queue are "waiting", see queue.isPaused()`,
    );
  }
  checkOneOf(what, type, JOB_TYPES);
}

/** The reading half of a queue: its jobs. */
export abstract class QueueGetters<Data, Result, Name extends string> extends QueueBase<
  Data,
  Result,
  Name
> {
  /** The job of this id, or undefined. */
  async getJob(jobId: string): Promise<Job<Data, Result, Name> | undefined> {
    checkString("queue.getJob: jobId", jobId);
    const info = await readJob(this.openConnection, jobId, this.name);
    return info === undefined ? undefined : Job.ofInfo(this, info);
  }

  /** Where the job stands; "unknown" if there is none. */
  async getJobState(jobId: string): Promise<JobState | "unknown"> {
    checkString("queue.getJobState: jobId", jobId);
    const info = await readJob(this.openConnection, jobId, this.name);
    return info === undefined ? "unknown" : stateName(info.state, priorityOf(info));
  }

  /** Jobs per state, in constant time: of the given states, or of all. */
  async getJobCounts(...types: JobType[]): Promise<Record<string, number>> {
    for (const type of types) checkType("queue.getJobCounts: type", type);
    const counts = await this.readCounts();
    const wanted = types.length > 0 ? types : ALL_STATES;
    return Object.fromEntries(wanted.map((type) => [type, countOf(counts, type)]));
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
  /** With `timestamp` only of those that are due before it: these are looked through. */
  async getDelayedCount(timestamp?: number): Promise<number> {
    if (timestamp === undefined) return this.getJobCountByTypes("delayed");
    if (!Number.isSafeInteger(timestamp)) {
      throw invalidArgument(
        `queue.getDelayedCount: timestamp must be a safe integer in milliseconds, not ${show(timestamp)}`,
      );
    }
    let count = 0;
    for (let start = 0; ; start += PAGE_JOBS) {
      const page = await this.listRange("delayed", start, start + PAGE_JOBS - 1, true);
      const due = page.filter(({ dueAt }) => dueAt < timestamp).length;
      count += due;
      if (due < PAGE_JOBS) return count;
    }
  }

  /** How many jobs wait with each of these priorities; 0: those without one. The prioritized jobs are looked through. */
  async getCountsPerPriority(priorities: number[]): Promise<Record<string, number>> {
    const what = "queue.getCountsPerPriority: priorities";
    if (!Array.isArray(priorities)) throw invalidArgument(`${what} must be an array`);
    for (const priority of priorities) checkInteger(`${what}[]`, priority, 0, 2_097_152);
    const counts: Record<string, number> = {};
    for (const priority of priorities) counts[priority] = 0;
    if (priorities.includes(0)) counts[0] = await this.getWaitingCount();
    if (!priorities.some((priority) => priority > 0)) return counts;
    for (let start = 0; ; start += PAGE_JOBS) {
      const page = await this.listRange("prioritized", start, start + PAGE_JOBS - 1, true);
      for (const info of page) {
        const priority = priorityOf(info);
        if (priority in counts) counts[priority] = (counts[priority] as number) + 1;
      }
      if (page.length < PAGE_JOBS) return counts;
    }
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
    const found = await this.#listTypes("queue.getJobs", types, start, end, asc);
    return found.map((info) => Job.ofInfo(this, info));
  }

  async #listTypes(
    what: string,
    types: JobType | JobType[] | undefined,
    start: number,
    end: number,
    asc: boolean,
  ): Promise<JobInfo[]> {
    const given = types === undefined ? [] : Array.isArray(types) ? types : [types];
    for (const type of given) checkType(`${what}: type`, type);
    checkInteger(`${what}: start`, start, 0, Number.MAX_SAFE_INTEGER);
    checkInteger(`${what}: end`, end, -1, Number.MAX_SAFE_INTEGER);
    checkBoolean(`${what}: asc`, asc);
    const wanted = given.length > 0 ? given : ALL_STATES;
    const distinct = new Set(wanted.map((type) => (type === "wait" ? "waiting" : type)));
    const found: JobInfo[] = [];
    for (const type of distinct) found.push(...(await this.listRange(type, start, end, asc)));
    return found;
  }

  /** The ids of getJobs(). */
  async getRanges(types: JobType[], start = 0, end = 1, asc = false): Promise<string[]> {
    const found = await this.#listTypes("queue.getRanges", types, start, end, asc);
    return found.map(({ id }) => id);
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
      await this.openConnection.call((engine) =>
        engine.getLogs(jobId, this.name, 0, LOG_LINES_MAX),
      ),
    );
    const lines = reader.list((each) => {
      each.number(); // when it was written: BullMQ's answer has no place for it
      return each.text();
    });
    if (!asc) lines.reverse();
    return { logs: lines.slice(start, end === -1 ? undefined : end + 1), count: lines.length };
  }

  /**
   * What a job has waited for (`processed`) or waits for (`pending`), from `start` to `end` (included; -1: the last).
   * `items`: `queue:id` with the result `v` or the error `err`; `jobs`: the jobs that still exist.
   */
  async getDependencies(
    parentId: string,
    type: "processed" | "pending",
    start: number,
    end: number,
  ): Promise<DependencyItems> {
    checkString("queue.getDependencies: parentId", parentId);
    checkOneOf("queue.getDependencies: type", type, ["processed", "pending"]);
    checkInteger("queue.getDependencies: start", start, 0, Number.MAX_SAFE_INTEGER);
    checkInteger("queue.getDependencies: end", end, -1, Number.MAX_SAFE_INTEGER);
    const jsonOf = (info: JobInfo): JobJson => Job.ofInfo(this, info).asJSON();
    const parent = { id: parentId, queue: this.name };
    return readDependencyItems(this.openConnection, parent, jsonOf, type, start, end);
  }

  /**
   * Ours: a job with what it waits or has waited for, nested, with states. `depth`: levels (default 10), `maxChildren`:
   * of each job (default 20). A job that is reached twice is shown once in full. Code "not_found".
   */
  async getFlow(
    jobId: string,
    options: { depth?: number; maxChildren?: number } = {},
  ): Promise<FlowTree> {
    return readFlow(this.openConnection, jobId, this.name, options);
  }

  /** The id of the job that holds a deduplication key, or null. */
  async getDeduplicationJobId(id: string): Promise<string | null> {
    checkName("queue.getDeduplicationJobId: id", id);
    const holder = await this.openConnection.call((engine) => engine.dedupHolder(this.name, id));
    return holder === "" ? null : holder;
  }

  /** @internal */
  async readCounts(): Promise<QueueCounts> {
    return readCounts(
      new Reader(await this.openConnection.call((engine) => engine.counts(this.name))),
    );
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
        await this.openConnection.call((engine) =>
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
    const counts = await this.readCounts();
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
