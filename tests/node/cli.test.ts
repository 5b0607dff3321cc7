import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, describe, it } from "node:test";

import { Queue, QueueEvents, Worker } from "millrace";

interface Job {
  queue: string;
  name: string;
  id: string;
  data: object;
  delay_ms?: number;
  error?: { type: string; message: string };
}

interface Case {
  args: string[];
  status: number;
  answer?: unknown;
}

const root = dirname(createRequire(import.meta.url).resolve("millrace/package.json"));
const table = JSON.parse(readFileSync(join(root, "tests/conformance/cli.json"), "utf8")) as {
  jobs: Job[];
  fail: Job[];
  cases: Case[];
};

interface Done {
  status: number | null;
  out: string;
  err: string;
}

async function run(args: string[], build = "esm"): Promise<Done> {
  const environment: NodeJS.ProcessEnv = { ...process.env };
  delete environment["MILLRACE_STORE"];
  const child = spawn(process.execPath, [join(root, "node/dist", build, "cli.js"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: environment,
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (data: Buffer) => (out += data.toString()));
  child.stderr.on("data", (data: Buffer) => (err += data.toString()));
  const [status] = (await once(child, "close")) as [number | null];
  return { status, out, err };
}

function newFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "millrace-cli-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Makes the store of the table. */
async function fill(store: string): Promise<void> {
  const queues = new Map<string, Queue>();
  const queueOf = (name: string): Queue => {
    const queue = queues.get(name) ?? new Queue(name, { store, durability: "process" });
    queues.set(name, queue);
    return queue;
  };
  for (const { queue, name, id, data, delay_ms } of table.jobs)
    await queueOf(queue).add(name, data, { jobId: id, delay: delay_ms ?? 0 });
  for (const { queue, name, id, data, error } of table.fail) {
    const job = await queueOf(queue).add(name, data, { jobId: id });
    const events = new QueueEvents(queue, { store });
    const worker = new Worker(
      queue,
      () =>
        Promise.reject(Object.assign(new Error(error?.message), { name: error?.type ?? "Error" })),
      { store, durability: "process" },
    );
    await assert.rejects(job.waitUntilFinished(events));
    await worker.close();
    await events.close();
    // Dead letters are listed by the millisecond in which they ended.
    const ended = (await queueOf(queue).getJob(id))?.finishedOn ?? 0;
    while (Date.now() <= ended) await new Promise((resolve) => setImmediate(resolve));
  }
  for (const queue of queues.values()) await queue.close();
}

/** An answer must have what is expected; objects may have more. */
function assertFits(expected: unknown, answer: unknown, where: string): void {
  if (typeof expected !== "object" || expected === null) {
    assert.deepEqual(answer, expected, where);
    return;
  }
  assert.ok(typeof answer === "object" && answer !== null, where);
  if (Array.isArray(expected)) {
    assert.ok(Array.isArray(answer) && answer.length === expected.length, where);
  }
  for (const [key, value] of Object.entries(expected))
    assertFits(value, (answer as Record<string, unknown>)[key], `${where}.${key}`);
}

describe("millrace, the command", () => {
  it("answers the cases that every language answers", async (t) => {
    const folder = newFolder(t);
    const store = join(folder, "jobs.db");
    await fill(store);
    assert.ok(table.cases.length > 40);
    for (const one of table.cases) {
      const args = one.args.map((arg) => arg.replace("$dir", folder));
      if (args.length > 1 || !["dead", undefined].includes(args[0])) {
        args.push("--json", ...(args.includes("--store") ? [] : ["--store", store]));
      }
      const { status, out, err } = await run(args);
      assert.equal(status, one.status, `${args.join(" ")}\n${out}${err}`);
      if (one.answer !== undefined) {
        const expected: unknown = JSON.parse(JSON.stringify(one.answer).replaceAll("$dir", folder));
        assert.notEqual(out, "", `${args.join(" ")}\n${err}`);
        assertFits(expected, JSON.parse(out), args.join(" "));
      }
    }
  });

  it("runs from the CommonJS build too", async (t) => {
    const store = join(newFolder(t), "jobs.db");
    const queue = new Queue("q", { store, durability: "process" });
    await queue.add("n", {});
    await queue.close();
    for (const build of ["esm", "cjs"]) {
      const { status, out } = await run(["inspect", "--json", "--store", store], build);
      assert.equal(status, 0);
      assertFits({ queues: [{ queue: "q", ready: 1 }] }, JSON.parse(out), build);
    }
  });

  it("says how it is called", async () => {
    const bare = await run([]);
    assert.equal(bare.status, 2);
    const help = await run(["--help"]);
    assert.equal(help.status, 0);
    for (const verb of ["inspect", "dead retry", "purge", "doctor", "backup", "bench"])
      assert.match(help.out, new RegExp(`^  ${verb} `, "m"));
    const one = await run(["dead", "retry", "-h"]);
    assert.match(one.out, /usage: millrace dead retry \[id\]/);
    assert.match(one.out, /--all/);
  });

  it("measures, and leaves nothing behind", async (t) => {
    const folder = newFolder(t);
    const args = ["bench", "--json", "--dir", folder, "--runs", "1", "--jobs", "50"];
    const { status, out, err } = await run([...args, "--durability", "process"]);
    assert.equal(status, 0, err);
    const report = JSON.parse(out) as { rows: { ours: number; durability: string }[] };
    assert.ok(report.rows.length >= 6);
    for (const row of report.rows) assert.ok(row.ours > 0 && row.durability === "process");
    assert.deepEqual(readdirSync(folder), []);
  });
});
