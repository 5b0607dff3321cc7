// A processor's effects as one: they are written in the commit that completes its job, or never.
import type { ActiveJob } from "./active-job.js";
import { show } from "./check.js";
import { shiftEdges } from "./job-model.js";
import { encodeJson } from "./serializer.js";
import type { OutcomeProgress } from "./settler.js";
import type { JobProgress } from "./types.js";
import type { Connection } from "./connection.js";
import type { Batch } from "./enqueuer.js";
import { MillraceError } from "./errors.js";
import type { JobHost } from "./job-runner.js";
import { type JobSink, checkStore } from "./job-sink.js";

/** `connected`: they name each other by their positions. */
type Jobs = Pick<Batch, "sets" | "text"> & { connected: boolean };

/** What the blocks of one attempt have collected. */
export class Effects {
  open = false;
  progress: OutcomeProgress | undefined;
  readonly #batches: Jobs[] = [];

  add(tx: JobTransaction): void {
    const { batches, progress } = tx;
    this.#batches.push(...batches);
    this.progress = progress ?? this.progress;
  }

  /** Throws if a block has not ended: its promise was not awaited. */
  checkClosed({ job }: ActiveJob): void {
    if (!this.open) return;
    throw new MillraceError(
      "wrong_state",
      `job ${show(job.id)} has left a transaction open: await job.transaction()`,
    );
  }

  take(): Pick<Batch, "sets" | "text"> | undefined {
    if (this.#batches.length === 0) return undefined;
    let before = 0;
    for (const { sets, connected } of this.#batches) {
      // The sets of a flow are its own, and it is used up.
      if (connected) for (const { numbers } of sets) shiftEdges(numbers, before);
      before += sets.length;
    }
    return {
      sets: this.#batches.flatMap(({ sets }) => sets),
      text: this.#batches.map(({ text }) => text).join(""),
    };
  }
}

/** A job that waits or is replaced does not complete, and effects go with the completion. */
export function effectsOfNoEnd(): MillraceError {
  return new MillraceError(
    "wrong_state",
    "what job.transaction() collects goes with the job's completion; one that waits for children or is replaced has none",
  );
}

/** Given to the function that job.transaction() runs. */
export class JobTransaction implements JobSink {
  readonly #host: JobHost;
  /** @internal */
  readonly batches: Jobs[] = [];
  /** @internal */
  progress: OutcomeProgress | undefined;
  /** @internal */
  ended = false;

  /** @internal */
  constructor(host: JobHost) {
    this.#host = host;
  }

  /** @internal */
  newJobId(): string {
    const { engine } = this.#host.connection;
    if (engine === undefined) throw new MillraceError("closed", "the store was closed");
    return engine.newId();
  }

  /** @internal */
  addBatch(
    connection: Connection,
    batch: Pick<Batch, "sets" | "text">,
    connected = false,
  ): Promise<void> {
    return this.#inside(() => {
      checkStore(this.#host.connection, connection);
      this.batches.push({ sets: batch.sets, text: batch.text, connected });
    });
  }

  /** As `job.updateProgress()`, when the job completes; the newest one counts. */
  updateProgress(progress: JobProgress): Promise<void> {
    return this.#inside(() => {
      // What cannot be written is refused now.
      this.progress = { value: progress, json: encodeJson("progress", progress, "null") };
    });
  }

  #inside(action: () => void): Promise<void> {
    return new Promise((resolve) => {
      if (this.ended) throw new MillraceError("closed", "the transaction has ended");
      action();
      resolve();
    });
  }
}

/** job.transaction() */
export async function collectEffects<T>(
  active: ActiveJob,
  host: JobHost,
  work: (tx: JobTransaction) => Promise<T> | T,
): Promise<T> {
  const effects = (active.effects ??= new Effects());
  if (effects.open) {
    throw new MillraceError(
      "wrong_state",
      "a transaction inside another one of the same job: use the outer one",
    );
  }
  effects.open = true;
  const tx = new JobTransaction(host);
  try {
    const result = await work(tx);
    effects.add(tx);
    return result;
  } finally {
    tx.ended = true;
    effects.open = false;
  }
}
