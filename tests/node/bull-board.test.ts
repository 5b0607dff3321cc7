import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { type TestContext, describe, it } from "node:test";

import { createBullBoard } from "@bull-board/api";
import { ExpressAdapter } from "@bull-board/express";
import express from "express";
import { FlowProducer, Queue, UnrecoverableError } from "millrace";
import { MillraceAdapter, type MillraceAdapterOptions } from "millrace/bull-board";

import { openPage } from "./browser.js";
import { Bench, onEnd, until } from "./support.js";

/** A board of queues; answers its address. */
async function board(
  t: TestContext,
  queues: Queue[],
  options: MillraceAdapterOptions = {},
): Promise<string> {
  const serverAdapter = new ExpressAdapter();
  serverAdapter.setBasePath("/board");
  createBullBoard({
    queues: queues.map((queue) => new MillraceAdapter(queue, options)),
    serverAdapter,
    options: { validateResponses: true }, // what we answer is checked against the board's own schemas
  });
  const app = express();
  app.use("/board", serverAdapter.getRouter() as express.Router);
  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  onEnd(t, () => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/board`;
}

interface Shown {
  name: string;
  counts: Record<string, number>;
  jobs: { id: string; name: string; failedReason?: string; data: unknown }[];
  isPaused: boolean;
  hasWorkers: boolean | null;
}

async function call(method: string, url: string, body?: unknown): Promise<unknown> {
  const response = await fetch(url, {
    method,
    headers: { "Content-Type": "application/json" },
    body: body === undefined ? null : JSON.stringify(body),
  });
  const text = await response.text();
  assert.ok(response.ok, `${method} ${url}: ${response.status} ${text}`);
  return text === "" ? undefined : JSON.parse(text);
}

async function shown(url: string, name: string, status = "latest"): Promise<Shown> {
  const query = `activeQueue=${name}&status=${status}&page=1&jobsPerPage=10`;
  const { queues } = (await call("GET", `${url}/api/queues?${query}`)) as { queues: Shown[] };
  return queues.find((queue) => queue.name === name)!;
}

describe("MillraceAdapter: the board's calls", () => {
  it("lists queues, counts and jobs of every state", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue("mail");
    const url = await board(t, [queue, bench.queue("other")]);
    await queue.add("later", { to: "ann" }, { delay: 100_000, jobId: "later" });
    await queue.add("now", {}, { jobId: "now" });
    await queue.add("first", {}, { jobId: "first", priority: 1 });
    const { counts, jobs, isPaused } = await shown(url, "mail");
    assert.deepEqual([counts["waiting"], counts["delayed"], counts["prioritized"]], [1, 1, 1]);
    assert.equal(isPaused, false);
    assert.deepEqual(jobs.map(({ id }) => id).sort(), ["first", "later", "now"]);
    assert.deepEqual((await shown(url, "mail", "delayed")).jobs[0]!.data, { to: "ann" });
    assert.deepEqual((await shown(url, "other")).jobs, []);
  });

  it("shows a job with its logs, and its flow", async (t) => {
    const bench = new Bench(t);
    const flows = bench.add(new FlowProducer({ store: bench.store }));
    const url = await board(t, [bench.queue("mail"), bench.queue("parts")]);
    const { job, children } = await flows.add({
      name: "letter",
      queueName: "mail",
      children: [{ name: "stamp", queueName: "parts" }],
    });
    await job.log("one line");
    const answer = (await call("GET", `${url}/api/queues/mail/${job.id}`)) as {
      job: { name: string };
      status: string;
    };
    assert.deepEqual([answer.job.name, answer.status], ["letter", "waiting-children"]);
    assert.deepEqual(await call("GET", `${url}/api/queues/mail/${job.id}/logs`), ["one line"]);
    const flow = (await call("GET", `${url}/api/queues/mail/${job.id}/flow`)) as {
      isFlowNode: boolean;
      flowRoot: { name: string; state: string; children: { id: string; queueName: string }[] };
    };
    assert.equal(flow.isFlowNode, true);
    assert.deepEqual([flow.flowRoot.name, flow.flowRoot.state], ["letter", "waiting-children"]);
    assert.deepEqual(
      flow.flowRoot.children.map(({ id, queueName }) => [id, queueName]),
      [[children![0]!.job.id, "parts"]],
    );
  });

  it("pauses, resumes, adds, promotes, retries, removes, cleans and empties", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue("mail");
    const url = await board(t, [queue]);
    const at = `${url}/api/queues/mail`;
    await call("PUT", `${at}/pause`);
    assert.equal(await queue.isPaused(), true);
    await call("PUT", `${at}/resume`);
    assert.equal(await queue.isPaused(), false);

    await call("POST", `${at}/add`, { name: "n", data: { x: 1 }, options: { delay: 100_000 } });
    const [added] = await queue.getDelayed();
    assert.deepEqual(added!.data, { x: 1 });
    await call("PUT", `${at}/${added!.id}/promote`);
    assert.equal(await added!.getState(), "waiting");
    await call("PUT", `${at}/${added!.id}/clean`);
    assert.equal(await added!.getState(), "unknown");

    const worker = bench.worker(
      () => {
        throw new UnrecoverableError("no paper");
      },
      {},
      "mail",
    );
    const failing = await queue.add("f", {});
    await until(() => failing.isFailed());
    await worker.close();
    assert.equal((await shown(url, "mail", "failed")).jobs[0]!.failedReason, "no paper");
    await call("PUT", `${at}/${failing.id}/retry`);
    assert.equal(await failing.getState(), "waiting");
    await call("PUT", `${at}/empty`);
    assert.equal(await queue.count(), 0);
    // The board cleans what is older than five seconds.
    await queue.add("n", {}, { delay: 5_000 });
    await call("PUT", `${at}/clean/delayed`);
    assert.equal(await queue.getDelayedCount(), 1);
  });

  it("shows and changes schedulers, limits and workers", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue("mail");
    const url = await board(t, [queue]);
    await queue.upsertJobScheduler("daily", { pattern: "0 9 * * *" }, { name: "digest" });
    const { schedulers } = (await call("GET", `${url}/api/job-schedulers`)) as {
      schedulers: { id: string; name: string; pattern: string; queueName: string }[];
    };
    assert.deepEqual(
      schedulers.map(({ id, name, pattern, queueName }) => [id, name, pattern, queueName]),
      [["daily", "digest", "0 9 * * *", "mail"]],
    );
    await queue.setGlobalConcurrency(3);
    bench.worker(() => 1, { name: "ann" }, "mail");
    await until(async () => (await shown(url, "mail")).hasWorkers === true);
  });

  it("shows a queue of the package's other module system", async (t) => {
    const other = createRequire(import.meta.url)("millrace") as { Queue: typeof Queue };
    const bench = new Bench(t);
    const queue = bench.add(new other.Queue("mail", { store: bench.store }));
    assert.equal(queue instanceof Queue, false);
    await queue.add("n", { x: 1 }, { jobId: "a" });
    const url = await board(t, [queue]);
    assert.deepEqual((await shown(url, "mail")).jobs[0]!.data, { x: 1 });
    const flow = (await call("GET", `${url}/api/queues/mail/a/flow`)) as { isFlowNode: boolean };
    assert.equal(flow.isFlowNode, false);
  });

  it("refuses what is no queue of ours", () => {
    assert.throws(() => new MillraceAdapter({} as never), /queue must be a Queue, not/);
  });
});

describe("MillraceAdapter: the board in a browser", () => {
  it("shows the queues, a failed job with its error, and retries it", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue("mail");
    let broken = true;
    bench.worker(
      () => {
        if (broken) throw new UnrecoverableError("the paper has run out");
        return "sent";
      },
      {},
      "mail",
    );
    const job = await queue.add("letter", { to: "ann" });
    await until(() => job.isFailed());
    const page = await openPage(t);
    await page.goto(`${await board(t, [queue])}/queue/mail?status=failed`);
    await page.getByText("letter").first().waitFor();
    await page.goto(`${page.url().split("/queue/")[0]}/queue/mail/${job.id}`);
    await page.getByText("the paper has run out").first().waitFor();
    broken = false;
    // The buttons have icons and no names: retry, duplicate, update, clean.
    await page.locator('[class^="jobActions"] button').first().click();
    await page.getByRole("button", { name: /confirm/i }).click();
    await until(() => job.isCompleted());
  });
});
