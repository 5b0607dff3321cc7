// Routes for Express (and whatever else takes such handlers): a job's status, its events while it runs, cancelling it.
//
//   app.use("/jobs", jobsRouter({ store: "jobs.db" }));
//
//   GET  /jobs/:id          its status
//   GET  /jobs/:id/events   server-sent events `progress`, `completed`, `failed`, `cancelled`, `removed`; every one but
//                           the first is the last
//   POST /jobs/:id/cancel   {id, queue, outcome}: "cancelled", "requested" (it runs and was told) or "finished"
import type { IncomingMessage, ServerResponse } from "node:http";

import { checkInteger, checkKnownOptions, checkObject } from "../check.js";
import { type Connection, connect } from "../connection.js";
import { MillraceError, invalidArgument } from "../errors.js";
import type { Queue } from "../queue.js";
import { CANCEL_RESULTS } from "../states.js";
import type { Store } from "../store.js";
import { JobFeeds } from "./job-feed.js";
import { JobStream, readStoredJob } from "./job-stream.js";
import { jobView } from "./job-view.js";

export interface JobsRouterOptions {
  /** Only the jobs of this queue. It stays yours to close. */

  queue?: Queue;
  /** The jobs of all queues: a Store, which stays yours to close, or a path. Default: MILLRACE_STORE. */
  store?: string | Store;
  /** Milliseconds without an event after which a comment is sent, so that no proxy ends the connection. Default 15,000. */
  keepAlive?: number;
}

/**
 * A handler to mount with `app.use(path, router)`. Anybody who knows an id may use it: mount a handler before it that
 * asks who it is.
 */
export interface JobsRouter {
  (
    request: IncomingMessage,
    response: ServerResponse,
    next: (error?: unknown) => void,
  ): Promise<void>;
  /** Ends the streams, and closes the store if it was given as a path. Idempotent. */
  close(): Promise<void>;
}

const KNOWN = new Set(["queue", "store", "keepAlive"]);
const ROUTE = /^\/([^/?]+)(\/events|\/cancel)?\/?(?:\?(.*))?$/s;
const EVENT_ID = /^\d{1,19}-\d{1,19}$/;
const STREAM_HEADERS = {
  "Content-Type": "text/event-stream; charset=utf-8",
  "Cache-Control": "no-store",
  "X-Accel-Buffering": "no", // nginx would hold events back
};

interface Call {
  request: IncomingMessage;
  response: ServerResponse;
  id: string;
  queue: string;
  query: URLSearchParams;
}

class Routes {
  readonly feeds: JobFeeds;
  readonly connection: Connection;
  readonly #keepAliveMs: number;

  constructor(connection: Connection, keepAliveMs: number) {
    this.connection = connection;
    this.feeds = new JobFeeds(connection);
    this.#keepAliveMs = keepAliveMs;
  }

  async status({ response, id, queue }: Call): Promise<void> {
    sendJson(response, 200, jobView(await readStoredJob(this.connection, id, queue)));
  }

  async cancel({ response, id, queue, query }: Call): Promise<void> {
    const job = await readStoredJob(this.connection, id, queue);
    const result = await this.connection.call((engine) =>
      engine.cancel(job.id, job.queue, query.get("reason") ?? "", -1),
    );
    sendJson(response, 200, { id: job.id, queue: job.queue, outcome: CANCEL_RESULTS[result] });
  }

  async events({ request, response, id, queue }: Call): Promise<void> {
    const after = request.headers["last-event-id"]?.toString() || undefined;
    if (after !== undefined && !EVENT_ID.test(after)) {
      const given = JSON.stringify(after.slice(0, 60));
      throw invalidArgument(`Last-Event-ID must be an event's id, not ${given}`);
    }
    const stream = new JobStream(this.connection, this.feeds);
    let begun = false;
    try {
      begun = await stream.open(id, queue, after);
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
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response
    .writeHead(status, { "Content-Type": "application/json; charset=utf-8" })
    .end(JSON.stringify(body));
}

/** Answers what the caller did wrong; anything else is for the application's error handler. */
function refuse(response: ServerResponse, error: unknown): boolean {
  if (!(error instanceof MillraceError) || response.headersSent) return false;
  const { reason: code, message } = error;
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

type Action = "status" | "events" | "cancel";

function findAction(method: string | undefined, tail: string | undefined): Action | undefined {
  if (tail === "/cancel") return method === "POST" ? "cancel" : undefined;
  if (method !== "GET") return undefined;
  return tail === "/events" ? "events" : "status";
}

function connectionOf({ queue, store }: JobsRouterOptions): {
  connection: Connection;
  owned: boolean;
} {
  if (queue !== undefined && store !== undefined) {
    throw invalidArgument("jobsRouter: give queue or store, not both");
  }
  const given = queue ?? store;
  const connection = connect("jobsRouter", given);
  const owned = typeof given !== "object";
  if (!owned) void connection.release(); // its owner's use of it is enough
  return { connection, owned };
}

/** The routes of a queue's or a store's jobs. */
export function jobsRouter(options: JobsRouterOptions = {}): JobsRouter {
  const given: unknown = options;
  checkObject("jobsRouter: options", given);
  checkKnownOptions("jobsRouter", options, KNOWN);
  const keepAlive = options.keepAlive ?? 15_000;
  checkInteger("jobsRouter: keepAlive", keepAlive, 1, 2 ** 31 - 1);
  const { connection, owned } = connectionOf(options);
  const routes = new Routes(connection, keepAlive);
  const handle = async (
    request: IncomingMessage,
    response: ServerResponse,
    next: (error?: unknown) => void,
  ): Promise<void> => {
    const route = ROUTE.exec(request.url ?? "");
    const action = route && findAction(request.method, route[2]);
    if (!route || action === undefined || action === null) {
      next();
      return;
    }
    try {
      const query = new URLSearchParams(route[3] ?? "");
      const queue = options.queue?.name ?? query.get("queue") ?? "";
      const id = decodeId(route[1] as string);
      await routes[action]({ request, response, id, queue, query });
    } catch (error) {
      if (!refuse(response, error)) next(error);
    }
  };
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    routes.feeds.close();
    closing ??= owned ? connection.release() : Promise.resolve();
    return closing;
  };
  return Object.assign(handle, { close });
}
