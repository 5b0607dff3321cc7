// millrace/testing: the real engine on a temporary file, with a clock that you move.
//
//     await using store = await openTestStore();
//     const queue = new Queue("mail", { store });
//     await signUp("ann@example.org", queue);       // adds "remind" with a delay of an hour
//     await store.assertEnqueued("mail", "remind", { to: "ann@example.org" });
//     assert.equal(await store.runAll("mail", send), 0);   // not due yet
//     store.advance(3_600_000);
//     assert.equal(await store.runAll("mail", send), 1);
import { deepStrictEqual } from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { MAX_MS, checkInteger, checkKnownOptions, checkName, checkObject, show } from "./check.js";
import { type Connection, connect } from "./connection.js";
import { MillraceError, invalidArgument } from "./errors.js";
import { QueueEvents } from "./queue-events.js";
import { Queue } from "./queue.js";
import { Store } from "./store.js";
import type { Processor, WorkerOptions } from "./types.js";
import { Worker } from "./worker.js";

/** Options of `openTestStore`. */
export interface TestStoreOptions {
  /** The clock's first reading. Default: the present. */
  now?: number | Date;
}

/** Opens a store in a temporary folder, which goes when it is closed. Nothing is faked but the time. */
export async function openTestStore(options: TestStoreOptions = {}): Promise<TestStore> {
  checkObject("openTestStore: options", options);
  checkKnownOptions("openTestStore", options, new Set(["now"]));
  const now = options.now instanceof Date ? options.now.getTime() : (options.now ?? Date.now());
  checkInteger("openTestStore: now", now, 1, MAX_MS);
  const folder = await mkdtemp(join(tmpdir(), "millrace-test-"));
  const connection = connect("openTestStore", join(folder, "jobs.db"), { manualClock: now });
  await connection.ready;
  return new TestStore(connection, folder);
}

/** From openTestStore(). Give it as the option `store` of a Queue, Worker or QueueEvents. */
export class TestStore extends Store {
  readonly #folder: string;

  /** @internal */
  constructor(connection: Connection, folder: string) {
    super(connection);
    this.#folder = folder;
  }

  /** The time of the store, in milliseconds UTC. */
  now(): number {
    return this.#engine().now();
  }

  /** Moves the time on: what is due by then becomes ready. */
  advance(ms: number): void {
    checkInteger("testStore.advance: ms", ms, 0, MAX_MS);
    this.#engine().advance(ms);
  }

  #engine(): NonNullable<Connection["engine"]> {
    const { engine } = this.connection;
    if (engine === undefined) throw new MillraceError("closed", "the test store is not open");
    return engine;
  }

  /**
   * Runs jobs of the queue until none may be started at this time, those that they add included, and those of
   * schedules that are due. Jobs that a limit or a paused group holds back stay. Answers how many attempts ended.
   * Jobs that fail are no error here: look at them afterwards.
   */
  async runAll(
    queueName: string,
    processor: Processor,
    options: Pick<WorkerOptions, "concurrency" | "settings"> = {},
  ): Promise<number> {
    checkName("testStore.runAll: queueName", queueName);
    if (typeof processor !== "function") {
      throw invalidArgument(
        `testStore.runAll: processor must be a function, not ${show(processor)}`,
      );
    }
    await this.#fire(queueName);
    const worker = new Worker(queueName, processor, { ...options, store: this, autorun: false });
    let ended = 0;
    const onEnd = (): void => {
      ended++;
    };
    worker.on("completed", onEnd).on("failed", onEnd).on("cancelled", onEnd);
    const broken: Error[] = [];
    const drained = new Promise<void>((resolve) => {
      worker.on("drained", resolve).on("error", (error) => {
        broken.push(error);
        resolve();
      });
    });
    const running = worker.run();
    try {
      await Promise.race([drained, running]);
    } finally {
      await worker.close(); // has heard of every end
      await running;
    }
    if (broken[0] !== undefined) throw broken[0];
    return ended;
  }

  /** Lets the jobs of the slots that have come be added: whoever listens to the store fires them. */
  async #fire(queueName: string): Promise<void> {
    if (!(await this.#mayFire(queueName))) return;
    await using listener = new QueueEvents(queueName, { store: this });
    await listener.waitUntilReady();
    while (await this.#mayFire(queueName)) {
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  /** Whether a schedule has a slot by now whose job is not added yet. */
  async #mayFire(queueName: string): Promise<boolean> {
    for (let after = ""; ;) {
      const page = await this.schedules.list({ after });
      const due = page.some(
        ({ next, template }) => template.queue === queueName && (next ?? Infinity) <= this.now(),
      );
      if (due || page.length < 1000) return due;
      after = page.at(-1)?.id ?? "";
    }
  }

  /** Throws unless a job of this name (and exactly this data, if given) is still to be done. */
  async assertEnqueued(queueName: string, name: string, data?: unknown): Promise<void> {
    checkName("testStore.assertEnqueued: queueName", queueName);
    checkName("testStore.assertEnqueued: name", name);
    const queue = new Queue(queueName, { store: this });
    try {
      const jobs = await queue.getJobs(["waiting", "prioritized", "delayed"], 0, -1, true);
      const named = jobs.filter((job) => job.name === name);
      if (named.some((job) => data === undefined || equal(job.data, data))) return;
      const there = jobs.map((job) => `${job.name} ${JSON.stringify(job.data)}`).join("\n  ");
      const wanted = data === undefined ? name : `${name} ${JSON.stringify(data)}`;
      throw new Error(
        `no job ${wanted} is to be done in queue ${show(queueName)}; there are:\n  ${there || "none"}`,
      );
    } finally {
      await queue.close();
    }
  }

  override async close(): Promise<void> {
    await super.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function equal(a: unknown, b: unknown): boolean {
  try {
    deepStrictEqual(a, b);
    return true;
  } catch {
    return false;
  }
}
