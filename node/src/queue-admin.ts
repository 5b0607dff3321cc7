// What changes a queue and its jobs from outside their workers.
import {
  checkBoolean,
  checkDuration,
  checkInteger,
  checkKnownOptions,
  checkName,
  checkObject,
  checkOneOf,
  checkString,
} from "./check.js";
import { MillraceError, hasCode } from "./errors.js";
import { type Removal, removalOf } from "./job-changes.js";
import { changing } from "./job-errors.js";
import { keepNumbers } from "./job-options.js";
import { QueueGroups } from "./queue-groups.js";
import { encodeJson } from "./serializer.js";
import { CANCEL_RESULTS, nativeState } from "./states.js";
import type { CancelResult, FinishedStatus, JobProgress, JobType, KeepJobs } from "./types.js";

const CLEAN_TYPES = [
  ...(["completed", "failed", "wait", "waiting", "prioritized", "delayed"] as const),
  ...(["waiting-children", "active", "cancelled"] as const),
];
const CLEAN_SLICE = 1000;

export abstract class QueueAdmin<Data, Result, Name extends string> extends QueueGroups<
  Data,
  Result,
  Name
> {
  /** No worker of any process starts another job of this queue. Running ones go on. */
  async pause(): Promise<void> {
    this.checkOpen();
    await this.openConnection.call((engine) => engine.setPaused(this.name, true, this.durability));
    this.emit("paused");
  }

  async resume(): Promise<void> {
    this.checkOpen();
    await this.openConnection.call((engine) => engine.setPaused(this.name, false, this.durability));
    this.emit("resumed");
  }

  /** Removes all jobs that wait, and the delayed ones too if asked. */
  async drain(delayed = false): Promise<void> {
    this.checkOpen();
    checkBoolean("queue.drain: delayed", delayed);
    await this.openConnection.call((engine) => engine.drain(this.name, delayed, this.durability));
  }

  /**
   * Removes jobs of one state that finished (or were added) more than `grace` milliseconds ago, at most `limit`
   * (0: all). Answers their ids. Of active ones none is removed: each has a worker that lives.
   */
  async clean(grace: number, limit: number, type: JobType = "completed"): Promise<string[]> {
    this.checkOpen();
    checkDuration("queue.clean: grace", grace);
    checkInteger("queue.clean: limit", limit, 0, Number.MAX_SAFE_INTEGER);
    checkOneOf("queue.clean: type", type, CLEAN_TYPES);
    const before = (await this.openConnection.ready).now() - grace;
    const ids: string[] = [];
    while (type !== "active" && (limit === 0 || ids.length < limit)) {
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
    this.emit("cleaned", ids, type === "waiting" ? "wait" : type);
    return ids;
  }

  /** Removes the queue with everything in it, and the schedules that fill it. Refused while jobs run, unless `force`. */
  async obliterate(opts: { force?: boolean; count?: number } = {}): Promise<void> {
    this.checkOpen();
    checkObject("queue.obliterate: options", opts);
    checkKnownOptions("queue.obliterate", opts, new Set(["force", "count"]));
    const force = opts.force ?? false;
    checkBoolean("queue.obliterate: force", force);
    try {
      await this.openConnection.call((engine) =>
        engine.obliterate(this.name, force, this.durability),
      );
    } catch (error) {
      if (!hasCode(error, "wrong_state")) throw error;
      throw new MillraceError("wrong_state", "Cannot obliterate queue with active jobs", {
        cause: error,
      });
    }
  }

  /**
   * Removes a job: 1, or 0 if there is none or a worker runs it. Its unfinished children that nobody else waits for go
   * too, unless `removeChildren` is false.
   */
  async remove(jobId: string, opts: { removeChildren?: boolean } = {}): Promise<number> {
    this.checkOpen();
    checkString("queue.remove: jobId", jobId);
    if (!(await this.#removeOne(jobId, removalOf("queue.remove", opts)))) return 0;
    this.emit("removed", jobId);
    return 1;
  }

  async #removeOne(jobId: string, how: Removal = "remove"): Promise<boolean> {
    try {
      await this.openConnection.call((engine) =>
        engine.changeJob(how, jobId, this.name, this.durability),
      );
      return true;
    } catch (error) {
      if (hasCode(error, "not_found") || hasCode(error, "wrong_state")) return false;
      throw error;
    }
  }

  /** Runs failed (or completed) jobs again, those that finished before `timestamp`. */
  async retryJobs(
    opts: { count?: number; state?: FinishedStatus; timestamp?: number } = {},
  ): Promise<void> {
    this.checkOpen();
    checkObject("queue.retryJobs: options", opts);
    checkKnownOptions("queue.retryJobs", opts, new Set(["count", "state", "timestamp"]));
    const { state = "failed", timestamp = 0 } = opts;
    checkOneOf("queue.retryJobs: state", state, ["completed", "failed"]);
    checkDuration("queue.retryJobs: timestamp", timestamp);
    // As in BullMQ they keep the counts of their attempts.
    await this.openConnection.call((engine) =>
      engine.redriveMany(
        ...([this.name, nativeState(state), "", timestamp, 0] as const),
        ...([true, true, this.durability] as const),
      ),
    );
  }

  /** All delayed jobs may start now. */
  async promoteJobs(opts: { count?: number } = {}): Promise<void> {
    this.checkOpen();
    checkObject("queue.promoteJobs: options", opts);
    checkKnownOptions("queue.promoteJobs", opts, new Set(["count"]));
    // BullMQ's `count` is the size of a step, not a bound: the core has steps of its own.
    await this.openConnection.call((engine) =>
      engine.changeMany("promote", this.name, nativeState("delayed"), "", 0, 0, this.durability),
    );
  }

  /** Frees a deduplication key: 1, or 0 if it was free. */
  async removeDeduplicationKey(id: string): Promise<number> {
    this.checkOpen();
    checkName("queue.removeDeduplicationKey: id", id);
    return this.openConnection.call((engine) =>
      engine.releaseDedup(this.name, id, this.durability),
    );
  }

  /** Ours: the job will not run; or if it runs, its AbortSignal fires ("requested"). */
  async cancel(jobId: string, reason = ""): Promise<CancelResult> {
    this.checkOpen();
    checkString("queue.cancel: jobId", jobId);
    checkString("queue.cancel: reason", reason);
    const result = await this.openConnection.call((engine) =>
      engine.cancel(jobId, this.name, reason, this.durability),
    );
    return CANCEL_RESULTS[result] as CancelResult;
  }

  /** Ours: what is kept of this queue's finished jobs from now on, unless a job says otherwise. */
  async setRetention(rules: {
    removeOnComplete: boolean | number | KeepJobs;
    removeOnFail: boolean | number | KeepJobs;
  }): Promise<void> {
    this.checkOpen();
    checkObject("queue.setRetention: rules", rules);
    const completed = keepNumbers("queue.setRetention: removeOnComplete", rules.removeOnComplete);
    const failed = keepNumbers("queue.setRetention: removeOnFail", rules.removeOnFail);
    await this.openConnection.call((engine) =>
      engine.setRetention(this.name, ...completed, ...failed, this.durability),
    );
  }

  async updateJobProgress(jobId: string, progress: JobProgress): Promise<void> {
    this.checkOpen();
    checkString("queue.updateJobProgress: jobId", jobId);
    const json = encodeJson("queue.updateJobProgress: progress", progress, "null");
    const change = this.openConnection.call((engine) =>
      engine.setProgress(jobId, this.name, json, this.durability),
    );
    await changing(change, jobId, "updateProgress");
    this.emit("progress", jobId, progress);
  }

  /** Adds a line to a job's log, of which the newest `keepLogs` stay (default: all). Answers how many it has. */
  async addJobLog(jobId: string, logRow: string, keepLogs?: number): Promise<number> {
    this.checkOpen();
    checkString("queue.addJobLog: jobId", jobId);
    checkString("queue.addJobLog: logRow", logRow);
    if (keepLogs !== undefined)
      checkInteger("queue.addJobLog: keepLogs", keepLogs, 0, Number.MAX_SAFE_INTEGER);
    const change = this.openConnection.call((engine) =>
      engine.addLog(jobId, this.name, logRow, this.durability),
    );
    const lines = await changing(change, jobId, "addLog");
    // 0 means all, as in BullMQ.
    if (keepLogs === undefined || keepLogs === 0 || lines <= keepLogs) return lines;
    await this.openConnection.call((engine) =>
      engine.clearLogs(jobId, this.name, keepLogs, this.durability),
    );
    return keepLogs;
  }

  /** Removes the oldest events while at least the newest `maxLength` are left. Answers how many went. */
  async trimEvents(maxLength: number): Promise<number> {
    this.checkOpen();
    checkInteger("queue.trimEvents: maxLength", maxLength, 0, Number.MAX_SAFE_INTEGER);
    return this.openConnection.call((engine) =>
      engine.trimEvents(this.name, maxLength, this.durability),
    );
  }

  /** Without effect, as nothing can be orphaned here: answers 0. See store.doctor() for checks of the file. */
  async removeOrphanedJobs(count = 1000, limit = 0): Promise<number> {
    this.checkOpen();
    checkInteger("queue.removeOrphanedJobs: count", count, 1, Number.MAX_SAFE_INTEGER);
    checkInteger("queue.removeOrphanedJobs: limit", limit, 0, Number.MAX_SAFE_INTEGER);
    await this.waitUntilReady();
    return 0;
  }

  /** Without effect: answers 0. */
  async removeDeprecatedPriorityKey(): Promise<number> {
    await this.waitUntilReady();
    return 0;
  }
}
