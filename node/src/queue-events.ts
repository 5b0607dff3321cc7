// QueueEvents: follows the durable, ordered log of what happened in one queue, in any process and language.
import {
  checkBoolean,
  checkKnownOptions,
  checkName,
  checkObject,
  checkString,
  show,
} from "./check.js";
import { type Connection, closedError, connect } from "./connection.js";
import { TypedEmitter } from "./emitter.js";
import { MillraceError, decodeError, invalidArgument, nativeCall } from "./errors.js";
import { hold, letGo, listen, newId, unlisten } from "./hub.js";
import { type JobEnd, type OnEnd, endOfEvent } from "./job-wait.js";
import type { NativeSubscription } from "./native.cjs";
import { Listening } from "./listening.js";
import { decodeJson } from "./serializer.js";
import { stateName } from "./states.js";
import type { JobProgress, QueueEventsOptions } from "./types.js";
import { EventType, type NativeEvent, readPage } from "./wire-reports.js";
import { NativeState, Reader } from "./wire.js";

/** The second argument of each is the event's id: pass it as `lastEventId` to go on from there. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as in BullMQ
export interface QueueEventsListener<Result = any> {
  added: (args: { jobId: string; name: string }, id: string) => void;
  waiting: (args: { jobId: string; prev?: string }, id: string) => void;
  "waiting-children": (args: { jobId: string }, id: string) => void;
  /** `delay`: when it is due, in milliseconds UTC. */
  delayed: (args: { jobId: string; delay: number }, id: string) => void;
  active: (args: { jobId: string; prev?: string }, id: string) => void;
  progress: (args: { jobId: string; data: JobProgress }, id: string) => void;
  completed: (args: { jobId: string; returnvalue: Result; prev?: string }, id: string) => void;
  /** For good: attempts that will be repeated show as `delayed` or `waiting`. */
  failed: (args: { jobId: string; failedReason: string; prev?: string }, id: string) => void;
  "retries-exhausted": (args: { jobId: string; attemptsMade: string }, id: string) => void;
  /** Its worker died: it was taken away from it. */
  stalled: (args: { jobId: string }, id: string) => void;
  /** An add named an id that exists. */
  duplicated: (args: { jobId: string }, id: string) => void;
  /** `jobId` holds the key; `deduplicatedJobId` (if it had one) was not added, or had to give way. */
  deduplicated: (
    args: { jobId: string; deduplicationId: string; deduplicatedJobId: string | undefined },
    id: string,
  ) => void;
  removed: (args: { jobId: string; prev: string }, id: string) => void;
  /** Ours: cancelled, or not started before it expired. */
  cancelled: (args: { jobId: string; reason: string; type: string }, id: string) => void;
  cleaned: (args: { count: string }, id: string) => void;
  drained: (id: string) => void;
  paused: (args: object, id: string) => void;
  resumed: (args: object, id: string) => void;
  error: (error: Error) => void;
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the constraint says "functions", whatever they take
type ListenersOf<L> = { [E in keyof L]: (...args: any[]) => void };

const KNOWN = new Set(["store", "autorun", "lastEventId", "blockingTimeout"]);
/** What QueueEvents tells by itself. */
export const OWN_EVENTS: ReadonlySet<string> = new Set([
  ...["added", "waiting", "waiting-children", "delayed", "active", "progress", "completed"],
  ...["failed", "retries-exhausted", "stalled", "duplicated", "deduplicated", "removed"],
  ...["cancelled", "cleaned", "drained", "paused", "resumed", "error"],
]);
const PAGE_EVENTS = 1000;
const EVENT_ID = /^\d+-\d+$/;

/** The core's name of a position for BullMQ's. */
function startPosition(lastEventId: string | undefined): string {
  if (lastEventId === undefined) return "$";
  return lastEventId === "0" || lastEventId === "0-0" ? "" : lastEventId;
}

