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

// What a listener throws becomes an event or a warning: an assertion in one must fail its test all the same.
process.on("warning", ({ name, message }) => {
  if (name === "MillraceWarning" && message.startsWith("AssertionError")) throw new Error(message);
});

type CleanUp = () => unknown;
const cleanUps = new WeakMap<TestHooks, CleanUp[]>();

/** What onEnd() needs of a test's context. */
export type TestHooks = Pick<TestContext, "after">;

/**
 * Runs `cleanUp` after the test: what was asked for last comes first, all of it whatever fails. (The runner's own
 * t.after() begins with the oldest: a folder would be removed before the stores in it are closed.)
 */
export function onEnd(t: TestHooks, cleanUp: CleanUp): void {
  const known = cleanUps.get(t);
  if (known !== undefined) {
    known.push(cleanUp);
    return;
  }
  const all = [cleanUp];
  cleanUps.set(t, all);
  t.after(async () => {
    const errors: unknown[] = [];
    for (let next = all.pop(); next !== undefined; next = all.pop()) {
      try {
        await next();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  });
}

/** The path of a store that does not exist yet; its folder goes with the test, after all that was opened in it. */
export function newStore(t: TestHooks): string {
  const folder = mkdtempSync(join(tmpdir(), "millrace-"));
  onEnd(t, () => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "jobs.db");
}

type Closable = { close(): Promise<void> };

/** Queues, workers and readers on one store, closed with the test (last opened first). */
export class Bench {
  readonly store: string;
  readonly #test: TestHooks;

  constructor(t: TestHooks, store?: string) {
    this.#test = t;
    this.store = store ?? newStore(t);
  }

  add<T extends Closable>(one: T): T {
    onEnd(this.#test, () => one.close());
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

/** How often until() asks at once; then it leaves the processor to those whom it waits for. */
const EAGER_LOOKS = 200;

/** Resolves when `holds` does, which is asked again after each turn of the event loop, later every few milliseconds. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let looks = 0; !(await holds()); looks++) {
    await new Promise((resolve) => {
      if (looks < EAGER_LOOKS) setImmediate(resolve);
      else setTimeout(resolve, 2);
    });
  }
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

const children = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL"); // of tests that have failed
});

/** Runs a fixture in a process of its own, which does not outlive this one. */
export function runFixture(name: string, ...args: string[]): Run {
  const child = spawn(process.execPath, [fixture(name), ...args], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  children.add(child);
  child.once("exit", () => children.delete(child));
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
