// Flow: several jobs that wait for each other, added in one commit.
import { checkKnownOptions, checkName, checkObject, show } from "./check.js";
import type { Batch } from "./enqueuer.js";
import { MillraceError, invalidArgument } from "./errors.js";
import { checkDurability, durabilityNumber, packOptions, type OptionSet } from "./job-options.js";
import { type Edge, parentPolicy, policyNumber, upstreamEdges } from "./job-model.js";
import type { JobHost } from "./job-runner.js";
import { type JobSink, checkSink, refuseInside } from "./job-sink.js";
import { Job } from "./job.js";
import { isOfKind, mark } from "./kinds.js";
import { encodeData, labelText, type Label } from "./serializer.js";
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

const NO_OPTIONS: FlowJobOptions = Object.freeze({});
const PLAIN_SETS_MAX = 1000; // names of queues may be made up without end
const plainSets = new Map<string, OptionSet>();
let lastName: unknown; // the last good one: most flows use few names

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
  static {
    mark(this.prototype, "flow");
  }
  readonly #host: JobHost;
  readonly #members = new Map<object, Member>();
  readonly #jobs: Job[] = [];
  readonly #sets: OptionSet[] = [];
  readonly #texts: string[] = []; // name and data of each job, each followed by U+0000
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
    const added = this.#add("flow.add", name, queueName, data, rest, edges, "fail", undefined);
    return added as Job<Data, Result>;
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
    const own = typeof queue === "string" ? { name: queue, defaultJobOptions: NO_OPTIONS } : queue;
    defaultsOf ??= (queueName) => (queueName === own.name ? own.defaultJobOptions : NO_OPTIONS);
    const queues = new Map<string, Defaults>();
    const ofQueue = (queueName: string): Defaults => {
      let known = queues.get(queueName);
      if (known === undefined) {
        known = { opts: defaultsOf(queueName), set: undefined };
        queues.set(queueName, known);
      }
      return known;
    };
    const onPath = new Set<FlowJob>();
    const stack: Frame[] = [];
    // What messages call a node is put together for messages only: a flow may have many.
    const labelOf = (depth: number): string =>
      stack.slice(0, depth).reduce((text, at) => `${text}: children[${at.next - 1}]`, what);
    const enter = (node: FlowJob, queueName: string): void => {
      checkNode(() => labelOf(stack.length), node);
      if (onPath.has(node))
        throw invalidArgument(`${labelOf(stack.length)}: the tree contains itself`);
      onPath.add(node);
      stack.push({ node, queueName: node.queueName ?? queueName, children: [], next: 0 });
    };
    enter(root, own.name);
    // Not recursive: a flow may be a thousand levels deep.
    for (;;) {
      const frame = stack.at(-1) as Frame;
      const { node, queueName, children } = frame;
      const child = node.children?.[frame.next];
      if (child !== undefined) {
        frame.next++;
        enter(child, queueName);
        continue;
      }
      const label = (): string => labelOf(stack.length - 1);
      const job = this.#addNode(label, node, queueName, ofQueue(queueName), children);
      for (const child of children) child.job.adoptedBy(job);
      const done: JobNode = children.length === 0 ? { job } : { job, children };
      stack.pop();
      onPath.delete(node);
      const parent = stack.at(-1);
      if (parent === undefined) return done;
      parent.children.push(done);
    }
  }

  #addNode(
    label: () => string,
    node: FlowJob,
    queueName: string,
    defaults: Defaults,
    children: JobNode[],
  ): Job {
    const { name, data, opts: own } = node;
    const edges = children.map(({ job }) => this.#edgeTo(job));
    if (edges.length > 0 && (own ?? defaults.opts).deduplication !== undefined) {
      throw invalidArgument(
        `${label()}: Deduplication options cannot be used on flow nodes with children`,
      );
    }
    if (own === undefined && !("after" in defaults.opts)) {
      const set = edges.length === 0 ? sharedSet(label, queueName, defaults) : undefined;
      return this.#add(label, name, queueName, data, defaults.opts, edges, "wait", set);
    }
    const { after, ...opts }: FlowJobOptions = { ...defaults.opts, ...own };
    if (children.length > 0 && opts.deduplication !== undefined) {
      throw invalidArgument(
        `${label()}: Deduplication options cannot be used on flow nodes with children`,
      );
    }
    if (after !== undefined) {
      const what = `${label()}: option after`;
      edges.push(...upstreamEdges(what, after, (job) => this.#members.get(job)));
    }
    return this.#add(label, name, queueName, data, opts, edges, "wait", undefined);
  }

  #edgeTo(job: Job): Edge {
    const { index, policy, name } = this.#members.get(job) as Member;
    return { index, policy: policyNumber(policy), id: "", queue: "", name };
  }

  #add(
    what: Label,
    name: string,
    queueName: string,
    data: unknown,
    opts: FlowJobOptions,
    edges: Edge[],
    otherwise: DependencyPolicy,
    packed: OptionSet | undefined,
  ): Job {
    if (this.#used)
      throw new MillraceError("wrong_state", `${labelText(what)}: the flow was enqueued already`);
    if (name !== lastName) {
      checkName(`${labelText(what)}: name`, name);
      lastName = name;
    }
    const set = packed ?? this.#pack(labelText(what), queueName, opts, edges);
    const json = encodeData(what, data, opts.sizeLimit);
    const job = Job.adding(this.#host, name, queueName, data, opts);
    const policy = parentPolicy(opts) ?? otherwise;
    this.#members.set(job, { index: this.#jobs.length, policy, name: opts.as ?? "" });
    this.#jobs.push(job);
    this.#sets.push(set);
    this.#texts.push(name + SEPARATOR + json + SEPARATOR);
    return job;
  }

  #pack(what: string, queueName: string, opts: FlowJobOptions, edges: Edge[]): OptionSet {
    checkName(`${what}: queue`, queueName);
    if ("durability" in opts) {
      throw invalidArgument(`${what}: options must not have a durability: a flow is one commit`);
    }
    const { connection } = this.#host;
    const leaseOf = (id: string, queue: string): number => connection.leaseOf(id, queue);
    return packOptions(`${what}: option`, queueName, opts, { edges, leaseOf });
  }

  /** Adds all jobs in one commit, or none. Answers them in the order in which they were added here. */
  async enqueue(options: { durability?: Durability; tx?: JobSink } = {}): Promise<Job[]> {
    checkObject("flow.enqueue: options", options);
    checkKnownOptions("flow.enqueue", options, new Set(["durability", "tx"]));
    if (options.tx !== undefined) {
      checkSink("flow.enqueue: option tx", options.tx);
      const { tx } = options;
      const own = this.take("flow.enqueue", () => tx.newJobId());
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

  /** @internal What to send; the flow is used up. `newJobId` makes ids where no acknowledgement will tell them. */
  take(what: string, newJobId?: () => string | undefined): FlowBatch {
    if (this.#used)
      throw new MillraceError("wrong_state", `${what}: the flow was enqueued already`);
    this.#used = true;
    let text = "";
    for (let i = 0; i < this.#jobs.length; i++) {
      const job = this.#jobs[i] as Job;
      if (job.id === "") job.id = newJobId?.() ?? "";
      text += (this.#texts[i] as string) + job.id + SEPARATOR;
    }
    return { jobs: this.#jobs, sets: this.#sets, text };
  }
}

/** The options of a queue's jobs, and their packed form once a job needs it. */
interface Defaults {
  readonly opts: FlowJobOptions;
  set: OptionSet | undefined;
}

interface Frame {
  node: FlowJob;
  queueName: string;
  children: JobNode[];
  next: number;
}

function checkNode(label: () => string, node: unknown): asserts node is FlowJob {
  if (typeof node === "object" && node !== null && hasOnlyGoodFields(node)) return;
  const what = label();
  checkObject(what, node);
  checkKnownOptions(what, node, NODE_FIELDS, NODE_NOT_HERE);
  if (node["opts"] !== undefined) checkObject(`${what}: opts`, node["opts"]);
  const children = node["children"];
  if (children !== undefined && !Array.isArray(children)) {
    throw invalidArgument(`${what}: children must be an array, not ${show(children)}`);
  }
}

function hasOnlyGoodFields(node: object): boolean {
  for (const key in node) {
    if (!NODE_FIELDS.has(key)) return false;
  }
  const { opts, children } = node as Partial<FlowJob>;
  const plain = opts === undefined || (typeof opts === "object" && !Array.isArray(opts));
  return plain && opts !== null && (children === undefined || Array.isArray(children));
}

/** The packed options of jobs that have none of their own: packed once a flow; once for all where there are no defaults. */
function sharedSet(label: () => string, queueName: string, defaults: Defaults): OptionSet {
  let set = defaults.set;
  if (set !== undefined) return set;
  const plain = isEmpty(defaults.opts);
  set = plain ? plainSets.get(queueName) : undefined;
  if (set === undefined) {
    const what = label();
    checkName(`${what}: queue`, queueName);
    if ("durability" in defaults.opts) {
      throw invalidArgument(`${what}: options must not have a durability: a flow is one commit`);
    }
    set = packOptions(`${what}: option`, queueName, defaults.opts);
    if (plainSets.size >= PLAIN_SETS_MAX) plainSets.clear();
    if (plain) plainSets.set(queueName, set);
  }
  defaults.set = set;
  return set;
}

function isEmpty(value: object): boolean {
  for (const _key in value) return false;
  return true;
}

export function checkFlow(what: string, value: unknown): asserts value is Flow {
  if (!isOfKind(value, "flow")) {
    throw invalidArgument(`${what} must be a Flow, as of job.flow(), not ${show(value)}`);
  }
}
