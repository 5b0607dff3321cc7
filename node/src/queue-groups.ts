// The part of Queue that knows groups: lanes of the queue that take turns.
import { checkInteger, checkKnownOptions, checkObject, checkString } from "./check.js";
import { checkGroup } from "./job-model.js";
import { COUNT_MAX, YEAR_MS, changeLimit, findLimit } from "./limits.js";
import { QueueState } from "./queue-state.js";
import { type GroupInfo, type NativeLimitInfo, readGroup } from "./wire-model.js";
import { Reader } from "./wire.js";

const PAGE_GROUPS = 10_000;

export abstract class QueueGroups<Data, Result, Name extends string> extends QueueState<
  Data,
  Result,
  Name
> {
  /** The groups that have jobs waiting or running, or that are paused, by id; `after`: of the page before. */
  async getGroups(options: { after?: string; limit?: number } = {}): Promise<GroupInfo[]> {
    checkObject("queue.getGroups: options", options);
    checkKnownOptions("queue.getGroups", options, new Set(["after", "limit"]));
    const { after = "", limit = 1000 } = options;
    checkString("queue.getGroups: after", after);
    checkInteger("queue.getGroups: limit", limit, 1, 10_000);
    const packed = await this.openConnection.call((engine) =>
      engine.listGroups(this.name, after, limit),
    );
    return new Reader(packed).list(readGroup);
  }

  /** How many groups have jobs waiting or running, or are paused. */
  async getGroupsCount(): Promise<number> {
    return (await this.#allGroups()).length;
  }
  /** The jobs of all groups that wait for their turn. */
  async getGroupsJobsCount(): Promise<number> {
    return (await this.#allGroups()).reduce((sum, { ready }) => sum + ready, 0);
  }
  /** The jobs of a group that wait for their turn. */
  async getGroupJobsCount(groupId: string): Promise<number> {
    checkGroup("queue.getGroupJobsCount: groupId", groupId);
    return (await this.#group(groupId))?.ready ?? 0;
  }
  /** The jobs of a group that run. */
  async getGroupActiveCount(groupId: string): Promise<number> {
    checkGroup("queue.getGroupActiveCount: groupId", groupId);
    return (await this.#group(groupId))?.active ?? 0;
  }

  async #group(groupId: string): Promise<GroupInfo | undefined> {
    return (await this.#allGroups()).find(({ id }) => id === groupId);
  }

  async #allGroups(): Promise<GroupInfo[]> {
    const all: GroupInfo[] = [];
    for (;;) {
      const page = await this.getGroups({ after: all.at(-1)?.id ?? "", limit: PAGE_GROUPS });
      all.push(...page);
      if (page.length < PAGE_GROUPS) return all;
    }
  }

  /** No worker starts another job of this group. */
  async pauseGroup(groupId: string): Promise<void> {
    await this.#pauseGroup("queue.pauseGroup", groupId, true);
  }
  async resumeGroup(groupId: string): Promise<void> {
    await this.#pauseGroup("queue.resumeGroup", groupId, false);
  }

  async #pauseGroup(what: string, groupId: string, paused: boolean): Promise<void> {
    this.checkOpen();
    checkGroup(`${what}: groupId`, groupId);
    await this.openConnection.call((engine) =>
      engine.pauseGroup(this.name, groupId, paused, this.durability),
    );
  }

  /** At most so many jobs of this group run at once, in all processes, whatever holds for the other groups. */
  async setGroupConcurrency(groupId: string, concurrency: number): Promise<void> {
    this.checkOpen();
    checkGroup("queue.setGroupConcurrency: groupId", groupId);
    checkInteger("queue.setGroupConcurrency: concurrency", concurrency, 1, COUNT_MAX);
    await this.#limitGroup(groupId, { concurrency });
  }
  async getGroupConcurrency(groupId: string): Promise<number | null> {
    checkGroup("queue.getGroupConcurrency: groupId", groupId);
    return (await this.#limitOf(groupId)).concurrency || null;
  }

  /** At most `max` jobs of this group start in `duration` milliseconds, whatever holds for the other groups. */
  async setGroupRateLimit(groupId: string, max: number, duration: number): Promise<void> {
    this.checkOpen();
    checkGroup("queue.setGroupRateLimit: groupId", groupId);
    checkInteger("queue.setGroupRateLimit: max", max, 1, COUNT_MAX);
    checkInteger("queue.setGroupRateLimit: duration (milliseconds)", duration, 1, YEAR_MS);
    await this.#limitGroup(groupId, { count: max, periodMs: duration });
  }
  async getGroupRateLimit(groupId: string): Promise<{ max: number; duration: number } | null> {
    checkGroup("queue.getGroupRateLimit: groupId", groupId);
    const { count, periodMs } = await this.#limitOf(groupId);
    return count > 0 ? { max: count, duration: periodMs } : null;
  }

  #limitOf(group: string): Promise<NativeLimitInfo> {
    return findLimit(this.openConnection, { queue: this.name, group });
  }

  /** A limit of its own stands in place of that of each group: what does not change is taken over. */
  async #limitGroup(
    group: string,
    change: { concurrency: number } | { count: number; periodMs: number },
  ): Promise<void> {
    const own = await this.#limitOf(group);
    const none = own.concurrency === 0 && own.count === 0 && own.maxSize === 0;
    const { concurrency, count, periodMs, maxSize } = none
      ? await findLimit(this.openConnection, { queue: this.name, eachGroup: true })
      : own;
    await changeLimit(
      this.openConnection,
      { queue: this.name, group },
      { concurrency, count, periodMs, maxSize, ...change },
      this.durability,
    );
  }
}
