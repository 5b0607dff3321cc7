import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { pathToFileURL } from "node:url";

import { Job, type RemoteError, Worker, type WorkerOptions } from "millrace";

import { Bench, fixture, runFixture, until } from "./support.js";

const FILE = fixture("sandbox/processor.mjs");
const BOTH: [string, WorkerOptions][] = [
  ["child processes", {}],
  ["worker threads", { useWorkerThreads: true }],
];

function sandboxed(bench: Bench, file: string | URL, options: WorkerOptions = {}): Worker {
  return bench.add(
    new Worker("q", file, { store: bench.store, durability: "process", ...options }),
  );
}

/** Whether there is a process of this id. */
function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

for (const [kind, options] of BOTH) {
  describe(`a sandboxed processor in ${kind}`, () => {
    it("gets the job and answers a result, and one sandbox serves many jobs", async (t) => {
      const bench = new Bench(t);
      const queue = bench.queue();
      const events = await bench.events();
      sandboxed(bench, FILE, options);
      const pids = new Set<number>();
      for (let i = 0; i < 3; i++) {
        const job = await queue.add("result", { i, text: "é" });
        const result = await job.waitUntilFinished(events);
        assert.deepEqual(result.data, { i, text: "é" });
        assert.equal(result.name, "result");
        assert.match(result.token, /^\d+$/);
        pids.add(result.pid);
      }
      assert.equal(pids.size, 1);
      assert.equal(pids.has(process.pid), options.useWorkerThreads === true);
    });

    it("reports progress and logs, and reads what its children answered", async (t) => {
      const bench = new Bench(t);
      const queue = bench.queue();
      const events = await bench.events();
      const worker = sandboxed(bench, FILE, options);
      const heard: unknown[] = [];
      worker.on("progress", (_job, progress) => heard.push(progress));
      const job = await queue.add("progress", {});
      assert.deepEqual(await job.waitUntilFinished(events), { done: 1 });
      assert.deepEqual(heard, [{ done: 1 }]);
      assert.deepEqual((await queue.getJobLogs(job.id)).logs, ["one line"]);
      const flow = await queue.addFlow({
        name: "children",
        children: [{ name: "progress", opts: { jobId: "child" } }],
      });
      assert.deepEqual(await flow.job.waitUntilFinished(events), { "q:child": { done: 1 } });
    });

    it("fails by what it throws, with the class's name, and is retried", async (t) => {
      const bench = new Bench(t);
      const queue = bench.queue();
      const events = await bench.events();
      const worker = sandboxed(bench, FILE, options);
      const failures: string[] = [];
      worker.on("failed", (_job, error) => failures.push(`${error.name}: ${error.message}`));
      const job = await queue.add("throws", {}, { attempts: 2 });
      await assert.rejects(job.waitUntilFinished(events), (error: RemoteError) => {
        assert.equal(error.type, "TypeError");
        assert.match(error.remoteStack, /processor\.mjs/);
        return true;
      });
      await until(() => failures.length === 2);
      assert.deepEqual(failures, Array(2).fill("TypeError: no such type"));
      const final = await queue.add("final", {}, { attempts: 5 });
      await assert.rejects(final.waitUntilFinished(events), { type: "UnrecoverableError" });
      assert.equal((await Job.fromId(queue, final.id))?.attemptsMade, 1);
      const big = await queue.add("unserialisable", {});
      await assert.rejects(big.waitUntilFinished(events), /cannot be written as JSON: .*BigInt/);
      const unknown = await queue.add("unknown", {});
      await assert.rejects(unknown.waitUntilFinished(events), /job\.updateProgress: arguments/);
    });

    it("moves itself to delayed, is rate limited, and changes its data", async (t) => {
      const bench = new Bench(t);
      const queue = bench.queue();
      const events = await bench.events();
      sandboxed(bench, FILE, options);
      const delayed = await queue.add("delays", { x: 1 });
      assert.deepEqual(await delayed.waitUntilFinished(events), { x: 1, seen: true });
      const limited = await queue.add("limited", {});
      assert.equal(await limited.waitUntilFinished(events), "after all");
    });

    it("a sandbox that exits fails its job, and the worker goes on with another", async (t) => {
      const bench = new Bench(t);
      const queue = bench.queue();
      const events = await bench.events();
      sandboxed(bench, FILE, options);
      for (const code of [0, 7]) {
        const job = await queue.add("exits", { code });
        const message = `Unexpected exit code: ${code} signal: null`;
        await assert.rejects(job.waitUntilFinished(events), { message });
      }
      assert.equal(
        typeof (await (await queue.add("result", {})).waitUntilFinished(events)).pid,
        "number",
      );
    });

    it("hears of a cancel, and is killed at its hard time limit", async (t) => {
      const bench = new Bench(t);
      const queue = bench.queue();
      const events = await bench.events();
      const worker = sandboxed(bench, FILE, options);
      const active = once(worker, "active");
      const waiting = await queue.add("waits", {});
      await active;
      await waiting.cancel("not wanted");
      await assert.rejects(waiting.waitUntilFinished(events), { message: "not wanted" });
      assert.equal(await waiting.getState(), "cancelled");
      // Its loop is blocked: only a kill ends it, and the worker can go on.
      const blocked = await queue.add("blocks", {}, { timeLimit: 500, softTimeLimit: 200 });
      await assert.rejects(blocked.waitUntilFinished(events), { type: "TimeLimitExceeded" });
      const next = await queue.add("result", {});
      assert.equal((await next.waitUntilFinished(events)).name, "result");
    });

    it("close with force kills what runs, and the job goes back", async (t) => {
      const bench = new Bench(t);
      const queue = bench.queue();
      const events = await bench.events();
      const worker = sandboxed(bench, FILE, options);
      const blocked = once(events, "progress");
      const job = await queue.add("blocks", {});
      await blocked;
      await worker.close(true);
      await until(async () => (await job.getState()) === "waiting");
    });
  });
}

