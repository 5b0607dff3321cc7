// The events of a store's queues for clients that each follow one job: one subscription a queue serves them all.
import { type Connection, closedError } from "../connection.js";
import { listen, newId, unlisten } from "../hub.js";
import type { NativeSubscription } from "../native.cjs";
import { type NativeEvent, readPage } from "../wire-reports.js";
import { Reader } from "../wire.js";
import { type Frame, eventFrame } from "./job-view.js";

const PAGE_EVENTS = 256;

/** Who follows one job. Must not throw. */
export interface Listener {
  offer(frame: Frame): void;
  /** No event will come any more. */
  end(): void;
}

/** Follows one queue while somebody listens. Does not keep the process alive: the clients' connections do. */
class QueueFeed {
  readonly started: Promise<void>;
  readonly #connection: Connection;
  readonly #queue: string;
  readonly #source = newId();
  readonly #listeners = new Map<string, Set<Listener>>();
  #subscription: NativeSubscription | undefined;
  #reading = false;
  #more = false;
  #closed = false;

  constructor(connection: Connection, queue: string) {
    this.#connection = connection;
    this.#queue = queue;
    this.started = this.#start();
    this.started.catch(() => undefined); // who joins hears of it
  }

  get closed(): boolean {
    return this.#closed;
  }

  async #start(): Promise<void> {
    listen(this.#source, () => this.#onReady());
    try {
      const subscription = await this.#connection.call((engine) =>
        engine.subscribe(this.#source, this.#queue, "$", "", PAGE_EVENTS),
      );
      this.#subscription = subscription;
      if (this.#closed)
        this.#release(); // while it was being opened
      else this.#onReady(); // news that came before there was anything to read them from
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #onReady(): void {
    this.#more = true;
    if (!this.#reading) void this.#read();
  }

  async #read(): Promise<void> {
    this.#reading = true;
    try {
      for (
        let from = this.#subscription;
        this.#more && from !== undefined;
        from = this.#subscription
      ) {
        const subscription = from;
        this.#more = false;
        for (;;) {
          const next = await this.#connection.call(() => subscription.next());
          const page = readPage(new Reader(next));
          if (page.events.length === 0) break;
          for (const event of page.events) {
            this.#dispatch(event);
          }
        }
      }
    } catch {
      this.close(); // clients come back by themselves, and are told why if it lasts
    } finally {
      this.#reading = false;
    }
  }

  #dispatch(event: NativeEvent): void {
    const listeners = this.#listeners.get(event.jobId);
    if (listeners === undefined) return;
    const frame = eventFrame(event, this.#queue);
    if (frame !== undefined) for (const listener of [...listeners]) listener.offer(frame);
  }

  add(jobId: string, listener: Listener): void {
    const listeners = this.#listeners.get(jobId) ?? new Set();
    this.#listeners.set(jobId, listeners.add(listener));
  }

  /** Answers whether nobody listens any more. */
  delete(jobId: string, listener: Listener): boolean {
    const listeners = this.#listeners.get(jobId);
    listeners?.delete(listener);
    if (listeners?.size === 0) this.#listeners.delete(jobId);
    return this.#listeners.size === 0;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    unlisten(this.#source);
    this.#release();
    for (const listeners of [...this.#listeners.values()])
      for (const listener of [...listeners]) listener.end();
  }

  #release(): void {
    const subscription = this.#subscription;
    this.#subscription = undefined;
    if (subscription === undefined) return;
    // If its store is closed, nothing is left to close.
    this.#connection.call(() => subscription.close()).catch(() => undefined);
  }
}

/** The feeds of one store. */
export class JobFeeds {
  readonly #connection: Connection;
  readonly #feeds = new Map<string, QueueFeed>();
  #closed = false;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The queues that somebody follows. */
  get queues(): string[] {
    return [...this.#feeds.keys()];
  }

  /** Begins to listen; what happens to the job after this call will be told. Answers how to stop. */
  async join(queue: string, jobId: string, listener: Listener): Promise<() => void> {
    if (this.#closed) throw closedError("the routes' store"); // while the job was being looked up
    let feed = this.#feeds.get(queue);
    if (feed === undefined || feed.closed) {
      feed = new QueueFeed(this.#connection, queue);
      this.#feeds.set(queue, feed);
    }
    const joined = feed;
    joined.add(jobId, listener);
    const leave = (): void => {
      if (joined.delete(jobId, listener)) joined.close();
      if (joined.closed && this.#feeds.get(queue) === joined) this.#feeds.delete(queue);
    };
    try {
      await joined.started;
    } catch (error) {
      leave();
      throw error;
    }
    return leave;
  }

  /** Ends all listening. */
  close(): void {
    this.#closed = true;
    for (const feed of [...this.#feeds.values()]) feed.close();
    this.#feeds.clear();
  }
}
