// The routes of jobs, without a framework: a job's status, its events while it runs, cancelling it, submitting one.
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";

import { checkInteger, checkKnownOptions, checkObject, show } from "../check.js";
import { type Connection, connect } from "../connection.js";
import { MillraceError, invalidArgument } from "../errors.js";
import { isOfKind } from "../kinds.js";
import type { Queue } from "../queue.js";
import { CANCEL_RESULTS } from "../states.js";
import type { Store } from "../store.js";
import { JobFeeds } from "./job-feed.js";
import { JobStream, readStoredJob } from "./job-stream.js";
import { jobView } from "./job-view.js";

/** Checks the data of a submitted job and answers what is added; what it throws is the client's error (400). */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- what a client has sent: the check finds out
export type SubmitCheck = (data: any) => unknown;

/** Options of the routes that submit, show, follow and cancel jobs. */
export interface JobsRouterOptions {
  /** Only the jobs of this queue. It stays yours to close. */
  queue?: Queue;
  /** The jobs of all queues: a Store, which stays yours to close, or a path. Default: MILLRACE_STORE. */
  store?: string | Store;
  /** Milliseconds without an event after which a comment is sent, so that no proxy ends the connection. Default 15,000. */
  keepAlive?: number;
  /**
   * Names of the jobs that clients may add to `queue` by `POST /:name`: a list, or a function for each that checks
   * (and may change) the data. Default: none.
   */
  submit?: readonly string[] | Readonly<Record<string, SubmitCheck>>;
}

const KNOWN = new Set(["queue", "store", "keepAlive", "submit"]);
const EVENT_ID = /^\d{1,19}-\d{1,19}$/;
const KEY_MAX = 255;
const BODY_BYTES_MAX = 1 << 20;
const STREAM_HEADERS = {
  "Content-Type": "text/event-stream; charset=utf-8",
  "Cache-Control": "no-store",
  "X-Accel-Buffering": "no", // nginx would hold events back
};

export interface Call {
  request: IncomingMessage;
  response: ServerResponse;
  /** A job's id; for submit a job's name. */
  id: string;
  query: URLSearchParams;
  /** The body, if the framework has parsed it. */
  body: unknown;
}

export type Action = "status" | "events" | "cancel" | "submit";

/** What the routes do. From openRoutes(). */
export class JobRoutes {
  readonly #feeds: JobFeeds;
  readonly #connection: Connection;
  readonly #keepAliveMs: number;
  readonly #queue: Queue | undefined;
  readonly #submit: ReadonlyMap<string, SubmitCheck>;
  readonly #owned: boolean;
  #closing: Promise<void> | undefined;

  /** `what`: the function that users call, for messages. */
  constructor(what: string, options: JobsRouterOptions) {
    const given: unknown = options;
    checkObject(`${what}: options`, given);
    checkKnownOptions(what, given, KNOWN);
    const { queue, store, keepAlive = 15_000 } = options;
    checkInteger(`${what}: keepAlive`, keepAlive, 1, 2 ** 31 - 1);
    this.#submit = submitChecks(what, options.submit);
    if (queue !== undefined && store !== undefined) {
      throw invalidArgument(`${what}: give queue or store, not both`);
    }
    if (this.#submit.size > 0 && queue === undefined) {
      throw invalidArgument(`${what}: submit needs the option queue: where to add the jobs`);
    }
    const host = queue ?? store;
    this.#queue = queue;
    this.#connection = connect(what, host);
    // One of the other copy of this package gave only the path to a connection of our own.
    this.#owned = typeof host !== "object" || host?.connection !== this.#connection;
    if (!this.#owned) void this.#connection.release(); // its owner's use of it is enough
    this.#keepAliveMs = keepAlive;
    this.#feeds = new JobFeeds(this.#connection);
  }

  /** Which action a request asks for, by its method and what follows the first part of its path. */
  find(method: string | undefined, tail: string | undefined): Action | undefined {
    if (tail === "/cancel") return method === "POST" ? "cancel" : undefined;
    if (tail === undefined && method === "POST")
      return this.#submit.size > 0 ? "submit" : undefined;
    if (method !== "GET") return undefined;
    return tail === "/events" ? "events" : "status";
  }

  /** Answers the request; whether it did. What is not the client's fault is thrown. */
  async serve(action: Action, call: Call): Promise<void> {
    try {
      await this[action](call);
    } catch (error) {
      if (!refuse(call.response, error)) throw error;
    }
  }

  #queueName(query: URLSearchParams): string {
    return this.#queue?.name ?? query.get("queue") ?? "";
  }