/** Keeps the process alive while somebody listens, or waits for a job with it. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as in BullMQ
export class QueueEvents<Result = any> extends TypedEmitter<QueueEventsListener<Result>> {
  readonly name: string;
  readonly opts: QueueEventsOptions;

  /** For events of your own name their type: `events.on<{ sent: (args: { to: string }, id: string) => void }>("sent", ...)`. */
  override on<
    Listeners extends ListenersOf<Listeners> = QueueEventsListener<Result>,
    E extends keyof Listeners & string = keyof Listeners & string,
  >(event: E, listener: Listeners[E]): this {
    return super.on(event as "error", listener);
  }
  override once<
    Listeners extends ListenersOf<Listeners> = QueueEventsListener<Result>,
    E extends keyof Listeners & string = keyof Listeners & string,
  >(event: E, listener: Listeners[E]): this {
    return super.once(event as "error", listener);
  }

  override removeAllListeners(...event: [event?: string | symbol]): this {
    super.removeAllListeners(...event); // how many arguments there are matters to it
    if (event.length === 0) this.#listening.attach();
    this.#listening.update();
    return this;
  }

  readonly #connection: Connection;
  readonly #listening = new Listening(
    this,
    (listening) => this.#subscription !== undefined && (listening || this.#watched.size > 0),
  );
  readonly #source = newId();
  readonly #watched = new Map<string, Set<{ onEnd: OnEnd; onError: (error: unknown) => void }>>();
  #running: Promise<void> | undefined;
  #subscription: NativeSubscription | undefined;
  #reading: Promise<void> | undefined;
  #asking: (() => void)[] = [];
  #more = false;
  #closing: Promise<void> | undefined;
  #stopped: (() => void) | undefined;
  #opened: Promise<void> | undefined;

  constructor(name: string, opts: QueueEventsOptions = {}) {
    super();
    checkName("new QueueEvents: name", name);
    checkObject("new QueueEvents: options", opts);
    checkKnownOptions("new QueueEvents", opts, KNOWN, {
      connection: 'is BullMQ\'s; Millrace needs no server: pass { store: "jobs.db" }',
    });
    if (opts.autorun !== undefined) checkBoolean("new QueueEvents: autorun", opts.autorun);
    if (opts.lastEventId !== undefined) {
      checkString("new QueueEvents: lastEventId", opts.lastEventId);
      if (!EVENT_ID.test(opts.lastEventId) && !["$", "0"].includes(opts.lastEventId)) {
        throw startError(opts.lastEventId);
      }
    }
    this.name = name;
    this.opts = opts;
    this.setMaxListeners(0);
    this.#connection = connect("new QueueEvents", opts.store);
    if (opts.autorun !== false)
      this.run().catch((error: unknown) => this.emit("error", error as Error));
  }

  /** Resolves when every event from now on will be seen. */
  async waitUntilReady(): Promise<void> {
    if (this.#closing !== undefined) throw closedError(`QueueEvents ${show(this.name)}`);
    if (this.#opened === undefined) await this.#connection.ready;
    else await this.#opened;
  }

  /** Starts to follow; resolves when closed. Called by the constructor unless `autorun` is false. */
  run(): Promise<void> {
    if (this.#closing !== undefined)
      return Promise.reject(closedError(`QueueEvents ${show(this.name)}`));
    if (this.#running !== undefined) {
      const message = `QueueEvents ${show(this.name)} are running already`;
      return Promise.reject(new MillraceError("wrong_state", message));
    }
    this.#opened = this.#open();
    this.#running = this.#opened.then(
      () =>
        new Promise<void>((resolve) => {
          if (this.#closing !== undefined) resolve();
          else this.#stopped = resolve;
        }),
    );
    return this.#running;
  }

  async #open(): Promise<void> {
    hold();
    try {
      listen(this.#source, () => this.#onReady());
      this.#subscription = await this.#connection.call((engine) =>
        engine.subscribe(
          this.#source,
          this.name,
          startPosition(this.opts.lastEventId),
          "",
          PAGE_EVENTS,
        ),
      );
      this.#listening.update();
    } catch (error) {
      unlisten(this.#source);
      this.#failWatchers(error);
      throw error;
    } finally {
      letGo();
    }
    this.#onReady(); // there may be events before the first that is new
  }

  #onReady(): void {
    this.#more = true;
    if (this.#subscription !== undefined && this.#closing === undefined)
      this.#reading ??= this.#read();
  }

  /** @internal Resolves when all that was written before this call was told. */
  catchUp(): Promise<void> {
    if (this.#subscription === undefined || this.#closing !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      this.#asking.push(resolve);
      this.#onReady();
    });
  }

  /** To those who asked first. */
  #answer(count: number): void {
    for (const resolve of this.#asking.splice(0, count)) resolve();
  }

  async #read(): Promise<void> {
    try {
      while (this.#more && this.#subscription !== undefined && this.#closing === undefined) {
        this.#more = false;
        for (;;) {
          const asked = this.#asking.length; // before this look
          const { events } = readPage(new Reader(await this.#next(this.#subscription)));
          if (this.#closing === undefined) for (const event of events) this.#deliver(event);
          // Others may write for ever: it need not come to an end.
          if (events.length < PAGE_EVENTS) this.#answer(asked);
          if (events.length === 0 || this.#closing !== undefined) break;
        }
      }
    } catch (error) {
      if (this.#closing === undefined) this.emit("error", error as Error);
    } finally {
      this.#answer(this.#asking.length);
      this.#reading = undefined; // before anybody else has a turn: who asks for more from now on begins anew
    }
  }

  #next(subscription: NativeSubscription): ReturnType<NativeSubscription["next"]> {
    return this.#connection.call(() => subscription.next());
  }

  /** @internal Calls back once when the job ends, or when these events do. Answers how to stop. */
  watchJob(id: string, onEnd: OnEnd, onError: (error: unknown) => void): () => void {
    const watcher = { onEnd, onError };
    const all = this.#watched.get(id) ?? new Set();
    this.#watched.set(id, all.add(watcher));
    this.#listening.update();
    return () => {
      all.delete(watcher);
      if (all.size === 0 && this.#watched.get(id) === all) this.#watched.delete(id);
      this.#listening.update();
    };
  }

  #failWatchers(error: unknown): void {
    for (const watchers of this.#watched.values())
      for (const { onError } of watchers) onError(error);
    this.#watched.clear();
  }

  #tellWatchers(event: NativeEvent): void {
    const watchers = this.#watched.get(event.jobId);
    if (watchers === undefined) return;
    let end: JobEnd | undefined;
    try {
      end = endOfEvent(event);
    } catch (error) {
      for (const { onError } of watchers) onError(error);
      return;
    }
    if (end !== undefined) for (const { onEnd } of watchers) onEnd(end);
  }

  #deliver(event: NativeEvent): void {
    if (this.#watched.size > 0) this.#tellWatchers(event);
    try {
      this.#emitEvent(event);
    } catch (error) {
      this.emit("error", error as Error); // a body that is not JSON
    }
  }

  #emitEvent(event: NativeEvent): void {
    const { id, jobId } = event;
    switch (event.type) {
      case EventType.added:
        this.emit("added", { jobId, name: event.name }, id);
        this.#emitPlace(event);
        break;
      case EventType.ready:
        this.emit("waiting", { jobId, prev: stateName(event.prev, 0) }, id);
        break;
      case EventType.scheduled:
        this.emit("delayed", { jobId, delay: event.dueAt }, id);
        break;
      case EventType.active:
        this.emit("active", { jobId, prev: "waiting" }, id);
        break;
      case EventType.progress:
        this.emit(
          "progress",
          { jobId, data: decodeJson("progress", event.data) as JobProgress },
          id,
        );
        break;
      case EventType.completed:
        this.emit(
          "completed",
          { jobId, returnvalue: decodeJson("returnvalue", event.data) as Result, prev: "active" },
          id,
        );
        break;
      case EventType.failed:
        this.#emitFailed(event);
        break;
      case EventType.cancelled: {
        const { message, type } = decodeError(event.data);
        this.emit("cancelled", { jobId, reason: message, type }, id);
        break;
      }
      case EventType.rescued:
        this.emit("stalled", { jobId }, id);
        break;
      case EventType.removed:
        this.emit("removed", { jobId, prev: stateName(event.prev, 0) }, id);
        break;
      case EventType.duplicate:
        this.#emitDuplicate(event);
        break;
      case EventType.paused:
        this.emit("paused", {}, id);
        break;
      case EventType.resumed:
        this.emit("resumed", {}, id);
        break;
      case EventType.drained:
        this.emit("drained", id);
        break;
      case EventType.blocked:
        this.emit("waiting-children", { jobId }, id);
        break;
      case EventType.cleaned:
        this.emit("cleaned", { count: String(event.count) }, id);
        break;
      case EventType.custom:
        this.#emitCustom(event);
        break;
    }
  }

  /** Of QueueEventsProducer.publishEvent(), or of a Python task's send_event(). */
  #emitCustom({ id, name, data }: NativeEvent): void {
    const args = data === "" ? {} : decodeJson(`event ${name}`, data);
    // A name of ours, such as "completed", is not told as if it were the queue's own.
    if (OWN_EVENTS.has(name)) return;
    const emit = super.emit.bind(this) as (event: string, ...args: unknown[]) => boolean;
    emit(name, args, id);
  }

  #emitDuplicate({ id, jobId, data }: NativeEvent): void {
    if (data === "") {
      this.emit("duplicated", { jobId }, id);
      return;
    }
    const told = decodeJson("deduplicated", data) as { dedup_key: string; dropped_id?: string };
    const deduplicatedJobId = told.dropped_id ?? undefined;
    this.emit("deduplicated", { jobId, deduplicationId: told.dedup_key, deduplicatedJobId }, id);
  }

  #emitPlace({ id, jobId, state, dueAt }: NativeEvent): void {
    if (state === NativeState.scheduled) this.emit("delayed", { jobId, delay: dueAt }, id);
    else if (state === NativeState.blocked) this.emit("waiting-children", { jobId }, id);
    else this.emit("waiting", { jobId }, id);
  }

  #emitFailed({ id, jobId, attempt, data }: NativeEvent): void {
    const { message, type } = decodeError(data);
    this.emit("failed", { jobId, failedReason: message, prev: "active" }, id);
    if (type !== "UnrecoverableError")
      this.emit("retries-exhausted", { jobId, attemptsMade: String(attempt) }, id);
  }

  /** Stops following. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      await this.#opened;
    } catch {
      this.#opened = undefined; // never opened: run() has said why
    }
    this.#failWatchers(closedError(`QueueEvents ${show(this.name)}`));
    unlisten(this.#source);
    const subscription = this.#subscription;
    this.#subscription = undefined;
    await this.#reading;
    hold(); // until it is closed, though nobody listens any more
    this.#listening.update();
    try {
      if (subscription !== undefined) await nativeCall(subscription.close());
    } finally {
      letGo();
    }
    await this.#connection.release();
    this.#stopped?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function startError(given: string): Error {
  return invalidArgument(
    `new QueueEvents: lastEventId must be an event's id, "0" or "$", not ${show(given)}`,
  );
}
