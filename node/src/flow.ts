// Flow: several jobs that wait for each other, added in one commit.
import { checkKnownOptions, checkName, checkObject, show } from "./check.js";
import type { Batch } from "./enqueuer.js";
import { MillraceError, invalidArgument } from "./errors.js";
import { type OptionSet, checkDurability, durabilityNumber, packOptions } from "./job-options.js";
import { type Edge, parentPolicy, policyNumber, upstreamEdges } from "./job-model.js";
import type { JobHost } from "./job-runner.js";
import { type JobSink, checkSink, refuseInside } from "./job-sink.js";
import { Job } from "./job.js";
import { encodeData } from "./serializer.js";
import type { DependencyPolicy, Durability, FlowJob, FlowJobOptions, JobNode } from "./types.js";
import { SEPARATOR } from "./wire.js";

/** A queue by its name, or one in hand: then its defaultJobOptions hold for the job. */
export type QueueReference = string | { readonly name: string; readonly defaultJobOptions: object };

interface Member {
  index: number;
  /** What its dependents do if it fails, and under which name they read its result, unless they say otherwise. */
  policy: DependencyPolicy;
  name: string;
}

/** What crosses to the core: the jobs as they were added, and their packed options. */
export type FlowBatch = Pick<Batch, "sets" | "text"> & { jobs: Job[] };

const NODE_FIELDS = new Set(["name", "queueName", "data", "opts", "children"]);
const NODE_NOT_HERE = { prefix: "is BullMQ's; queues of one name in two stores do not meet" };

/**
 * Collects jobs; nothing is written before enqueue(). Any graph without cycles can be built: a job may wait for several
 * others, in any queues, of any language. From store.flow(), queue.flow() or, in a processor, job.flow().
 *
 *     const flow = store.flow();
 *     const small = flow.add("resize", "images", { width: 100 }, { as: "small" });
 *     const large = flow.add("resize", "images", { width: 900 }, { as: "large" });
 *     flow.add("publish", "pages", {}, { after: [small, large] });
 *     await flow.enqueue();
 */
export class Flow {
  readonly #host: JobHost;
  readonly #members = new Map<object, Member>();
  readonly #jobs: Job[] = [];
  readonly #sets: OptionSet[] = [];
  #text = "";
  #used = false;

  /** @internal */
  constructor(host: JobHost) {
    this.#host = host;
  }

  /** How many jobs it has. */
  get size(): number {
    return this.#jobs.length;
  }

