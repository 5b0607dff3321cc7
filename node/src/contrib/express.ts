// Routes for Express (and whatever else takes such handlers): a job's status, its events while it runs, cancelling it,
// and, for the names that you allow, submitting one.
//
//   app.use("/jobs", jobsRouter({ queue, submit: ["resize"] }));
//
//   GET  /jobs/:id          its status
//   GET  /jobs/:id/events   server-sent events `progress`, `completed`, `failed`, `cancelled`, `removed`; every one but
//                           the first is the last
//   POST /jobs/:id/cancel   {id, queue, outcome}: "cancelled", "requested" (it runs and was told) or "finished"
//   POST /jobs/:name        adds a job with the body as its data: 202 {id, queue, name}. With the header
//                           Idempotency-Key the same key adds one job: 200 with that one
import type { IncomingMessage, ServerResponse } from "node:http";

import { JobRoutes, type JobsRouterOptions } from "./job-routes.js";

export type { JobsRouterOptions, SubmitCheck } from "./job-routes.js";

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

const ROUTE = /^\/([^/?]+)(\/events|\/cancel)?\/?(?:\?(.*))?$/s;

/** The routes of a queue's or a store's jobs. */
export function jobsRouter(options: JobsRouterOptions = {}): JobsRouter {
  const routes = new JobRoutes("jobsRouter", options);
  const handle = async (
    request: IncomingMessage,
    response: ServerResponse,
    next: (error?: unknown) => void,
  ): Promise<void> => {
    const route = ROUTE.exec(request.url ?? "");
    const action = route === null ? undefined : routes.find(request.method, route[2]);
    if (route === null || action === undefined) {
      next();
      return;
    }
    const query = new URLSearchParams(route[3] ?? "");
    const body: unknown = (request as { body?: unknown }).body;
    try {
      await routes.serve(action, { request, response, id: route[1] as string, query, body });
    } catch (error) {
      next(error);
    }
  };
  return Object.assign(handle, { close: () => routes.close() });
}
