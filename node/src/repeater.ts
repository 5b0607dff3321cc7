// Gives the schedulers of a worker's queue their next slot when the job of the one before is started, by the worker's
// settings.repeatStrategy.
import { show } from "./check.js";
import type { Connection } from "./connection.js";
import { MillraceError } from "./errors.js";
import { readExtras, schedulerOf } from "./job-extras.js";
import { JobScheduler } from "./job-scheduler.js";
import type { RepeatStrategy } from "./repeat-strategy.js";
import type { LeasedJob } from "./wire.js";

export class Repeater {
  readonly #queue: string;
  readonly #scheduler: JobScheduler | undefined;
  readonly #report: (error: unknown) => void;
  readonly #underWay = new Set<Promise<void>>();

  constructor(
    queue: string,
    connection: Connection,
    strategy: RepeatStrategy | undefined,
    report: (error: unknown) => void,
  ) {
    this.#queue = queue;
    this.#report = report;
    if (strategy !== undefined) this.#scheduler = new JobScheduler(queue, connection, -1, strategy);
  }

  /** When the worker opens: those that stand still since nobody with the strategy was there. */
  open(): void {
    if (this.#scheduler !== undefined) this.#track(this.#scheduler.goOnAll());
  }

  /** A job that was started has headers. */
  started({ queue, headers }: LeasedJob): void {
    if (readExtras(headers)?.repeat === undefined) return;
    const id = schedulerOf(queue, JSON.parse(headers) as Record<string, string>);
    if (id === undefined) return;
    if (this.#scheduler !== undefined) {
      this.#track(this.#scheduler.goOn(id));
      return;
    }
    const message = `job scheduler ${show(id)} of queue ${show(this.#queue)} stands still: a settings.repeatStrategy computes its times, and this worker was given none`;
    this.#report(new MillraceError("wrong_state", message));
  }

  #track(work: Promise<void>): void {
    const reported = work.catch(this.#report).finally(() => this.#underWay.delete(reported));
    this.#underWay.add(reported);
  }

  async close(): Promise<void> {
    await Promise.all(this.#underWay);
  }
}
