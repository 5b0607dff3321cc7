// What changes a job from wherever it is held.
import {
  checkBoolean,
  checkDuration,
  checkInteger,
  checkKnownOptions,
  checkObject,
  checkOneOf,
  checkString,
} from "./check.js";
import { MillraceError, hasCode } from "./errors.js";
import { changing, jobError, missingJob, missingParent, notInState } from "./job-errors.js";
import type { ParentKeys } from "./job-extras.js";
import { JobReads } from "./job-reads.js";
import { encodeData, encodeJson } from "./serializer.js";
import { CANCEL_RESULTS, nativeState } from "./states.js";
import type { CancelResult, FinishedStatus, JobProgress, JobType } from "./types.js";
import { Reader } from "./wire.js";

const LOG_LINES_MAX = 10_000;
const COMMAND = "removeChildDependency";
const RETRY_OPTIONS = new Set(["resetAttemptsMade", "resetAttemptsStarted"]);

/** How a job is removed, as the addon calls it. */
export type Removal = "remove" | "removeAlone";

export function removalOf(what: string, opts: unknown): Removal {
  checkObject(`${what}: options`, opts);
  checkKnownOptions(what, opts, new Set(["removeChildren"]));
  const { removeChildren = true } = opts;
  checkBoolean(`${what}: removeChildren`, removeChildren);
  return removeChildren ? "remove" : "removeAlone";
}

export abstract class JobChanges<Data, Result, Name extends string> extends JobReads<
  Data,
  Result,
  Name
