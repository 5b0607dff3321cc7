// FlowProducer: trees of jobs, across queues, as BullMQ's users write them. Flow is the general form.
import { checkInteger, checkKnownOptions, checkName, checkObject, show } from "./check.js";
import { type Connection, closedError, connect } from "./connection.js";
import { TypedEmitter } from "./emitter.js";
import { hasCode, invalidArgument } from "./errors.js";
import { Flow } from "./flow.js";
import { type FlowTree, readFlow } from "./job-dependencies.js";
import { checkDurability, durabilityNumber } from "./job-options.js";
import type { JobHost } from "./job-runner.js";
import { readJob } from "./job-read.js";
import { Job } from "./job.js";
import type { DefaultJobOptions, Durability, FlowJob, JobNode, StoreOption } from "./types.js";

/** A tree whose root names its queue; a child without a `queueName` goes to its parent's. */
export type FlowRoot = FlowJob & { queueName: string };

/** What holds for the jobs of a queue, unless their own options say otherwise. */
export interface FlowOptions {
  queuesOptions?: Record<string, { defaultJobOptions?: DefaultJobOptions }>;
}

export interface FlowProducerOptions extends StoreOption {
  /** Of every add. Default: the store's, `power`. */
  durability?: Durability;
}

/** Which tree, and how much of it. */
export interface FlowQuery {
  id: string;
  queueName: string;
  /** Levels; default 10, at most 1,000. */
  depth?: number;
  /** Of each job; default 20. */
  maxChildren?: number;
}

/** What a FlowProducer tells its listeners. */
export interface FlowProducerListener {
  error: (error: Error) => void;
}

const KNOWN = new Set(["store", "durability"]);
const NOT_HERE = {
  connection: 'is BullMQ\'s; Millrace needs no server: pass { store: "jobs.db" }',
  prefix: "is BullMQ's; queues of one name in two stores do not meet",
};

/** Does not keep the process alive, except while an add is not acknowledged. */
export class FlowProducer extends TypedEmitter<FlowProducerListener> {
  readonly opts: FlowProducerOptions;
  readonly #connection: Connection;
  readonly #host: JobHost;
  readonly #underWay = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  constructor(opts: FlowProducerOptions = {}) {
    checkObject("new FlowProducer: options", opts);
    checkKnownOptions("new FlowProducer", opts, KNOWN, NOT_HERE);
    checkDurability("new FlowProducer: durability", opts.durability);
    super();
    this.opts = opts;
    this.#connection = connect("new FlowProducer", opts.store);
    this.#host = { connection: this.#connection, durability: durabilityNumber(opts.durability) };
    this.#connection.ready.catch((error: unknown) => {
      if (this.listenerCount("error") > 0) this.emit("error", error as Error);
    });
  }

  /** Resolves when the store is open; rejects with the reason if it cannot be opened. */
  async waitUntilReady(): Promise<void> {
    await this.#connection.ready;
  }

  /**
   * Adds a job that waits for its children, and they for theirs, of any depth and in any queues: all of them in one
   * commit, or none. A child that fails for good is waited for until it is retried or removed, unless its `opts` say
   * otherwise: failParentOnFailure, continueParentOnFailure, ignoreDependencyOnFailure or removeDependencyOnFailure.
   */
  async add(flow: FlowRoot, opts: FlowOptions = {}): Promise<JobNode> {
    const [node] = await this.#add("flowProducer.add", [flow], opts);
    return node as JobNode;
  }

  /** Adds several trees in one commit. */
  async addBulk(flows: FlowRoot[], opts: FlowOptions = {}): Promise<JobNode[]> {
    if (!Array.isArray(flows)) {
      throw invalidArgument(`flowProducer.addBulk: flows must be an array, not ${show(flows)}`);
    }
    return this.#add("flowProducer.addBulk", flows, opts);
  }

  async #add(what: string, roots: FlowRoot[], opts: FlowOptions): Promise<JobNode[]> {
    this.#checkOpen();
    const defaults = defaultsOf(what, opts);
    const flow = new Flow(this.#host);
    const nodes = roots.map((root, index) => {
      const label = what.endsWith("addBulk") ? `${what}: flows[${index}]` : `${what}: flow`;
      checkRoot(label, root);
      return flow.addTreeOf(label, root, root.queueName, defaults);
    });
    const adding = flow.enqueue();
    this.#underWay.add(adding);
    try {
      await adding;
    } finally {
      this.#underWay.delete(adding);
    }
    return nodes;
  }

  /**
   * A job with what it waits or has waited for, read back: undefined if it does not exist. A job that is reached twice
   * is shown once with its children.
   */
  async getFlow(query: FlowQuery): Promise<JobNode | undefined> {
    this.#checkOpen();
    return readFlowNode(this.#host, query);
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw closedError("FlowProducer");
  }

  /** Waits for the adds under way. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }
  /** The same as close(): there is no connection to cut. */
  async disconnect(): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    await Promise.allSettled([...this.#underWay]);
    await this.#connection.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** @internal The body of getFlow(). */
export async function readFlowNode(host: JobHost, query: FlowQuery): Promise<JobNode | undefined> {
  const what = "flowProducer.getFlow";
  checkObject(`${what}: query`, query);
  checkKnownOptions(what, query, new Set(["id", "queueName", "depth", "maxChildren"]), NOT_HERE);
  checkName(`${what}: id`, query.id);
  checkName(`${what}: queueName`, query.queueName);
  const { depth = 10, maxChildren = 20 } = query;
  checkInteger(`${what}: depth`, depth, 1, 1000);
  checkInteger(`${what}: maxChildren`, maxChildren, 1, 10_000);
  let tree: FlowTree;
  try {
    tree = await readFlow(host.connection, query.id, query.queueName, { depth, maxChildren });
  } catch (error) {
    if (hasCode(error, "not_found")) return undefined;
    throw error;
  }
  return nodeOf(host, tree);
}

async function nodeOf(host: JobHost, tree: FlowTree): Promise<JobNode | undefined> {
  const info = await readJob(host.connection, tree.id, tree.queueName);
  if (info === undefined) return undefined; // by its retention, since the tree was read
  const job = Job.ofInfo(host, info);
  const children = await Promise.all(tree.children.map((child) => nodeOf(host, child)));
  const found = children.filter((child) => child !== undefined);
  return found.length === 0 ? { job } : { job, children: found };
}

function defaultsOf(what: string, opts: FlowOptions): (queueName: string) => DefaultJobOptions {
  const given: unknown = opts;
  checkObject(`${what}: options`, given);
  checkKnownOptions(what, given, new Set(["queuesOptions"]));
  const queues: unknown = given["queuesOptions"] ?? {};
  checkObject(`${what}: queuesOptions`, queues);
  for (const [name, options] of Object.entries(queues)) {
    const label = `${what}: queuesOptions[${show(name)}]`;
    checkObject(label, options);
    checkKnownOptions(label, options, new Set(["defaultJobOptions"]), NOT_HERE);
    checkObject(`${label}.defaultJobOptions`, options["defaultJobOptions"] ?? {});
  }
  return (queueName) => opts.queuesOptions?.[queueName]?.defaultJobOptions ?? {};
}

function checkRoot(what: string, root: unknown): asserts root is FlowRoot {
  checkObject(what, root);
  checkName(`${what}: queueName`, root["queueName"]);
}
