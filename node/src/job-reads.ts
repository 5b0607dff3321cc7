// What a job can tell: how it stands now, what it waits for, how it ends.
import { checkDuration, show } from "./check.js";
import { hasCode, invalidArgument } from "./errors.js";
import {
  type Dependency,
  type DependencyPage,
  type DependencyQuery,
  type JobDependencies,
  type JobDependencyCounts,
  type JobDependencyOptions,
  childrenValues,
  countDependencies,
  failedChildrenValues,
  ignoredChildrenFailures,
  readAllDependencies,
  readDependencyPage,
  selectDependencies,
} from "./job-dependencies.js";
import { JobRecord } from "./job-record.js";
import { waitUntilFinished } from "./job-wait.js";
import type { QueueEvents } from "./queue-events.js";
import { stateName } from "./states.js";
import type { JobState } from "./types.js";
import { Reader, readOutcome } from "./wire.js";

export abstract class JobReads<Data, Result, Name extends string> extends JobRecord<
  Data,
  Result,
  Name
> {
  /** Where it stands now; "unknown" if it is gone. */
  async getState(): Promise<JobState | "unknown"> {
    const { connection } = this.host;
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

  /**
   * Waits until it is completed and answers its result. Rejects with a RemoteError if it failed or was cancelled, and
   * with code "timeout" after `ttl` milliseconds. `queueEvents` have told all that was before the job's end then.
   */
  async waitUntilFinished(queueEvents: QueueEvents, ttl?: number): Promise<Result> {
    if (ttl !== undefined) checkDuration("job.waitUntilFinished: ttl", ttl);
    if (typeof queueEvents !== "object" || typeof queueEvents?.waitUntilReady !== "function") {
      throw invalidArgument(
        `job.waitUntilFinished: queueEvents must be a QueueEvents, not ${show(queueEvents)}`,
      );
    }
    return (await waitUntilFinished(this.host.connection, this, queueEvents, ttl)) as Result;
  }

  /** Ours: what it waits or has waited for, in order, with states and results; a page of them. */
  async dependencies(query: DependencyQuery = {}): Promise<DependencyPage> {
    return readDependencyPage(this.host.connection, this.id, this.queueName, query);
  }

  /** @internal */
  protected allDependencies(states?: JobState[]): Promise<Dependency[]> {
    return readAllDependencies(this.host.connection, this.id, this.queueName, states);
  }

  /**
   * What it waits or has waited for, sorted by how it stands; keys as in getChildrenValues(). With options only the
   * kinds that they name, `count` (20) of each from `cursor` on; `next...Cursor` is where the next page begins, 0: none.
   */
  async getDependencies(options?: undefined): Promise<JobDependencies>;
  async getDependencies(options: JobDependencyOptions): Promise<Partial<JobDependencies>>;
  async getDependencies(options: JobDependencyOptions = {}): Promise<Partial<JobDependencies>> {
    return selectDependencies(await this.allDependencies(), options);
  }

  /** How many there are of each kind, or of the kinds that are asked for. */
  async getDependenciesCount(
    options: { [Kind in keyof JobDependencyCounts]?: boolean } = {},
  ): Promise<JobDependencyCounts> {
    return countDependencies(await this.allDependencies(), options);
  }

  /** The results of what it has waited for: by the name (`as`) that was given, else by "queue:id". */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- results are typed by who reads them, as in BullMQ
  async getChildrenValues<Value = any>(): Promise<Record<string, Value>> {
    return childrenValues(await this.allDependencies(["completed"])) as Record<string, Value>;
  }

  /** Why those failed that count as done all the same (ignoreDependencyOnFailure): keys as in getChildrenValues(). */
  async getIgnoredChildrenFailures(): Promise<Record<string, string>> {
    return ignoredChildrenFailures(await this.allDependencies(["failed", "cancelled"]));
  }

  /** Why those failed that it has waited for (or does): keys as in getChildrenValues(). */
  async getFailedChildrenValues(): Promise<Record<string, string>> {
    return failedChildrenValues(await this.allDependencies(["failed", "cancelled"]));
  }
}
