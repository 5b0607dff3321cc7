// A plugin for Fastify: the same routes as millrace/express.
//
//   await app.register(jobsPlugin, { prefix: "/jobs", queue, submit: ["resize"] });
import type { IncomingMessage, ServerResponse } from "node:http";

import { type Action, JobRoutes, type JobsRouterOptions } from "./job-routes.js";

export type { JobsRouterOptions, SubmitCheck } from "./job-routes.js";

/** What is used of a Fastify instance: any version from 4 has it. */
export interface FastifyLike {
  route(options: {
    method: string;
    url: string;
    handler: (request: FastifyRequestLike, reply: FastifyReplyLike) => Promise<unknown>;
  }): unknown;
  addHook(name: "preClose", hook: () => Promise<void>): unknown;
  readonly log?: { error(error: unknown): void };
}
interface FastifyRequestLike {
  readonly raw: IncomingMessage;
  readonly params: unknown;
  readonly body?: unknown;
}
interface FastifyReplyLike {
  readonly raw: ServerResponse;
  hijack(): unknown;
}

/** Options of the plugin `jobsPlugin`. */
export interface JobsPluginOptions extends JobsRouterOptions {
  /** Where the routes lie: Fastify's own option. */
  prefix?: string;
}

const ROUTES: [method: string, url: string, action: Action][] = [
  ["GET", "/:id", "status"],
  ["GET", "/:id/events", "events"],
  ["POST", "/:id/cancel", "cancel"],
  ["POST", "/:id", "submit"],
];

/** To be registered with the options of millrace/express and Fastify's `prefix`. Its streams end with `app.close()`. */
export function jobsPlugin(app: FastifyLike, options: JobsPluginOptions): Promise<void> {
  const own: JobsPluginOptions = { ...options };
  delete own.prefix;
  const routes = new JobRoutes("jobsPlugin", own);
  for (const [method, url, action] of ROUTES) {
    if (action === "submit" && routes.find("POST", undefined) === undefined) continue;
    const handler = async (request: FastifyRequestLike, reply: FastifyReplyLike): Promise<void> => {
      reply.hijack(); // the routes write the answer themselves
      const { raw, body } = request;
      const { id } = request.params as { id: string };
      const query = new URLSearchParams(raw.url?.split("?")[1] ?? "");
      // The router has decoded it already.
      const call = { request: raw, response: reply.raw, id: encodeURIComponent(id), query, body };
      try {
        await routes.serve(action, call);
      } catch (error) {
        if (!reply.raw.headersSent) reply.raw.writeHead(500).end();
        else reply.raw.destroy();
        app.log?.error(error);
      }
    };
    app.route({ method, url, handler });
  }
  app.addHook("preClose", () => routes.close());
  return Promise.resolve();
}
