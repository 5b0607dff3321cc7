// An adapter for Bull Board (@bull-board/api): its pages on our queues.
//
//   createBullBoard({ queues: [new MillraceAdapter(queue)], serverAdapter });
import { BaseAdapter } from "@bull-board/api/dist/queueAdapters/base.js";
import type {
  AppJobScheduler,
  JobCleanStatus,
  JobCounts,
  JobSchedulerRepeatOptions,
  JobSchedulerUpdateResult,
  JobStatus,
  MetricsType,
  ObliterateOptions,
  QueueAdapterOptions,
  QueueDefaultJobOptions,
  QueueJob,
  QueueJobOptions,
  QueueMetrics,
  QueueRateLimit,
  QueueWorker,
  RedisStats,
  Status,
} from "@bull-board/api/typings/app";

import { show } from "../check.js";
import { hasCode, invalidArgument } from "../errors.js";
import { type FlowQuery, readFlowNode } from "../flow-producer.js";
import { isOfKind } from "../kinds.js";
import type { Queue } from "../queue.js";
import type { JobNode, JobType } from "../types.js";

export type MillraceAdapterOptions = Partial<QueueAdapterOptions>;
type Scheduler = Omit<AppJobScheduler, "queueName">;

// The board's names are values of an enum of its own.
const JOB_STATUSES = [
  ...["active", "waiting", "waiting-children", "prioritized", "completed", "failed", "delayed"],
] as JobStatus[];
const CLEAN_MAX = 1_000_000_000;

/** One queue on the board. The queue stays yours to close. */
export class MillraceAdapter extends BaseAdapter {
  readonly #queue: Queue;

  constructor(queue: Queue, options: MillraceAdapterOptions = {}) {
    if (!isOfKind(queue, "queue")) {
      throw invalidArgument(`new MillraceAdapter: queue must be a Queue, not ${show(queue)}`);
    }
    // The board shows what it knows of BullMQ's queues.
    super("bullmq", { allowCompletedRetries: true, ...options });
    this.#queue = queue;
  }

  getName(): string {
    return `${this.prefix}${this.#queue.name}`;
  }
  getStatuses(): Status[] {
    return ["latest", ...this.getJobStatuses()];
  }
  getJobStatuses(): JobStatus[] {
    return [...JOB_STATUSES];
  }

  // --- Jobs -----------------------------------------------------------------------------------------

