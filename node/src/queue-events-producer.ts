// QueueEventsProducer: events of your own in a queue's log, for QueueEvents of any process and Python's app.events().
import { checkInteger, checkKnownOptions, checkName, checkObject, show } from "./check.js";
import { type Connection, closedError, connect } from "./connection.js";
import { invalidArgument } from "./errors.js";
import { checkDurability, durabilityNumber } from "./job-options.js";
import { OWN_EVENTS } from "./queue-events.js";
import { encodeJson } from "./serializer.js";
import type { Durability, StoreOption } from "./types.js";

export interface QueueEventsProducerOptions extends StoreOption {
  /** Of every event. Default: the store's, `power`. */
  durability?: Durability;
}

const KNOWN = new Set(["store", "durability"]);
const NOT_HERE = {
  connection: 'is BullMQ\'s; Millrace needs no server: pass { store: "jobs.db" }',
  prefix: "is BullMQ's; queues of one name in two stores do not meet",
};
const COUNT_MAX = 2 ** 31 - 1;

/** Does not keep the process alive, except while an event is not written. */
export class QueueEventsProducer {
  readonly name: string;
  readonly opts: QueueEventsProducerOptions;
  readonly #connection: Connection;
  readonly #durability: number;
  readonly #underWay = new Set<Promise<void>>();
  #closing: Promise<void> | undefined;

  constructor(name: string, opts: QueueEventsProducerOptions = {}) {
    checkName("new QueueEventsProducer: name", name);
    checkObject("new QueueEventsProducer: options", opts);
    checkKnownOptions("new QueueEventsProducer", opts, KNOWN, NOT_HERE);
    checkDurability("new QueueEventsProducer: durability", opts.durability);
    this.name = name;
    this.opts = opts;
    this.#durability = durabilityNumber(opts.durability);
    this.#connection = connect("new QueueEventsProducer", opts.store);
  }

  /** Resolves when the store is open; rejects with the reason if it cannot be opened. */
  async waitUntilReady(): Promise<void> {
    await this.#connection.ready;
  }

  /**
   * Adds an event to the queue's log: `eventName` and, as what listeners get, all other fields. Durable on return, and
   * kept as long as the queue's other events; `maxEvents` is BullMQ's and has no effect.
   */
  async publishEvent<T extends { eventName: string }>(event: T, maxEvents = 1000): Promise<void> {
    const what = "queueEventsProducer.publishEvent";
    if (this.#closing !== undefined) throw closedError(`QueueEventsProducer ${show(this.name)}`);
    checkObject(`${what}: event`, event);
    const { eventName, ...args } = event as { eventName: string } & Record<string, unknown>;
    checkName(`${what}: eventName`, eventName);
    if (OWN_EVENTS.has(eventName)) {
      throw invalidArgument(
        `${what}: eventName ${show(eventName)} is an event of the queue itself`,
      );
    }
    checkInteger(`${what}: maxEvents`, maxEvents, 1, COUNT_MAX);
    const data = encodeJson(`${what}: event`, args, "{}");
    const writing = this.#connection.call((engine) =>
      engine.publishEvent(this.name, eventName, data, "", this.#durability),
    );
    this.#underWay.add(writing);
    try {
      await writing;
    } finally {
      this.#underWay.delete(writing);
    }
  }

  /** Waits for events that are being written. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.allSettled([...this.#underWay]);
    await this.#connection.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