  /**
   * Adds a job; its id is known after enqueue(). `after` may name jobs of this flow and jobs that exist; without a
   * policy they must complete (`fail`).
   */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as Job
  add<Data = any, Result = any>(
    name: string,
    queue: QueueReference,
    data?: Data,
    opts: FlowJobOptions = {},
  ): Job<Data, Result> {
    checkObject("flow.add: options", opts);
    const queueName = typeof queue === "string" ? queue : queue.name;
    const defaults = typeof queue === "string" ? {} : queue.defaultJobOptions;
    const { after, ...rest } = { ...defaults, ...opts };
    const edges = upstreamEdges("flow.add: option after", after, (job) => this.#members.get(job));
    return this.#add("flow.add", name, queueName, data, rest, edges, "fail") as Job<Data, Result>;
  }

  /**
   * Adds a job that waits for its children, and they for theirs. A child that fails for good is waited for until it is
   * retried or removed (BullMQ's default), unless its `opts` say otherwise: onFailure or BullMQ's four flags.
   */
  addTree(root: FlowJob, queue: QueueReference): JobNode {
    return this.addTreeOf("flow.addTree", root, queue);
  }

  /** @internal For Queue.addFlow() and FlowProducer. `defaultsOf`: the options of a queue's jobs. */
  addTreeOf(
    what: string,
    root: FlowJob,
    queue: QueueReference,
    defaultsOf?: (queueName: string) => object,
  ): JobNode {
    const own = typeof queue === "string" ? { name: queue, defaultJobOptions: {} } : queue;
    defaultsOf ??= (queueName) => (queueName === own.name ? own.defaultJobOptions : {});
    const onPath = new Set<FlowJob>();
    const stack: Frame[] = [];
    const enter = (label: string, node: FlowJob, queueName: string): void => {
      checkNode(label, node);
      if (onPath.has(node)) throw invalidArgument(`${label}: the tree contains itself`);
      onPath.add(node);
      const named = node.queueName ?? queueName;
      stack.push({ label, node, queueName: named, children: [], next: 0 });
    };
    enter(what, root, own.name);
    // Not recursive: a flow may be a thousand levels deep.
    for (;;) {
      const frame = stack.at(-1) as Frame;
      const { node, label, queueName, children } = frame;
      const child = node.children?.[frame.next];
      if (child !== undefined) {
        enter(`${label}: children[${frame.next++}]`, child, queueName);
        continue;
      }
      const { after, ...opts }: FlowJobOptions = { ...defaultsOf(queueName), ...node.opts };
      if (children.length > 0 && opts.deduplication !== undefined) {
        throw invalidArgument(
          `${label}: Deduplication options cannot be used on flow nodes with children`,
        );
      }
      const edges = children.map(({ job }) => this.#edgeTo(job));
      edges.push(
        ...upstreamEdges(`${label}: option after`, after, (job) => this.#members.get(job)),
      );
      const job = this.#add(label, node.name, queueName, node.data, opts, edges, "wait");
      const done: JobNode = children.length === 0 ? { job } : { job, children };
      stack.pop();
      onPath.delete(node);
      const parent = stack.at(-1);
      if (parent === undefined) return done;
      parent.children.push(done);
    }
  }

  #edgeTo(job: Job): Edge {
    const { index, policy, name } = this.#members.get(job) as Member;
    return { index, policy: policyNumber(policy), id: "", queue: "", name };
  }

  #add(
    what: string,
    name: string,
    queueName: string,
    data: unknown,
    opts: FlowJobOptions,
    edges: Edge[],
    otherwise: DependencyPolicy,
  ): Job {
    if (this.#used)
      throw new MillraceError("wrong_state", `${what}: the flow was enqueued already`);
    checkName(`${what}: name`, name);
    checkName(`${what}: queue`, queueName);
    if ("durability" in opts) {
      throw invalidArgument(`${what}: options must not have a durability: a flow is one commit`);
    }
    const { connection } = this.#host;
    const leaseOf = (id: string, queue: string): number => connection.leaseOf(id, queue);
    const set = packOptions(`${what}: option`, queueName, opts, { edges, leaseOf });
    const json = encodeData(what, data, opts.sizeLimit);
    const job = Job.adding(this.#host, name, queueName, data, opts);
    const policy = parentPolicy(opts) ?? otherwise;
    this.#members.set(job, { index: this.#jobs.length, policy, name: opts.as ?? "" });
    this.#jobs.push(job);
    this.#sets.push(set);
    this.#text += name + SEPARATOR + json + SEPARATOR + job.id + SEPARATOR;
    return job;
  }

  /** Adds all jobs in one commit, or none. Answers them in the order in which they were added here. */
  async enqueue(options: { durability?: Durability; tx?: JobSink } = {}): Promise<Job[]> {
    checkObject("flow.enqueue: options", options);
    checkKnownOptions("flow.enqueue", options, new Set(["durability", "tx"]));
    if (options.tx !== undefined) {
      checkSink("flow.enqueue: option tx", options.tx);
      const own = this.take("flow.enqueue");
      if (own.jobs.length > 0) await options.tx.addBatch(this.#host.connection, own, true);
      return own.jobs;
    }
    checkDurability("flow.enqueue: durability", options.durability);
    refuseInside(this.#host.connection);
    const batch = this.take("flow.enqueue");
    if (batch.jobs.length === 0) return [];
    const own = options.durability;
    const durability = own === undefined ? this.#host.durability : durabilityNumber(own);
    await new Promise<void>((resolve, reject) => {
      this.#host.connection.enqueuer.push({ ...batch, resolve, reject }, durability);
    });
    return batch.jobs;
  }

  /** @internal What to send; the flow is used up. */
  take(what: string): FlowBatch {
    if (this.#used)
      throw new MillraceError("wrong_state", `${what}: the flow was enqueued already`);
    this.#used = true;
    return { jobs: this.#jobs, sets: this.#sets, text: this.#text };
  }
}

interface Frame {
  label: string;
  node: FlowJob;
  queueName: string;
  children: JobNode[];
  next: number;
}

function checkNode(what: string, node: unknown): asserts node is FlowJob {
  checkObject(what, node);
  checkKnownOptions(what, node, NODE_FIELDS, NODE_NOT_HERE);
  if (node["opts"] !== undefined) checkObject(`${what}: opts`, node["opts"]);
  const children = node["children"];
  if (children !== undefined && !Array.isArray(children)) {
    throw invalidArgument(`${what}: children must be an array, not ${show(children)}`);
  }
}

export function checkFlow(what: string, value: unknown): asserts value is Flow {
  if (!(value instanceof Flow)) {
    throw invalidArgument(`${what} must be a Flow, as of job.flow(), not ${show(value)}`);
  }
}
