// The part of Queue that knows job schedulers.
import { Job } from "./job.js";
import { JobScheduler, type JobSchedulerJson, type JobSchedulerTemplate } from "./job-scheduler.js";
import { QueueAdmin } from "./queue-admin.js";
import type { RepeatOptions } from "./repeat-strategy.js";

export abstract class QueueSchedulers<Data, Result, Name extends string> extends QueueAdmin<
  Data,
  Result,
  Name
> {
  #scheduler: JobScheduler | undefined;

  get #schedulers(): JobScheduler {
    this.checkOpen();
    const strategy = this.opts.settings?.repeatStrategy;
    this.#scheduler ??= new JobScheduler(this.name, this.connection, this.durability, strategy);
    return this.#scheduler;
  }

  /** The schedulers of this queue, as an object. */
  get jobScheduler(): Promise<JobScheduler> {
    return Promise.resolve(this.#schedulers);
  }

  /**
   * Jobs that are added again and again: creates the scheduler, or replaces the one of this id; if its timing is the
   * same, its next slot and its count stay. It is a row of the store: any process that waits or works adds its jobs,
   * one a slot. Different from BullMQ: the job of a slot is added when it is due, so that none is listed as delayed
   * before, and an unfinished job holds nothing up.
   *
   * Answers the job that was added at once (a new one with `every`, or `immediately`), else undefined.
   */
  async upsertJobScheduler(
    jobSchedulerId: string,
    repeatOpts: RepeatOptions,
    jobTemplate: JobSchedulerTemplate<Data, Name> = {},
  ): Promise<Job<Data, Result, Name> | undefined> {
    const done = await this.#schedulers.upsert(jobSchedulerId, repeatOpts, jobTemplate);
    return done?.job && Job.ofInfo(this, done.job);
  }

  /** A scheduler as it stands, or undefined. */
  async getJobScheduler(id: string): Promise<JobSchedulerJson<Data> | undefined> {
    return (await this.#schedulers.get(id)) as JobSchedulerJson<Data> | undefined;
  }

  /** By the time of the next job, the latest first unless `asc`; `end` is included, -1 means to the last. */
  async getJobSchedulers(start = 0, end = -1, asc = false): Promise<JobSchedulerJson<Data>[]> {
    return (await this.#schedulers.list(start, end, asc)) as JobSchedulerJson<Data>[];
  }

  async getJobSchedulersCount(): Promise<number> {
    return this.#schedulers.count();
  }

  /** It adds no more jobs; those that it has added stay. Answers whether there was one. */
  async removeJobScheduler(jobSchedulerId: string): Promise<boolean> {
    return this.#schedulers.remove(jobSchedulerId);
  }
}
