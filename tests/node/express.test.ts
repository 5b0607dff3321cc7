import assert from "node:assert/strict";
import { once } from "node:events";
import { type IncomingMessage, type Server, createServer, get, request } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";

import express from "express";
import { type Job, UnrecoverableError } from "millrace";
import { type JobsRouterOptions, jobsRouter } from "millrace/express";

import { Bench, deferred, until } from "./support.js";

interface Answer {
  status: number;
  headers: IncomingMessage["headers"];
  body: string;
}

/** One server-sent event. */
interface Sent {
  event: string;
  id: string;
  data: Record<string, unknown>;
}

function parseEvent(text: string): Sent {
  const fields = new Map(
    text
      .trim()
      .split("\n")
      .map((line) => [line.slice(0, line.indexOf(": ")), line.slice(line.indexOf(": ") + 2)]),
  );
  return {
    event: fields.get("event") ?? "",
    id: fields.get("id") ?? "",
    data: JSON.parse(fields.get("data") ?? "null") as Record<string, unknown>,
  };
}

/** A real server with the routes, closed with the test. */
class Site {
  readonly #base: string;

  constructor(readonly server: Server) {
    this.#base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async open(bench: Bench, options: JobsRouterOptions = {}): Promise<Site> {
    const router = jobsRouter({
      ...(options.queue === undefined ? { store: bench.store } : {}),
      ...options,
    });
    const app = express();
    app.use("/jobs", router);
    app.use((_request: express.Request, response: express.Response) => {
      response.status(404).send("not ours");
    });
    const server = createServer(app).listen(0, "127.0.0.1");
    await once(server, "listening");
    bench.add({
      close: async () => {
        await router.close();
        server.closeAllConnections();
        server.close();
      },
    });
    return new Site(server);
  }