> {
  #logged: number | undefined = undefined;

  /** Records how far it is: any JSON value. Written with the next commit. */
  async updateProgress(progress: JobProgress): Promise<void> {
    const json = encodeJson("progress", progress, "null");
    const { host } = this;
    if (this.runner !== undefined) {
      this.runner.progress(this.self, json, progress);
    } else {
      const change = host.connection.call((engine) =>
        engine.setProgress(this.id, this.queueName, json, host.durability),
      );
      await changing(change, this.id, "updateProgress");
      host.tell?.("progress", this.id, progress);
    }
    this.progress = progress;
  }

  /** Adds a line to its log. Answers how many lines it has. */
  async log(row: string): Promise<number> {
    checkString("job.log: row", row);
    if (this.runner === undefined) {
      const { connection, durability } = this.host;
      const change = connection.call((engine) =>
        engine.addLog(this.id, this.queueName, row, durability),
      );
      return changing(change, this.id, "addLog");
    }
    const before = this.#logged ?? (await this.#linesBefore());
    this.runner.log(this.self, row);
    const most = this.opts.keepLogs ?? LOG_LINES_MAX;
    this.#logged = Math.min((this.#logged ?? before) + 1, most);
    return this.#logged;
  }

  /** In its first attempt a job has none. */
  async #linesBefore(): Promise<number> {
    if (this.attemptsStarted <= 1) return 0;
    const logs = this.host.connection.call((engine) =>
      engine.getLogs(this.id, this.queueName, 0, LOG_LINES_MAX),
    );
    return new Reader(await changing(logs, this.id, "addLog")).number();
  }

  /** Removes its log lines, but for the newest `keepLogs`. */
  async clearLogs(keepLogs = 0): Promise<void> {
    checkInteger("job.clearLogs: keepLogs", keepLogs, 0, Number.MAX_SAFE_INTEGER);
    const { connection, durability } = this.host;
    const change = connection.call((engine) =>
      engine.clearLogs(this.id, this.queueName, keepLogs, durability),
    );
    await changing(change, this.id, "clearLogs");
    this.#logged = undefined;
  }

  /**
   * Replaces its data. A job that runs has been given the old data: its object here has the new one at once, others and
   * its next attempt read it.
   */
  async updateData(data: Data): Promise<void> {
    const json = encodeData("job.updateData", data, this.opts.sizeLimit);
    await this.#update("updateData", json, {});
    this.data = data;
  }

  /** A delayed job starts so many milliseconds from now. */
  async changeDelay(delay: number): Promise<void> {
    checkDuration("job.changeDelay: delay", delay);
    await this.#update("changeDelay", undefined, { delay, state: "delayed" });
    this.delay = delay;
  }

  /** Puts a job that waits elsewhere in the line. Without a `priority` it has none: 0. */
  async changePriority(opts: { priority?: number; lifo?: boolean }): Promise<void> {
    checkObject("job.changePriority: options", opts);
    checkKnownOptions("job.changePriority", opts, new Set(["priority", "lifo"]));
    const { priority = 0, lifo = false } = opts;
    checkInteger("job.changePriority: priority", priority, 0, 2_097_152);
    checkBoolean("job.changePriority: lifo", lifo);
    await this.#update("changePriority", undefined, { priority, lifo });
    this.priority = priority;
  }

  async #update(
    command: string,
    json: string | undefined,
    what: { priority?: number; lifo?: boolean; delay?: number; state?: JobType },
  ): Promise<void> {
    const { priority = NaN, lifo, delay = NaN, state } = what;
    const lifoNumber = lifo === undefined ? NaN : Number(lifo);
    const inState = state === undefined ? 0 : nativeState(state);
    const numbers = Float64Array.of(priority, lifoNumber, NaN, delay, inState);
    const change = this.host.connection.call((engine) =>
      engine.updateJob(this.id, this.queueName, json, numbers, this.host.durability),
    );
    await changing(change, this.id, command, state);
  }

  /**
   * Runs a failed (or completed) job again. It keeps the counts of its attempts unless the options reset them: one that
   * has used up its attempts then has one more.
   */
  async retry(
    state: FinishedStatus = "failed",
    opts: { resetAttemptsMade?: boolean; resetAttemptsStarted?: boolean } = {},
  ): Promise<void> {
    checkOneOf("job.retry: state", state, ["completed", "failed"]);
    checkObject("job.retry: options", opts);
    checkKnownOptions("job.retry", opts, RETRY_OPTIONS);
    for (const [name, value] of Object.entries(opts)) checkBoolean(`job.retry: ${name}`, value);
    const now = await this.getState();
    if (now === "unknown") throw missingJob(this.id, "reprocessJob");
    if (now !== state) throw notInState(this.id, state, "reprocessJob");
    const { resetAttemptsMade = false, resetAttemptsStarted = false } = opts;
    const { connection, durability } = this.host;
    const change = connection.call((engine) =>
      engine.redrive(
        this.id,
        this.queueName,
        !resetAttemptsStarted,
        !resetAttemptsMade,
        durability,
      ),
    );
    await changing(change, this.id, "reprocessJob", state);
    this.failedReason = undefined as unknown as string;
    this.finishedOn = undefined;
    this.processedOn = undefined;
    this.returnvalue = null as Result;
    if (resetAttemptsMade) this.attemptsMade = 0;
    if (resetAttemptsStarted) this.attemptsStarted = 0;
  }

  /**
   * Deletes it with everything about it. Refused while a worker runs it. Its unfinished children that nobody else waits
   * for go too, unless `removeChildren` is false: then they go on for themselves.
   */
  async remove(opts: { removeChildren?: boolean } = {}): Promise<void> {
    try {
      await this.#change(removalOf("job.remove", opts), "removeJob");
    } catch (error) {
      if (!hasCode(error, "wrong_state")) throw error;
      const message = `Job ${this.id} could not be removed because it is locked by another worker`;
      throw new MillraceError("wrong_state", message, { cause: error });
    }
    this.host.tell?.("removed", this.id);
  }

  /** A delayed job may start now. */
  async promote(): Promise<void> {
    await this.#change("promote", "promote", "delayed");
    this.delay = 0;
  }

  /** Ours: it will not run, or if it runs, its signal fires ("requested"), or it had ended ("finished"). */
  async cancel(reason = ""): Promise<CancelResult> {
    checkString("job.cancel: reason", reason);
    const result = await this.host.connection.call((engine) =>
      engine.cancel(this.id, this.queueName, reason, this.host.durability),
    );
    return CANCEL_RESULTS[result] as CancelResult;
  }

  /** Frees its deduplication key, if it holds it still: true if it did. */
  async removeDeduplicationKey(): Promise<boolean> {
    const key = this.deduplicationId;
    if (key === undefined) return false;
    const { connection, durability } = this.host;
    const holder = await connection.call((engine) => engine.dedupHolder(this.queueName, key));
    if (holder !== this.id) return false;
    const freed = await connection.call((engine) =>
      engine.releaseDedup(this.queueName, key, durability),
    );
    return freed > 0;
  }

  /** Its parent waits for it no more: true if it did. */
  async removeChildDependency(): Promise<boolean> {
    const parent = this.parent ?? (await this.#waitingParent());
    if (parent === undefined) return false;
    const { connection, durability } = this.host;
    const change = connection.call((engine) =>
      engine.removeDependency(parent.id, parent.queueKey, this.id, this.queueName, durability),
    );
    const removed = (await this.#unbinding(change, parent)) === 1;
    if (removed) this.orphaned();
    return removed;
  }

  /** Of the two the parent may be the one that is gone. */
  async #unbinding(change: Promise<number>, { id, queueKey }: ParentKeys): Promise<number> {
    try {
      return await change;
    } catch (error) {
      const own = hasCode(error, "not_found") && (await this.getState()) === "unknown";
      if (own || !hasCode(error, "not_found")) throw jobError(error, this.id, COMMAND);
      throw missingParent(`${queueKey}:${id}`, COMMAND, { cause: error });
    }
  }

  /** In a flow the parent's id is not known when its children are added: the store knows it. */
  async #waitingParent(): Promise<ParentKeys | undefined> {
    const packed = await this.host.connection.call((engine) =>
      engine.dependents(this.id, this.queueName, 0, 1),
    );
    const [first] = new Reader(packed).list((each) => ({ id: each.text(), queueKey: each.text() }));
    return first;
  }

  /** Removes those that it waits for and that have not been started. */
  async removeUnprocessedChildren(): Promise<void> {
    const { connection, durability } = this.host;
    const change = connection.call((engine) =>
      engine.removeUnprocessed(this.id, this.queueName, durability),
    );
    await changing(change, this.id, "removeUnprocessedChildren");
  }

  async #change(action: "promote" | Removal, command: string, state?: string): Promise<void> {
    const change = this.host.connection.call((engine) =>
      engine.changeJob(action, this.id, this.queueName, this.host.durability),
    );
    await changing(change, this.id, command, state);
  }
}
