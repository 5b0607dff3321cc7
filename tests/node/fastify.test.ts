import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, it } from "node:test";

import express from "express";
import fastify from "fastify";
import * as millrace from "millrace";
import { type Queue } from "millrace";
import { type JobsRouterOptions, jobsRouter } from "millrace/express";
import { jobsPlugin } from "millrace/fastify";

import { Bench } from "./support.js";

type Serve = (bench: Bench, options: JobsRouterOptions) => Promise<string>;

const FRAMEWORKS: Record<string, Serve> = {
  Fastify: async (bench, options) => {
    const app = fastify();
    await app.register(jobsPlugin, { prefix: "/jobs", ...options });
    const url = await app.listen({ port: 0, host: "127.0.0.1" });
    bench.add({ close: () => app.close() });
    return url;
  },
  Express: async (bench, options) => serveExpress(bench, options, false),
  "Express with express.json()": async (bench, options) => serveExpress(bench, options, true),
};

async function serveExpress(
  bench: Bench,
  options: JobsRouterOptions,
  parsed: boolean,
): Promise<string> {
  const app = express();
  if (parsed) app.use(express.json());
  const router = jobsRouter(options);
  app.use("/jobs", router);
  const server = app.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  bench.add({
    close: async () => {
      await router.close();
      server.closeAllConnections();
      server.close();
    },
  });
  const address = server.address() as { port: number };
  return `http://127.0.0.1:${address.port}`;
}

interface Answer {
  status: number;
  body: Record<string, unknown> & { detail?: { code: string; message: string } };
}

async function post(url: string, body?: unknown, key?: string): Promise<Answer> {
  const headers: Record<string, string> = { "Content-Type": "application/json" };
  if (key !== undefined) headers["Idempotency-Key"] = key;
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const response = await fetch(url, { method: "POST", headers, body: text ?? null });
  return { status: response.status, body: (await response.json()) as Answer["body"] };
}

for (const [framework, serve] of Object.entries(FRAMEWORKS)) {
  describe(`the routes in ${framework}`, () => {
    it("submit a job, tell its status, follow it and cancel it", async (t) => {
      const bench = new Bench(t);
      const queue: Queue = bench.queue();
      const url = await serve(bench, { queue, submit: ["resize"] });
      const { status, body } = await post(`${url}/jobs/resize`, { width: 5 });
      assert.equal(status, 202);
      assert.deepEqual({ ...body, id: "" }, { id: "", queue: "q", name: "resize" });
      const job = `${url}/jobs/${String(body["id"])}`;
      assert.deepEqual((await queue.getJob(body["id"] as string))?.data, { width: 5 });
      assert.equal(((await (await fetch(job)).json()) as Answer["body"])["status"], "PENDING");
      const cancelled = await post(`${job}/cancel`, {});
      assert.deepEqual(cancelled.body["outcome"], "cancelled");
      const events = await (await fetch(`${job}/events`)).text();
      assert.match(events, /^event: cancelled\n/);
      const none = await fetch(`${url}/jobs/none`);
      assert.equal(none.status, 404);
    });

    it("add one job for one Idempotency-Key", async (t) => {
      const bench = new Bench(t);
      const queue = bench.queue();
      const url = await serve(bench, { queue, submit: ["resize", "other"] });
      const first = await post(`${url}/jobs/resize`, { n: 1 }, "order 7");
      const second = await post(`${url}/jobs/resize`, { n: 2 }, "order 7");
      assert.deepEqual([first.status, second.status], [202, 200]);
      assert.deepEqual(second.body, first.body);
      assert.match(String(first.body["id"]), /^idempotency-[0-9a-f]{64}$/);
      const other = await post(`${url}/jobs/other`, { n: 1 }, "order 7");
      assert.equal(other.status, 202);
      assert.equal(await queue.getWaitingCount(), 2);
      const bad = await post(`${url}/jobs/resize`, {}, "x".repeat(256));
      assert.equal(bad.status, 400);
      assert.match(bad.body.detail?.message ?? "", /Idempotency-Key must have 1 to 255/);
    });

    it("refuse what is not allowed, and write nothing", async (t) => {
      const bench = new Bench(t);
      const queue = bench.queue();
      const url = await serve(bench, {
        queue,
        submit: {
          resize: (data) => {
            const { width } = data as { width?: unknown };
            if (typeof width !== "number") throw new TypeError("width must be a number");
            return { width: Math.round(width) };
          },
        },
      });
      const unknown = await post(`${url}/jobs/delete-all`, {});
      assert.equal(unknown.status, 404);
      assert.equal(unknown.body.detail?.code, "not_found");
      const wrong = await post(`${url}/jobs/resize`, { width: "5" });
      assert.deepEqual(
        [wrong.status, wrong.body.detail],
        [400, { code: "invalid_argument", message: "resize: width must be a number" }],
      );
      assert.equal(
        (
          await fetch(`${url}/jobs/resize`, {
            method: "POST",
            headers: { "Content-Type": "application/json" },
            body: "{",
          })
        ).status,
        400,
      );
      assert.equal(await queue.getWaitingCount(), 0);
      const { body } = await post(`${url}/jobs/resize`, { width: 4.6 });
      assert.deepEqual((await queue.getJob(String(body["id"])))?.data, { width: 5 });
    });

    it("submit nothing unless they are told to", async (t) => {
      const bench = new Bench(t);
      const url = await serve(bench, { queue: bench.queue() });
      const response = await fetch(`${url}/jobs/resize`, { method: "POST" });
      assert.equal(response.status, 404);
    });
  });
}

describe("the routes of a queue or store of the package's other module system", () => {
  const other = createRequire(import.meta.url)("millrace") as typeof millrace;

  it("submit to the queue, follow its jobs and say what is wrong", async (t) => {
    const bench = new Bench(t);
    const queue = bench.add(new other.Queue("q", { store: bench.store }));
    assert.equal(queue instanceof millrace.Queue, false);
    const url = await serveExpress(bench, { queue, submit: ["resize"] }, false);
    const { status, body } = await post(`${url}/jobs/resize`, { width: 5 });
    assert.equal(status, 202);
    const job = `${url}/jobs/${String(body["id"])}`;
    const following = fetch(`${job}/events`);
    await (await following).body?.getReader().cancel();
    assert.equal((await post(`${job}/cancel`, {})).body["outcome"], "cancelled");
    assert.match(await (await fetch(`${job}/events`)).text(), /^event: cancelled\n/);
    assert.equal((await post(`${url}/jobs/none/cancel`, {})).status, 404);
    await assert.rejects(queue.add("n", {}, { parent: { id: "none" } }), { reason: "not_found" });
  });

  it("read the store, which stays open", async (t) => {
    const bench = new Bench(t);
    const store = bench.add(await other.openStore(bench.store));
    const url = await serveExpress(bench, { store }, false);
    const job = await bench.queue().add("n", {});
    const view = (await (await fetch(`${url}/jobs/${job.id}`)).json()) as Answer["body"];
    assert.equal(view["status"], "PENDING");
  });
});

describe("the options of the routes", () => {
  it("are checked", (t) => {
    const bench = new Bench(t);
    assert.throws(
      () => jobsRouter({ store: bench.store, submit: ["n"] }),
      /submit needs the option/,
    );
    const queue = bench.queue();
    assert.throws(
      () => jobsRouter({ queue, submit: { n: 1 as never } }),
      /jobsRouter: submit\["n"\] must be a function, not 1/,
    );
    assert.throws(() => jobsRouter({ queue, submt: [] } as never), /"submt"/);
  });
});
