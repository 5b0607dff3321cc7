// The program of a sandbox: loads a processor's file and runs one job at a time for the worker that started it.
// It never opens the store: what a job asks for goes to the worker.
import { parentPort } from "node:worker_threads";

import { RemoteError, decodeError, encodeError } from "./errors.js";
import { isObservable, lastOf } from "./observable.js";
import { sandboxedJob } from "./sandbox-job.js";
import type { FromSandbox, SandboxMethod, ToSandbox } from "./sandbox-messages.js";
import { encodeJson } from "./serializer.js";
import type { JobProgress } from "./types.js";

type Processor = (job: unknown, token: string, signal: AbortSignal) => unknown;

interface Run {
  number: number;
  controller: AbortController;
  calls: Map<number, { resolve: (value: unknown) => void; reject: (error: unknown) => void }>;
  nextCall: number;
}

let processor: Processor | undefined;
let current: Run | undefined;

function send(message: FromSandbox): void {
  if (parentPort !== null) parentPort.postMessage(message);
  else process.send?.(message);
}

/** With the fields by which the worker knows what is to become of the job. */
function errorText(thrown: unknown): string {
  const body = JSON.parse(encodeError(thrown)) as Record<string, unknown>;
  const limit: unknown = (thrown as { limit?: unknown } | null | undefined)?.limit;
  return JSON.stringify(limit === undefined ? body : { ...body, limit });
}

async function load(url: string): Promise<void> {
  try {
    const loaded = (await import(url)) as { default?: unknown };
    let found = loaded.default;
    // A CommonJS module that was compiled from an ES module.
    if (typeof found === "object" && found !== null && "default" in found) found = found.default;
    if (typeof found !== "function") {
      throw new TypeError("it exports no function: use `export default` or `module.exports =`");
    }
    processor = found as Processor;
    send({ kind: "loaded" });
  } catch (error) {
    send({ kind: "broken", error: errorText(error) });
  }
}

function call(run: Run, method: SandboxMethod, args: unknown[]): Promise<unknown> {
  if (current !== run) {
    return Promise.reject(new Error(`job.${method}: the job has ended`));
  }
  const text = encodeJson(() => `job.${method}: arguments`, args, "null");
  return new Promise((resolve, reject) => {
    const number = run.nextCall++;
    run.calls.set(number, { resolve, reject });
    send({ kind: "call", run: run.number, call: number, method, args: text });
  });
}

async function start(number: number, fields: Record<string, unknown>, token: string) {
  const run: Run = {
    number,
    controller: new AbortController(),
    calls: new Map(),
    nextCall: 0,
  };
  current = run;
  let end: FromSandbox;
  try {
    const { signal } = run.controller;
    const job = sandboxedJob(fields, token, signal, (method, args) => call(run, method, args));
    let result = await (processor as Processor)(job, token, signal);
    if (isObservable(result)) {
      result = await lastOf(result, signal, (value) => job.updateProgress(value as JobProgress));
    }
    const text = encodeJson(() => `the result of job ${String(job.id)}`, result, "null");
    end = { kind: "ended", run: number, result: text };
  } catch (error) {
    end = { kind: "failed", run: number, error: errorText(error) };
  }
  current = undefined;
  send(end);
}

function abort(run: Run, text: string): void {
  const { type, message } = decodeError(text);
  const reason = new Error(message);
  reason.name = type;
  run.controller.abort(reason);
}

function onMessage(message: ToSandbox): void {
  if (message.kind === "load") {
    void load(message.url);
    return;
  }
  if (message.kind === "run") {
    void start(message.run, JSON.parse(message.job) as Record<string, unknown>, message.token);
    return;
  }
  const run = current;
  if (run === undefined || run.number !== message.run) return;
  if (message.kind === "abort") {
    abort(run, message.error);
    return;
  }
  const asked = run.calls.get(message.call);
  run.calls.delete(message.call);
  if (message.kind === "answer") asked?.resolve(JSON.parse(message.value));
  else asked?.reject(named(message.error, String(message.call)));
}

function named(text: string, id: string): Error {
  const body = decodeError(text);
  const error = new RemoteError(body, id);
  Object.defineProperty(error, "name", { value: body.type });
  return error;
}

if (parentPort !== null) {
  parentPort.on("message", onMessage);
} else {
  process.on("message", onMessage);
  // The worker's process is gone: nobody would hear how a job ends, and another worker has it by now.
  process.on("disconnect", () => process.exit());
}
