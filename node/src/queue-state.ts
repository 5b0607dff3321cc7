// How a queue stands as a whole: paused, limited, worked by whom, with which figures.
import { checkDuration, checkInteger, checkObject, checkOneOf, checkString } from "./check.js";
import { MetricNames, TelemetryAttributes } from "./enums.js";
import { changeLimit, findLimit, throttle } from "./limits.js";
import { native } from "./native.cjs";
import { prometheusText } from "./prometheus.js";
import { QueueGetters } from "./queue-getters.js";
import { nativeState } from "./states.js";
import type { FinishedStatus, JobType } from "./types.js";
import { type MinuteMetrics, readCounters, readMetrics } from "./wire-model.js";
import { type WorkerInfo, readWorker } from "./wire-reports.js";
import { Reader } from "./wire.js";

/** What holds for a queue in all processes. */
export interface QueueMeta {
  /** Of setGlobalConcurrency(). */
  concurrency?: number;
  /** Of setGlobalRateLimit(). */
  max?: number;
  duration?: number;
  maxLenEvents?: number;
  paused: boolean;
  version: string;
}

/** Finished jobs by the minute, newest first. `prevTS`: when the present minute began, `prevCount`: how many until then. */
export interface Metrics {
  meta: { count: number; prevTS: number; prevCount: number };
  data: number[];
  /** How many minutes there are, whatever was asked for. */
  count: number;
}

const KEEP_EVENTS = 100_000;
const MINUTES_MAX = 1_000_000;
const LIMIT_MAX = 1_000_000_000;
const YEAR_MS = 366 * 86_400_000;

export abstract class QueueState<Data, Result, Name extends string> extends QueueGetters<
  Data,
  Result,
  Name
