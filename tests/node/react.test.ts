import assert from "node:assert/strict";
import { once } from "node:events";
import { type Server, createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { dirname, join } from "node:path";
import { type TestContext, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";
import express from "express";
import { UnrecoverableError } from "millrace";
import { jobsRouter } from "millrace/express";

import { openPage } from "./browser.js";
import { Bench, deferred, onEnd, until } from "./support.js";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");

/** The page: shows the jobs that its address names, the second one by the component. */
const PAGE = `
import { createElement as h } from "react";
import { createRoot } from "react-dom/client";
import { JobProgress, useJob } from "millrace/react";

function Shown({ url }) {
  return h("pre", { id: "hook" }, JSON.stringify(useJob(url)));
}
const [first, second] = location.hash.slice(1).split(",");
createRoot(document.getElementById("root")).render(
  h("main", null, h(Shown, { url: first || null }), second && h(JobProgress, { url: second })),
);
`;

async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: PAGE, resolveDir: ROOT },
    bundle: true,
    write: false,
    format: "iife",
    define: { "process.env.NODE_ENV": '"production"' },
  });
  return outputFiles[0]!.text;
}

/** The page and the routes, on one port; while `away` is true nobody is answered. */
async function serve(
  t: TestContext,
  bench: Bench,
): Promise<{ url: string; server: Server; site: { away: boolean } }> {
  const script = await bundle();
  const router = jobsRouter({ store: bench.store });
  const site = { away: false };
  const app = express();
  app.use((request, _response, next) => {
    if (site.away) request.socket.destroy();
    else next();
  });
  app.use("/jobs", router);
  app.get("/page.js", (_request, response) => void response.type("js").send(script));
  app.get("/", (_request, response) => {
    response.send('<!doctype html><div id="root"></div><script src="/page.js"></script>');
  });
  const server = createServer(app).listen(0, "127.0.0.1");
  await once(server, "listening");
  onEnd(t, async () => {
    await router.close();
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, server, site };
}

describe("millrace/react in a browser", () => {
  it("shows a job from its start to its end, over a lost connection", async (t) => {
    const bench = new Bench(t);
    const { url, server, site } = await serve(t, bench);
    const sockets = new Set<Socket>();
    server.on("connection", (socket: Socket) => sockets.add(socket));
    const queue = bench.queue();
    await queue.add("n", {}, { jobId: "a" });
    await queue.add("n", {}, { jobId: "b" });
    const page = await openPage(t);
    const shown = async (): Promise<Record<string, unknown>> =>
      JSON.parse((await page.textContent("#hook")) ?? "{}") as Record<string, unknown>;
    await page.goto(`${url}#/jobs/a,/jobs/b`);
    await until(async () => (await shown())["status"] === "PENDING");
    assert.deepEqual([(await shown())["connected"], (await shown())["done"]], [true, false]);

    const ends = [deferred<unknown>(), deferred<unknown>()];
    let running = 0;
    bench.worker(
      async (job) => {
        const end = ends[job.id === "a" ? 0 : 1]!;
        await job.updateProgress(30);
        running++;
        return end.promise;
      },
      { concurrency: 2 },
    );
    await until(() => running === 2);
    await until(async () => (await shown())["progress"] === 30);
    await page.waitForFunction('document.querySelector("progress").value === 30');

    site.away = true; // or it might be back before anybody has looked
    for (const socket of sockets) socket.destroy();
    await until(async () => (await shown())["connected"] === false);
    ends[0]!.resolve({ pages: 7 });
    site.away = false;
    // It comes back by itself, and is told what it has missed.
    await until(async () => (await shown())["done"] === true);
    assert.deepEqual(await shown(), {
      ...{ status: "SUCCESS", progress: 30, result: { pages: 7 }, done: true, connected: false },
    });
    ends[1]!.reject(new UnrecoverableError("no paper"));
    await page.waitForFunction('document.querySelector("span").textContent.includes("no paper")');
  });

  it("shows an end that came before, and that there is no such job", async (t) => {
    const bench = new Bench(t);
    const { url } = await serve(t, bench);
    const queue = bench.queue();
    const events = await bench.events();
    bench.worker(() => 1);
    await (await queue.add("n", {}, { jobId: "a" })).waitUntilFinished(events);
    const page = await openPage(t);
    await page.goto(`${url}#/jobs/a`);
    await page.waitForFunction('document.querySelector("#hook").textContent.includes("SUCCESS")');
    await page.goto("about:blank");
    await page.goto(`${url}#/jobs/none`);
    await page.waitForFunction('document.querySelector("#hook").textContent.includes("not_found")');
  });
});