  async status({ response, id, query }: Call): Promise<void> {
    const job = await readStoredJob(this.#connection, decodeId(id), this.#queueName(query));
    sendJson(response, 200, jobView(job));
  }

  async cancel({ response, id, query }: Call): Promise<void> {
    const job = await readStoredJob(this.#connection, decodeId(id), this.#queueName(query));
    const result = await this.#connection.call((engine) =>
      engine.cancel(job.id, job.queue, query.get("reason") ?? "", -1),
    );
    sendJson(response, 200, { id: job.id, queue: job.queue, outcome: CANCEL_RESULTS[result] });
  }

  async events({ request, response, id, query }: Call): Promise<void> {
    const after = request.headers["last-event-id"]?.toString() || undefined;
    if (after !== undefined && !EVENT_ID.test(after)) {
      const given = JSON.stringify(after.slice(0, 60));
      throw invalidArgument(`Last-Event-ID must be an event's id, not ${given}`);
    }
    const stream = new JobStream(this.#connection, this.#feeds);
    let begun = false;
    try {
      begun = await stream.open(decodeId(id), this.#queueName(query), after);
    } finally {
      if (!begun) stream.close();
    }
    if (!begun) {
      response.writeHead(204).end(); // tells an EventSource not to come back: it has had the end
    } else if (response.destroyed) {
      stream.close(); // the client has left meanwhile
    } else {
      response.writeHead(200, STREAM_HEADERS).flushHeaders();
      stream.send(response, this.#keepAliveMs);
    }
  }

  async submit(call: Call): Promise<void> {
    const { request, response } = call;
    const name = decodeId(call.id);
    const check = this.#submit.get(name);
    if (check === undefined) {
      throw new MillraceError("not_found", `no job ${show(name)} may be submitted here`);
    }
    const jobId = idempotentId(name, request.headers["idempotency-key"]);
    const data = checked(name, check, call.body ?? (await readBody(request)));
    const queue = this.#queue as Queue;
    const job = await queue.add(name, data, jobId === undefined ? {} : { jobId });
    const { id } = job;
    sendJson(response, job.existing ? 200 : 202, { id, queue: queue.name, name });
  }

  /** Ends the streams, and closes the store if it was given as a path. Idempotent. */
  close(): Promise<void> {
    this.#feeds.close();
    this.#closing ??= this.#owned ? this.#connection.release() : Promise.resolve();
    return this.#closing;
  }
}

function submitChecks(
  what: string,
  submit: JobsRouterOptions["submit"],
): ReadonlyMap<string, SubmitCheck> {
  if (submit === undefined) return new Map();
  if (Array.isArray(submit)) {
    return new Map((submit as readonly string[]).map((name) => [name, (data: unknown) => data]));
  }
  const given: unknown = submit;
  checkObject(`${what}: submit`, given);
  for (const [name, check] of Object.entries(given)) {
    if (typeof check !== "function") {
      throw invalidArgument(
        `${what}: submit[${show(name)}] must be a function, not ${show(check)}`,
      );
    }
  }
  return new Map(Object.entries(submit as Readonly<Record<string, SubmitCheck>>));
}

/** The same in every language, so that a repeated request finds its job wherever it arrives. */
export function idempotentId(name: string, key: unknown): string | undefined {
  if (key === undefined) return undefined;
  if (typeof key !== "string" || key === "" || key.length > KEY_MAX) {
    throw invalidArgument(`Idempotency-Key must have 1 to ${KEY_MAX} characters`);
  }
  return `idempotency-${createHash("sha256").update(`${name}\n${key}`).digest("hex")}`;
}

function checked(name: string, check: SubmitCheck, data: unknown): unknown {
  try {
    return check(data);
  } catch (error) {
    throw invalidArgument(`${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** For frameworks that have not read it. */
async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    if (bytes > BODY_BYTES_MAX) {
      throw new MillraceError("too_large", `the body has more than ${BODY_BYTES_MAX} bytes`);
    }
    chunks.push(chunk as Buffer);
  }
  const text = Buffer.concat(chunks).toString();
  if (text === "") return {};
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalidArgument(`the body is not JSON: ${(error as Error).message}`);
  }
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response
    .writeHead(status, { "Content-Type": "application/json; charset=utf-8" })
    .end(JSON.stringify(body));
}

/** Answers what the caller did wrong; anything else is for the application's error handler. */
function refuse(response: ServerResponse, error: unknown): boolean {
  if (!isOfKind(error, "error") || response.headersSent) return false;
  const { reason: code, message } = error as MillraceError;
  if (!["not_found", "invalid_argument", "too_large"].includes(code)) return false;
  sendJson(response, code === "not_found" ? 404 : 400, { detail: { code, message } });
  return true;
}

function decodeId(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalidArgument(`id is not valid in a URL: ${JSON.stringify(text.slice(0, 60))}`);
  }
}
