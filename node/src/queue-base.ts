// What a Queue is made with, and what it tells.
import { checkKnownOptions, checkName, checkObject, show } from "./check.js";
import { type Connection, closedError, connect } from "./connection.js";
import { TypedEmitter } from "./emitter.js";
import { invalidArgument } from "./errors.js";
import { checkDurability, durabilityNumber } from "./job-options.js";
import type { Job } from "./job.js";
import { checkQueueName, checkRepeatSettings } from "./peer-rules.js";
import { type Telemetry, checkTelemetry } from "./telemetry.js";
import type { DefaultJobOptions, JobProgress, QueueOptions } from "./types.js";

/** Of this object's own calls; see QueueEvents for those of all processes. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as in BullMQ
export interface QueueListener<Data = any, Result = any, Name extends string = string> {
  /** A job was added, whatever state it is in. */
  waiting: (job: Job<Data, Result, Name>) => void;
  progress: (jobId: string, progress: JobProgress) => void;
  removed: (jobId: string) => void;
  cleaned: (jobIds: string[], type: string) => void;
  paused: () => void;
  resumed: () => void;
  error: (error: Error) => void;
}

const KNOWN = new Set([
  ...["store", "defaultJobOptions", "durability", "telemetry", "settings"],
  // Accepted for BullMQ's sake, without effect.
  ...["streams", "skipVersionCheck", "skipMetasUpdate", "skipWaitingForReady"],
  "blockingConnection",
]);
export const NOT_HERE = {
  connection: 'is BullMQ\'s; Millrace needs no server: pass { store: "jobs.db" }',
  prefix: "is BullMQ's; queues of one name in two stores do not meet",
};

export abstract class QueueBase<Data, Result, Name extends string> extends TypedEmitter<
  QueueListener<Data, Result, Name>
> {
  readonly opts: QueueOptions;
  /** Set by close(). */
  closing: Promise<void> | undefined;
  // A JobHost, though it does not say so: these are no part of the published types.
  /** @internal */
  readonly connection: Connection;
  /** @internal */
  readonly durability: number;
  /** @internal */
  readonly telemetry: Telemetry | undefined;
  /** @internal */
  protected readonly defaults: DefaultJobOptions;

  constructor(
    readonly name: string,
    opts: QueueOptions = {},
  ) {
    checkName("new Queue: name", name);
    checkQueueName("new Queue: name", name);
    checkObject("new Queue: options", opts);
    checkKnownOptions("new Queue", opts, KNOWN, NOT_HERE);
    checkDurability("new Queue: durability", opts.durability);
    checkTelemetry("new Queue: telemetry", opts.telemetry);
    if (opts.streams !== undefined) checkObject("new Queue: streams", opts.streams);
    checkRepeatSettings("new Queue: settings", opts.settings);
    super();
    this.opts = opts;
    this.durability = durabilityNumber(opts.durability);
    this.telemetry = opts.telemetry;
    this.defaults = opts.defaultJobOptions ?? {};
    checkObject("new Queue: defaultJobOptions", this.defaults);
    if ("jobId" in this.defaults)
      throw invalidArgument("new Queue: defaultJobOptions must not have a jobId");
    this.connection = connect("new Queue", opts.store);
    this.connection.ready.catch((error: unknown) => {
      if (this.listenerCount("error") > 0) this.emit("error", error as Error);
    });
  }

  /** The same as `name`: queues have no prefix here. */
  get qualifiedName(): string {
    return this.name;
  }

  /** A copy of the options that every job of this queue object has, unless it says otherwise. */
  get defaultJobOptions(): DefaultJobOptions {
    return { ...this.defaults };
  }

  /** Resolves when the store is open; rejects with the reason if it cannot be opened. */
  async waitUntilReady(): Promise<void> {
    await this.openConnection.ready;
  }

  /** @internal */
  tell(event: "progress" | "removed", jobId: string, progress?: JobProgress): void {
    if (event === "removed") this.emit("removed", jobId);
    else this.emit("progress", jobId, progress as JobProgress);
  }

  /** @internal Of this queue's own calls: its jobs may be used as long as the store is open, a closed queue not. */
  protected get openConnection(): Connection {
    this.checkOpen();
    return this.connection;
  }

  /** @internal */
  protected checkOpen(): void {
    if (this.closing !== undefined) throw closedError(`Queue ${show(this.name)}`);
  }
}
