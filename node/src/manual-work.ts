// Jobs that a program fetches one by one, with worker.getNextJob(), and ends by itself.
import { randomUUID } from "node:crypto";

import type { ActiveJob } from "./active-job.js";
import type { Attempts } from "./attempts.js";
import type { Connection } from "./connection.js";
import { nativeCall } from "./errors.js";
import type { Job } from "./job.js";
import type { NativeSession } from "./native.cjs";
import { readCounts } from "./wire-reports.js";
import { Reader } from "./wire.js";

/** What a limit or a group holds back cannot be told from a job that is about to come: how long to look. */
const LOOK_MS = 250;

interface Request {
  token: string;
  resolve: (job: Job | undefined) => void;
}

/** The session claims only while somebody asks: a job that nobody waits for stays for others. */
export class ManualWork {
  readonly #session: NativeSession;
  readonly #attempts: Attempts;
  readonly #connection: Connection;
  readonly #queue: string;
  #requests: Request[] = [];
  #resting = true;
  #closed = false;
  #adjusting: Promise<void> = Promise.resolve();

  constructor(session: NativeSession, attempts: Attempts, connection: Connection, queue: string) {
    this.#session = session;
    this.#attempts = attempts;
    this.#connection = connection;
    this.#queue = queue;
  }

  /** The next job, or undefined if none comes within so long; 0: if there is none now. */
  async next(token: string, waitMs: number): Promise<Job | undefined> {
    await this.settled();
    if (waitMs === 0 && !(await this.#hasReady())) return undefined;
    if (this.#closed) return undefined; // meanwhile
    const found = new Promise<Job | undefined>((resolve) => {
      const request: Request = { token, resolve };
      this.#requests.push(request);
      const timer = setTimeout(() => void this.#giveUp(request), waitMs === 0 ? LOOK_MS : waitMs);
      request.resolve = (job) => {
        clearTimeout(timer);
        resolve(job);
      };
    });
    await this.#adjust();
    this.take(); // what had come while nobody asked
    return found;
  }

  /** Resolves when the session rests if it is to: what ends then claims nothing in its place. */
  settled(): Promise<void> {
    return this.#adjusting.catch(() => undefined);
  }

  async #hasReady(): Promise<boolean> {
    const packed = await this.#connection.call((engine) => engine.counts(this.#queue));
    const { ready, paused } = readCounts(new Reader(packed));
    return ready > 0 && !paused;
  }

  /** Time is up. What was claimed for it by then it gets, however slow the machine is. */
  async #giveUp(request: Request): Promise<void> {
    // The first may have come behind a claim that was begun before it asked, the second has not.
    for (let i = 0; i < 2 && this.#requests.includes(request) && !this.#closed; i++) {
      await this.#passWriter();
      if (!this.#closed) this.take();
    }
    this.#drop(request);
  }

  /** Resolves when all that was to be written before this call is: a change of a job that does not exist is none. */
  async #passWriter(): Promise<void> {
    const change = this.#connection.call((engine) =>
      engine.changeJob("promote", randomUUID(), this.#queue, -1),
    );
    await change.catch(() => undefined);
  }

  #drop(request: Request): void {
    const at = this.#requests.indexOf(request);
    if (at < 0) return;
    this.#requests.splice(at, 1);
    request.resolve(undefined);
    this.#adjust().catch(() => undefined); // the session is closed
  }

  /** As many slots as jobs in hand and requests; without requests the session rests. One change after the other. */
  #adjust(): Promise<void> {
    if (this.#closed) return this.#adjusting;
    this.#session.setSlots(Math.max(1, this.#attempts.jobs.size + this.#requests.length));
    this.#adjusting = this.#adjusting.then(async () => {
      const rests = this.#requests.length === 0;
      if (rests === this.#resting) return;
      this.#resting = rests;
      await nativeCall(rests ? this.#session.pause() : this.#session.resume());
    });
    return this.#adjusting;
  }

  /** The session has something new. */
  take(): void {
    while (this.#requests.length > 0) {
      const packed = this.#session.take(this.#requests.length);
      if (packed === undefined) break;
      const reader = new Reader(packed);
      for (let count = reader.number(); count > 0; count--)
        this.#hand(this.#attempts.accept(reader));
    }
    this.#adjust().catch(() => undefined); // the session is closed
  }

  #hand(active: ActiveJob): void {
    const request = this.#requests.shift();
    active.job.token = request?.token ?? active.job.token;
    this.#attempts.announce(active);
    request?.resolve(active.job);
  }

  /** Nothing comes any more; jobs in hand that no processor runs go back to the queue when the session is closed. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { resolve } of this.#requests.splice(0)) resolve(undefined);
    await this.settled();
  }
}
