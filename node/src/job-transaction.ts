// A processor's effects as one: they are written in the commit that completes its job, or never.
import type { ActiveJob } from "./active-job.js";
import { show } from "./check.js";
import type { Connection } from "./connection.js";
import type { Batch } from "./enqueuer.js";
import { MillraceError } from "./errors.js";
import type { JobHost } from "./job-runner.js";
import { type JobSink, checkStore } from "./job-sink.js";

type Jobs = Pick<Batch, "sets" | "text">;

/** What the blocks of one attempt have collected. */
export class Effects {
  open = false;
  readonly #batches: Jobs[] = [];

  add(batches: Jobs[]): void {
    this.#batches.push(...batches);
  }

  /** Throws if a block has not ended: its promise was not awaited. */
  checkClosed({ job }: ActiveJob): void {
    if (!this.open) return;
    throw new MillraceError(
      "wrong_state",
      `job ${show(job.id)} has left a transaction open: await job.transaction()`,
    );
  }

  take(): Jobs | undefined {
    if (this.#batches.length === 0) return undefined;
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
  readonly batches: Jobs[] = [];
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
    if (this.ended) {
      return Promise.reject(new MillraceError("closed", "the transaction has ended"));
    }
    checkStore(this.#host.connection, connection);
    if (connected) {
      throw new MillraceError(
        "wrong_state",
        "a flow cannot go into job.transaction(): add its jobs one by one, or use job.replaceBy()",
      );
    }
    this.batches.push({ sets: batch.sets, text: batch.text });
    return Promise.resolve();
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
    effects.add(tx.batches);
    return result;
  } finally {
    tx.ended = true;
    effects.open = false;
  }
}