  async addJob(name: string, data: unknown, options: QueueJobOptions): Promise<QueueJob> {
    return (await this.#queue.add(name, data, options)) as unknown as QueueJob;
  }
  async getJob(id: string): Promise<QueueJob | undefined> {
    return (await this.#queue.getJob(id)) as unknown as QueueJob | undefined;
  }
  async getJobCounts(): Promise<JobCounts> {
    return await this.#queue.getJobCounts(...(JOB_STATUSES as JobType[]));
  }
  async getJobs(statuses: JobStatus[], start?: number, end?: number): Promise<QueueJob[]> {
    const jobs = await this.#queue.getJobs(statuses as JobType[], start, end);
    return jobs as unknown as QueueJob[];
  }
  async getJobLogs(id: string): Promise<string[]> {
    return (await this.#queue.getJobLogs(id)).logs;
  }
  async clean(status: JobCleanStatus, graceTimeMs: number): Promise<void> {
    if (status === "active") {
      throw invalidArgument("active jobs cannot be removed: cancel them, or obliterate the queue");
    }
    await this.#queue.clean(graceTimeMs, CLEAN_MAX, status);
  }
  async promoteAll(): Promise<void> {
    await this.#queue.promoteJobs();
  }
  /** What the page of a flow asks for. */
  getFlowProducer(): Promise<{ getFlow(query: FlowQuery): Promise<JobNode | undefined> }> {
    return Promise.resolve({ getFlow: (query: FlowQuery) => readFlowNode(this.#queue, query) });
  }
  getQueueName(): string {
    return this.#queue.name;
  }
  getQueueQualifiedName(): string {
    return this.#queue.qualifiedName;
  }
  getQueuePrefix(): undefined {
    return undefined;
  }

  // --- The queue ------------------------------------------------------------------------------------

  isPaused(): Promise<boolean> {
    return this.#queue.isPaused();
  }
  pause(): Promise<void> {
    return this.#queue.pause();
  }
  resume(): Promise<void> {
    return this.#queue.resume();
  }
  empty(): Promise<void> {
    return this.#queue.drain();
  }
  obliterate({ force = false }: ObliterateOptions = {}): Promise<void> {
    return this.#queue.obliterate({ force });
  }
  getMetrics(type: MetricsType, start?: number, end?: number): Promise<QueueMetrics> {
    return this.#queue.getMetrics(type, start, end);
  }
  override getQueueDefaultJobOptions(): QueueDefaultJobOptions {
    return this.#queue.defaultJobOptions;
  }
  override async getWorkers(): Promise<QueueWorker[]> {
    const now = Date.now();
    const workers = await this.#queue.getWorkers();
    return workers
      .filter(({ alive }) => alive)
      .map(({ processId, name, host, pid, startedAt }) => ({
        id: String(processId),
        name: name === "" ? null : name,
        addr: `${host}:${pid}`,
        age: Math.max(0, Math.floor((now - startedAt) / 1000)),
      }));
  }
  /** There is no server to ask. */
  getRedisInfo(): Promise<null> {
    return Promise.resolve(null);
  }
  override getDatastoreStats(): Promise<RedisStats | null> {
    return Promise.resolve(null);
  }

  // --- Limits ---------------------------------------------------------------------------------------

  getGlobalConcurrency(): Promise<number | null> {
    return this.#queue.getGlobalConcurrency();
  }
  async setGlobalConcurrency(concurrency: number): Promise<void> {
    if (concurrency > 0) await this.#queue.setGlobalConcurrency(concurrency);
    else await this.#queue.removeGlobalConcurrency();
  }
  override get supportsGlobalRateLimit(): boolean {
    return true;
  }
  override getConfiguredRateLimit(): Promise<QueueRateLimit | null> {
    return this.#queue.getGlobalRateLimit();
  }
  override async setConfiguredRateLimit({ max, duration }: QueueRateLimit): Promise<void> {
    await this.#queue.setGlobalRateLimit(max, duration);
  }
  override async removeConfiguredRateLimit(): Promise<void> {
    await this.#queue.removeGlobalRateLimit();
  }
  override async getActiveRateLimitTtl(): Promise<number> {
    return Math.max(0, await this.#queue.getRateLimitTtl());
  }
  override async releaseActiveRateLimit(): Promise<void> {
    await this.#queue.removeRateLimitKey();
  }

  // --- Schedulers -----------------------------------------------------------------------------------

  async getJobSchedulers(): Promise<Scheduler[]> {
    const schedulers = await this.#queue.getJobSchedulers(0, -1, true);
    return schedulers.map(({ key, next, ...rest }) => ({
      ...rest,
      id: key,
      ...(next === undefined ? {} : { next }),
    }));
  }
  getJobSchedulersCount(): Promise<number> {
    return this.#queue.getJobSchedulersCount();
  }
  removeJobScheduler(id: string): Promise<boolean> {
    return this.#queue.removeJobScheduler(id);
  }
  override get supportsJobSchedulerUpdate(): boolean {
    return true;
  }
  async updateJobScheduler(
    id: string,
    repeat: JobSchedulerRepeatOptions,
  ): Promise<JobSchedulerUpdateResult> {
    const known = await this.#queue.getJobScheduler(id);
    if (known === undefined) return "not-found";
    if (repeat.endDate !== undefined && repeat.endDate < Date.now()) return "invalid-schedule";
    try {
      await this.#queue.upsertJobScheduler(id, repeat, { name: known.name, ...known.template });
    } catch (error) {
      if (hasCode(error, "invalid_argument")) return "invalid-schedule";
      throw error;
    }
    return "updated";
  }
  override get supportsJobSchedulerRun(): boolean {
    return true;
  }
  async runJobSchedulerNow(id: string): Promise<QueueJob | "not-found"> {
    const known = await this.#queue.getJobScheduler(id);
    if (known === undefined) return "not-found";
    const { template } = known;
    return (await this.#queue.add(
      known.name,
      template.data,
      template.opts ?? {},
    )) as unknown as QueueJob;
  }
}