> {
  /** What BullMQ writes about a queue; here nothing is written. */
  get metaValues(): Record<string, string | number> {
    return {
      "opts.maxLenEvents": this.opts.streams?.events.maxLen ?? KEEP_EVENTS,
      version: `millrace:${native.version}`,
    };
  }

  /** "millrace:" and the version of this library. */
  async getVersion(): Promise<string | null> {
    await this.waitUntilReady();
    return `millrace:${native.version}`;
  }

  async getMeta(): Promise<QueueMeta> {
    const [limit, counts] = await Promise.all([this.#limit(), this.readCounts()]);
    const meta: QueueMeta = { paused: counts.paused, version: `millrace:${native.version}` };
    const maxLen = this.opts.streams?.events.maxLen;
    if (maxLen !== undefined) meta.maxLenEvents = maxLen;
    if (limit.concurrency > 0) meta.concurrency = limit.concurrency;
    if (limit.count > 0) Object.assign(meta, { max: limit.count, duration: limit.periodMs });
    return meta;
  }

  async isPaused(): Promise<boolean> {
    return (await this.readCounts()).paused;
  }

  /** Whether as many jobs run as the queue's global concurrency allows. */
  async isMaxed(): Promise<boolean> {
    const { concurrency, active } = await this.#limit();
    return concurrency > 0 && active >= concurrency;
  }

  #limit(): ReturnType<typeof findLimit> {
    return findLimit(this.openConnection, { queue: this.name });
  }

  /** At most so many jobs of this queue run at once, in all processes. The same as store.limits.set(). */
  async setGlobalConcurrency(concurrency: number): Promise<void> {
    this.checkOpen();
    checkInteger("queue.setGlobalConcurrency: concurrency", concurrency, 1, LIMIT_MAX);
    await changeLimit(this.openConnection, { queue: this.name }, { concurrency }, this.durability);
  }
  async getGlobalConcurrency(): Promise<number | null> {
    return (await this.#limit()).concurrency || null;
  }
  async removeGlobalConcurrency(): Promise<void> {
    this.checkOpen();
    await changeLimit(
      this.openConnection,
      { queue: this.name },
      { concurrency: 0 },
      this.durability,
    );
  }

  /** At most `max` jobs of this queue start in `duration` milliseconds, in all processes. */
  async setGlobalRateLimit(max: number, duration: number): Promise<void> {
    this.checkOpen();
    checkInteger("queue.setGlobalRateLimit: max", max, 1, LIMIT_MAX);
    checkInteger("queue.setGlobalRateLimit: duration (milliseconds)", duration, 1, YEAR_MS);
    const rate = { count: max, periodMs: duration };
    await changeLimit(this.openConnection, { queue: this.name }, rate, this.durability);
  }
  async getGlobalRateLimit(): Promise<{ max: number; duration: number } | null> {
    const { count, periodMs } = await this.#limit();
    return count > 0 ? { max: count, duration: periodMs } : null;
  }
  async removeGlobalRateLimit(): Promise<void> {
    this.checkOpen();
    const rate = { count: 0, periodMs: 0 };
    await changeLimit(this.openConnection, { queue: this.name }, rate, this.durability);
  }

  /** No worker of any process starts a job of this queue for so many milliseconds. */
  async rateLimit(expireTimeMs: number): Promise<void> {
    this.checkOpen();
    checkDuration("queue.rateLimit: expireTimeMs", expireTimeMs);
    await throttle(this.openConnection, "queue.rateLimit", { queue: this.name }, expireTimeMs);
  }
  /** Ends rateLimit() and the wait for the rate limit's next start. */
  async removeRateLimitKey(): Promise<void> {
    this.checkOpen();
    await throttle(this.openConnection, "queue.removeRateLimitKey", { queue: this.name }, 0);
  }
  /** Milliseconds until a job may start; if one may start now -2, or 0 if `maxJobs` was given. */
  async getRateLimitTtl(maxJobs?: number): Promise<number> {
    if (maxJobs !== undefined)
      checkInteger("queue.getRateLimitTtl: maxJobs", maxJobs, 0, LIMIT_MAX);
    const { limitedUntil } = await this.#limit();
    const ms = limitedUntil - (await this.openConnection.ready).now();
    if (ms > 0) return ms;
    return maxJobs === undefined ? -2 : 0;
  }

  /** The processes, of any language, that work this queue now. */
  async getWorkers(): Promise<WorkerInfo[]> {
    const reader = new Reader(await this.openConnection.call((engine) => engine.listWorkers()));
    return reader
      .list(readWorker)
      .filter((worker) => worker.alive && worker.queues.includes(this.name));
  }
  async getWorkersCount(): Promise<number> {
    return (await this.getWorkers()).length;
  }

  /**
   * How many jobs of this queue completed (or failed) in each minute, the present one first; from `start` to `end`
   * (included; -1: the oldest). `meta.count`: since the store was made. A second late at most.
   */
  async getMetrics(type: FinishedStatus, start = 0, end = -1): Promise<Metrics> {
    checkOneOf("queue.getMetrics: type", type, ["completed", "failed"]);
    checkInteger("queue.getMetrics: start", start, 0, MINUTES_MAX);
    checkInteger("queue.getMetrics: end", end, -1, MINUTES_MAX);
    const state = nativeState(type);
    const read = async (from: number, to: number): Promise<MinuteMetrics> =>
      readMetrics(
        new Reader(
          await this.openConnection.call((engine) =>
            engine.readMetrics(this.name, state, from, to),
          ),
        ),
      );
    const { total, minutes, minuteAt, data } = await read(start, end);
    const [present = 0] = start === 0 ? data : (await read(0, 0)).data;
    return {
      meta: { count: total, prevTS: minuteAt, prevCount: total - present },
      data,
      count: minutes,
    };
  }

  /** The jobs that ever completed or failed here. */
  async #finishedEver(type: FinishedStatus): Promise<number> {
    const packed = await this.openConnection.call((engine) => engine.counters(this.name));
    return new Reader(packed).list(readCounters).reduce((sum, task) => sum + task[type], 0);
  }

  /** The counts of jobs and the totals of finished ones in Prometheus's text format, with BullMQ's names. */
  async exportPrometheusMetrics(globalVariables: Record<string, string> = {}): Promise<string> {
    const what = "queue.exportPrometheusMetrics: globalVariables";
    checkObject(what, globalVariables);
    for (const [name, value] of Object.entries(globalVariables))
      checkString(`${what}.${name}`, value);
    const [counts, completed, failed] = await Promise.all([
      this.getJobCounts(),
      this.#finishedEver("completed"),
      this.#finishedEver("failed"),
    ]);
    return prometheusText(this.name, globalVariables, counts, { completed, failed });
  }

  /** getJobCounts(), recorded with the gauge of the option `telemetry` too, if it has a meter. */
  async recordJobCountsMetric(...types: JobType[]): Promise<Record<string, number>> {
    const counts = await this.getJobCounts(...types);
    const gauge = this.telemetry?.meter?.createGauge(MetricNames.QueueJobsCount, {
      description: "Jobs in the queue by state",
      unit: "{jobs}",
    });
    for (const [state, count] of Object.entries(counts)) {
      gauge?.record(count, {
        [TelemetryAttributes.QueueName]: this.name,
        [TelemetryAttributes.QueueJobsState]: state,
      });
    }
    return counts;
  }
}
