// Gathers the jobs of a worker with the option `batch` until there are enough of them, or time is up.
import type { ActiveJob } from "./active-job.js";
import type { BatchOptions } from "./types.js";

export class Batches {
  readonly #size: number;
  readonly #minSize: number;
  readonly #timeout: number;
  readonly #start: (jobs: ActiveJob[]) => void;
  #held: ActiveJob[] = [];
  #due = false; // the time of the first one that is held is up
  #timer: NodeJS.Timeout | undefined;
  #running = 0;
  #concurrency: number;

  /** `start` runs a batch; ended() must follow when its processor has. */
  constructor(options: BatchOptions, concurrency: number, start: (jobs: ActiveJob[]) => void) {
    const { size, timeout = 0 } = options;
    this.#size = size;
    this.#timeout = timeout;
    this.#minSize = options.minSize ?? (timeout > 0 ? size : 1);
    this.#concurrency = concurrency;
    this.#start = start;
  }

  set concurrency(concurrency: number) {
    this.#concurrency = concurrency;
    this.flush();
  }

  add(job: ActiveJob): void {
    this.#held.push(job);
  }

  /** After the jobs of one crossing were added: starts what may start. */
  flush(): void {
    while (this.#held.length > 0 && this.#running < this.#concurrency) {
      if (this.#held.length < this.#minSize && !this.#due) break;
      const jobs = this.#held.splice(0, this.#size);
      this.#due = false;
      this.#stopTimer();
      this.#running++;
      this.#start(jobs);
    }
    if (this.#held.length === 0 || this.#due || this.#timeout === 0) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#due = true;
      this.flush();
    }, this.#timeout);
  }

  ended(): void {
    this.#running--;
    this.flush();
  }

  /** Takes out what has not started. */
  release(): ActiveJob[] {
    this.#stopTimer();
    this.#due = false;
    return this.#held.splice(0);
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** Fires when every job of the batch has ended or was aborted: only then is there nothing left to do. */
export function batchSignal(jobs: ActiveJob[]): AbortSignal {
  const controller = new AbortController();
  for (const { signal } of jobs) {
    signal.addEventListener("abort", () => {
      if (jobs.every((job) => job.ended || job.aborted !== undefined)) {
        controller.abort(signal.reason);
      }
    });
  }
  return controller.signal;
}