describe("a processor's file", () => {
  it("may be CommonJS, a URL, or named without its extension", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    for (const [file, expected] of [
      [fixture("sandbox/common.cjs"), { common: 1 }],
      [fixture("sandbox/compiled"), 2],
      [pathToFileURL(fixture("sandbox/compiled.cjs")), 2],
    ] as const) {
      const worker = sandboxed(bench, file);
      const job = await queue.add("n", { x: 1 });
      assert.deepEqual(await job.waitUntilFinished(events), expected);
      await worker.close();
    }
  });

  it("that does not exist is refused at once", (t) => {
    const bench = new Bench(t);
    const none = fixture("sandbox/none.mjs");
    assert.throws(() => sandboxed(bench, none), {
      code: "invalid_argument",
      message: `new Worker: processor: the file ${JSON.stringify(none)} does not exist`,
    });
    assert.throws(() => sandboxed(bench, fixture("sandbox")), /does not exist/);
    assert.throws(() => sandboxed(bench, new URL("https://x.test/a.js")), /must be a file: URL/);
    assert.throws(() => sandboxed(bench, ""), /processor must be a function, or the path or URL/);
    assert.throws(
      () => sandboxed(bench, FILE, { batch: { size: 2 } }),
      /batch needs a function as processor/,
    );
    assert.throws(
      () => sandboxed(bench, FILE, { workerForkOptions: 1 as never }),
      /workerForkOptions must be/,
    );
  });

  it("that cannot be loaded fails the jobs, and says why", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    const failure = async (name: string): Promise<string> => {
      const worker = sandboxed(bench, fixture(name));
      const job = await queue.add("n", { x: 1 });
      const error = await job.waitUntilFinished(events).then(
        (value) => assert.fail(`it answered ${value}`),
        (reason: unknown) => `${(reason as RemoteError).type}: ${(reason as Error).message}`,
      );
      await worker.close();
      return error;
    };
    const thrown = await failure("sandbox/throws-while-loading.mjs");
    assert.match(thrown, /^RangeError: the processor's file ".*" cannot be loaded: not today$/);
    assert.match(await failure("sandbox/no-function.mjs"), /it exports no function/);
    if (!("typescript" in process.features)) {
      assert.match(await failure("sandbox/typed.ts"), /cannot be loaded: .*; give a loader for it/);
    }
  });

  it("that never loads is given up with its job, and its process ended", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const pidFile = `${bench.store}.pid`;
    sandboxed(bench, fixture("sandbox/never-loads.mjs"), {
      workerForkOptions: { env: { ...process.env, PID_FILE: pidFile } },
    });
    await queue.add("n", {});
    await until(() => existsSync(pidFile) && readFileSync(pidFile, "utf8") !== "");
    const pid = Number(readFileSync(pidFile, "utf8"));
    await queue.obliterate({ force: true }); // takes it away, as its time limit would
    await until(() => !runs(pid));
  });

  for (const kind of ["processes", "threads"]) {
    it(`and its ${kind} keep no program alive whose worker does not`, async (t) => {
      const { code, out, err } = await runFixture("sandbox-unref.mjs", new Bench(t).store, kind)
        .ended;
      assert.deepEqual([code, out, err], [0, "{ common: 1 }\n", ""]);
    });
  }

  it("is loaded with the fork's own options", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    const worker = sandboxed(bench, FILE, {
      workerForkOptions: { execArgv: ["--max-old-space-size=64"], env: { ...process.env, X: "1" } },
    });
    const job = await queue.add("result", {});
    assert.equal(typeof (await job.waitUntilFinished(events)).pid, "number");
    await worker.close();
  });
});
