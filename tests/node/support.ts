// What the Node tests share: a store in a folder of its own, and waiting for things that happen.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";

import {
  type Processor,
  Queue,
  QueueEvents,
  type QueueOptions,
  Worker,
  type WorkerOptions,
} from "millrace";

/** The path of a store that does not exist yet; its folder goes with the test. */
export function newStore(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "millrace-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "jobs.db");
}

type Closable = { close(): Promise<void> };

/** Queues, workers and readers on one store, closed with the test (last opened first). */
export class Bench {
  readonly store: string;
  readonly #open: Closable[] = [];

  constructor(t: TestContext, store?: string) {
    // Hooks run in the order in which they were added: close first, then remove the folder.
    t.after(async () => {
      for (const one of this.#open.reverse()) await one.close();
    });
    this.store = store ?? newStore(t);
  }

  add<T extends Closable>(one: T): T {
    this.#open.push(one);
    return one;
  }
  queue(name = "q", options: QueueOptions = {}): Queue {
    return this.add(new Queue(name, { store: this.store, durability: "process", ...options }));
  }

  worker(processor: Processor, options: WorkerOptions = {}, name = "q"): Worker {
    return this.add(
      new Worker(name, processor, { store: this.store, durability: "process", ...options }),
    );
  }
  async events(name = "q", options: { lastEventId?: string } = {}): Promise<QueueEvents> {
    const events = this.add(new QueueEvents(name, { store: this.store, ...options }));
    await events.waitUntilReady();
    return events;
  }
}

/** A promise and its ends. */
export function deferred<T = void>(): {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (error: unknown) => void;
} {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((ok, no) => {
    resolve = ok;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** Resolves when `holds` does, which is asked again after each turn of the event loop. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve));
}

/** A fixture beside the compiled tests' sources. */
export function fixture(name: string): string {
  const here = dirname(fileURLToPath(import.meta.url));
  return join(here, "..", "..", "..", "tests", "node", "fixtures", name);
}

export interface Run {
  child: ChildProcess;
  /** Exit code and everything written, when it has ended. */
  ended: Promise<{ code: number | null; signal: string | null; out: string; err: string }>;
  /** Resolves when the output contains the text. */
  says(text: string): Promise<void>;
}

/** Runs a fixture in a process of its own. */
export function runFixture(name: string, ...args: string[]): Run {
  const child = spawn(process.execPath, [fixture(name), ...args], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (data: Buffer) => (out += data.toString()));
  child.stderr.on("data", (data: Buffer) => (err += data.toString()));
  const ended = once(child, "close").then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as string | null,
    out,
    err,
  }));
  const says = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (out.includes(text)) resolve();
      };
      child.stdout.on("data", look);
      void ended.then(() => reject(new Error(`${name} ended without ${text}: ${out}${err}`)));
      look();
    });
  return { child, ended, says };
}