  async ask(path: string, options: { method?: string; after?: string } = {}): Promise<Answer> {
    const headers = options.after === undefined ? {} : { "Last-Event-ID": options.after };
    const asked = request(this.#base + path, { method: options.method ?? "GET", headers }).end();
    const [response] = (await once(asked, "response")) as [IncomingMessage];
    let body = "";
    for await (const chunk of response) body += String(chunk);
    return { status: response.statusCode ?? 0, headers: response.headers, body };
  }

  async json(path: string, method = "GET"): Promise<Record<string, unknown>> {
    return JSON.parse((await this.ask(path, { method })).body) as Record<string, unknown>;
  }

  async follow(path: string): Promise<Follower> {
    const asked = get(this.#base + path);
    const [response] = (await once(asked, "response")) as [IncomingMessage];
    assert.equal(response.statusCode, 200);
    return new Follower(response);
  }
}

/** A client of the events route. */
class Follower {
  #text = "";
  ended = false;

  constructor(readonly response: IncomingMessage) {
    response.setEncoding("utf8");
    response.on("data", (data: string) => (this.#text += data));
    response.on("end", () => (this.ended = true));
  }

  async chunk(): Promise<string> {
    await until(() => this.#text.includes("\n\n"));
    const end = this.#text.indexOf("\n\n") + 2;
    const chunk = this.#text.slice(0, end);
    this.#text = this.#text.slice(end);
    return chunk;
  }

  async event(): Promise<Sent> {
    return parseEvent(await this.chunk());
  }

  async end(): Promise<void> {
    await until(() => this.ended);
  }
}

/** A worker whose jobs stop where the test says. */
function heldWorker(bench: Bench): {
  started: Promise<Job>;
  release: ReturnType<typeof deferred<unknown>>;
} {
  const started = deferred<Job>();
  const release = deferred<unknown>();
  bench.worker(async (job) => {
    started.resolve(job);
    return release.promise;
  });
  // Lets the worker close if the test fails.
  bench.add({
    close: () => {
      release.resolve(null);
      return Promise.resolve();
    },
  });
  return { started: started.promise, release };
}

describe("jobsRouter", () => {
  it("answers the status of a job without its payload", async (t) => {
    const bench = new Bench(t);
    await bench.queue().add("resize", { secret: 1 }, { jobId: "a", attempts: 4, delay: 60_000 });
    const site = await Site.open(bench);
    const answer = await site.json("/jobs/a");
    assert.equal((answer["due_at_ms"] as number) - (answer["created_at_ms"] as number), 60_000);
    assert.deepEqual(
      { ...answer, due_at_ms: 0, created_at_ms: 0 },
      {
        id: "a",
        queue: "q",
        name: "resize",
        state: "scheduled",
        status: "PENDING",
        progress: null,
        result: null,
        error: null,
        max_attempts: 4,
        attempts_started: 0,
        attempts_made: 0,
        crashes: 0,
        cancel_requested: false,
        created_at_ms: 0,
        due_at_ms: 0,
        started_at_ms: null,
        finished_at_ms: null,
      },
    );
  });

  it("follows a job to its end", async (t) => {
    const bench = new Bench(t);
    const site = await Site.open(bench);
    const { started, release } = heldWorker(bench);
    await bench.queue().add("n", {}, { jobId: "a" });
    const job = await started;
    const follower = await site.follow("/jobs/a/events");
    await job.updateProgress({ done: 1 });
    const first = await follower.event();
    assert.deepEqual(
      [first.event, first.data],
      ["progress", { id: "a", queue: "q", progress: { done: 1 }, status: "PROGRESS" }],
    );
    assert.equal((await site.json("/jobs/a"))["status"], "PROGRESS");
    await job.updateProgress({ $state: "HALF", meta: 2 });
    assert.deepEqual((await follower.event()).data, {
      id: "a",
      queue: "q",
      progress: 2,
      status: "HALF",
    });
    release.resolve([1, 2]);
    const last = await follower.event();
    assert.deepEqual(
      [last.event, last.data],
      ["completed", { id: "a", queue: "q", result: [1, 2] }],
    );
    await follower.end();
    const after = await site.json("/jobs/a");
    assert.deepEqual([after["status"], after["result"]], ["SUCCESS", [1, 2]]);
  });

  it("sends a client that comes back what it missed, and no more", async (t) => {
    const bench = new Bench(t);
    const site = await Site.open(bench);
    const { started, release } = heldWorker(bench);
    await bench.queue().add("n", {}, { jobId: "a" });
    const job = await started;
    const follower = await site.follow("/jobs/a/events");
    await job.updateProgress(1);
    const { id } = await follower.event();
    follower.response.destroy();
    await job.updateProgress(2);
    const events = await bench.events();
    const failed = once(events, "failed");
    release.reject(new UnrecoverableError("no image"));
    await failed;
    const answer = await site.ask("/jobs/a/events", { after: id });
    const sent = answer.body.trim().split("\n\n").map(parseEvent);
    assert.deepEqual(
      sent.map((each) => [each.event, each.data["progress"], each.data["error"]]),
      [
        ["progress", 2, undefined],
        ["failed", undefined, { type: "UnrecoverableError", message: "no image" }],
      ],
    );
    const again = await site.ask("/jobs/a/events", { after: sent[1]!.id });
    assert.deepEqual([again.status, again.body], [204, ""]);
  });

  it("answers the end of a finished job at once, and once", async (t) => {
    const bench = new Bench(t);
    const site = await Site.open(bench);
    await bench.queue().add("n", {}, { jobId: "a" });
    assert.deepEqual(await site.json("/jobs/a/cancel?reason=no+need", "POST"), {
      id: "a",
      queue: "q",
      outcome: "cancelled",
    });
    const answer = await site.ask("/jobs/a/events");
    assert.match(answer.headers["content-type"] ?? "", /^text\/event-stream/);
    const sent = parseEvent(answer.body);
    assert.equal(sent.event, "cancelled");
    assert.match((sent.data["error"] as { message: string }).message, /no need/);
    assert.equal((await site.ask("/jobs/a/events", { after: sent.id })).status, 204);
    assert.equal((await site.json("/jobs/a/cancel", "POST"))["outcome"], "finished");
  });

  it("serves many listeners of many jobs", async (t) => {
    const bench = new Bench(t);
    const site = await Site.open(bench);
    const queue = bench.queue();
    for (let n = 0; n < 20; n++) await queue.add("n", {}, { jobId: `job-${n}` });
    const followers = await Promise.all(
      Array.from({ length: 80 }, (_, n) => site.follow(`/jobs/job-${n % 20}/events`)),
    );
    for (let n = 0; n < 20; n++) await site.json(`/jobs/job-${n}/cancel`, "POST");
    for (const follower of followers) {
      assert.equal((await follower.event()).event, "cancelled");
      await follower.end();
    }
  });

  it("ends the stream of a removed job", async (t) => {
    const bench = new Bench(t);
    const site = await Site.open(bench);
    const queue = bench.queue();
    await queue.add("n", {}, { jobId: "a" });
    const follower = await site.follow("/jobs/a/events");
    await queue.remove("a");
    assert.equal((await follower.event()).event, "removed");
    await follower.end();
  });

  it("fills silence with comments", async (t) => {
    const bench = new Bench(t);
    const site = await Site.open(bench, { keepAlive: 1 });
    await bench.queue().add("n", {}, { jobId: "a" });
    const follower = await site.follow("/jobs/a/events");
    assert.equal(await follower.chunk(), ": keep-alive\n\n");
  });

  it("refuses what it cannot serve, and says why", async (t) => {
    const bench = new Bench(t);
    const site = await Site.open(bench);
    await bench.queue().add("n", {}, { jobId: "a" });
    for (const [path, method] of [
      ["/jobs/none", "GET"],
      ["/jobs/none/events", "GET"],
      ["/jobs/none/cancel", "POST"],
    ] as const) {
      const answer = await site.ask(path, { method });
      assert.equal(answer.status, 404);
      const { detail } = JSON.parse(answer.body) as { detail: { code: string; message: string } };
      assert.equal(detail.code, "not_found");
      assert.match(detail.message, /none/);
    }
    for (const path of [`/jobs/${"x".repeat(256)}`, "/jobs/a%00b", "/jobs/%ff", "/jobs/a/events"]) {
      const answer = await site.ask(path, { after: "yesterday" });
      assert.equal(answer.status, 400, path);
      const { detail } = JSON.parse(answer.body) as { detail: { code: string; message: string } };
      assert.equal(detail.code, "invalid_argument");
      assert.match(detail.message, /id/i);
    }
    for (const path of ["/jobs", "/jobs/", "/jobs/a/b/c", "/jobs/a/cancel"]) {
      assert.equal((await site.ask(path)).body, "not ours");
    }
  });

  it("keeps to one queue if it was given one", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    await queue.add("n", {}, { jobId: "a" });
    await bench.queue("other").add("n", {}, { jobId: "b" });
    const site = await Site.open(bench, { queue });
    assert.equal((await site.ask("/jobs/a")).status, 200);
    assert.equal((await site.ask("/jobs/b")).status, 404);
    assert.equal((await site.ask("/jobs/b?queue=other")).status, 404);
  });

  it("ends its streams when it is closed", async (t) => {
    const bench = new Bench(t);
    await bench.queue().add("n", {}, { jobId: "a" });
    const router = jobsRouter({ store: bench.store });
    const server = createServer(express().use("/jobs", router)).listen(0, "127.0.0.1");
    await once(server, "listening");
    const follower = await new Site(server).follow("/jobs/a/events");
    await router.close();
    await follower.end();
    server.close();
    await once(server, "close");
  });

  it("names wrong options", (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const wrong = (options: unknown, message: RegExp): void => {
      assert.throws(() => jobsRouter(options as JobsRouterOptions), {
        code: "invalid_argument",
        message,
      });
    };
    wrong(null, /options must be an object/);
    wrong({ connection: {} }, /unknown option "connection"/);
    wrong({ queue, store: bench.store }, /queue or store, not both/);
    wrong({ store: 1 }, /store must be a string/);
    wrong({ store: bench.store, keepAlive: 0 }, /keepAlive/);
  });
});
