// Runs the jobs of a worker in sandboxes: processes or threads of their own, which load the processor's file. One that
// crashes fails the job that it had, and nothing else; the lease stays with the worker.
import { existsSync, statSync } from "node:fs";
import { extname, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import type { ActiveJob } from "./active-job.js";
import { show } from "./check.js";
import { MillraceError, decodeError, encodeError, invalidArgument } from "./errors.js";
import type { Job } from "./job.js";
import { type FromSandbox, SANDBOX_METHODS, type SandboxMethod } from "./sandbox-messages.js";
import type { WorkerOptions } from "./types.js";
import { type Exit, type SandboxOptions, SandboxProcess } from "./sandbox-process.js";

const EXTENSIONS = [".js", ".mjs", ".cjs", ".ts", ".mts", ".cts"];

/** The URL of a processor's file; throws if there is none. */
export function processorUrl(what: string, file: string | URL): string {
  let path: string;
  if (file instanceof URL) {
    if (file.protocol !== "file:") {
      throw invalidArgument(`${what} must be a file: URL, not ${show(file.href)}`);
    }
    path = fileURLToPath(file);
  } else {
    path = resolve(file.startsWith("file:") ? fileURLToPath(file) : file);
  }
  const found = EXTENSIONS.includes(extname(path))
    ? path
    : [path, ...EXTENSIONS.map((extension) => path + extension)].find(isFile);
  if (found === undefined || !isFile(found)) {
    throw invalidArgument(`${what}: the file ${JSON.stringify(path)} does not exist`);
  }
  return pathToFileURL(found).href;
}

function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile();
}

/** An error of the sandbox, as the processor threw it: `name` is its class there. */
function errorOf(text: string): Error {
  const { type, message, stack, data } = decodeError(text);
  const error = new Error(message);
  Object.defineProperty(error, "name", { value: type, configurable: true });
  if (stack !== undefined) error.stack = stack;
  if (data !== undefined) (error as { data?: unknown }).data = data;
  const { limit } = JSON.parse(text) as { limit?: unknown };
  if (limit !== undefined) (error as { limit?: unknown }).limit = limit;
  return error;
}

/** A sandbox and the job that it runs. */
class Place {
  readonly process: SandboxProcess;
  run = 0;
  #end: { resolve: (value: unknown) => void; reject: (error: Error) => void } | undefined;
  #job: Job | undefined;
  #loading: { resolve: () => void; reject: (error: Error) => void } | undefined;

  constructor(
    options: SandboxOptions,
    readonly url: string,
  ) {
    this.process = new SandboxProcess(options);
    this.process.onMessage = (message) => this.#onMessage(message);
    this.process.onExit = (exit, error) => this.#onExit(exit, error);
  }

  load(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#loading = { resolve, reject };
      this.process.send({ kind: "load", url: this.url });
    });
  }

  work(job: Job): Promise<unknown> {
    this.#job = job;
    this.run += 1;
    const run = this.run;
    return new Promise((resolve, reject) => {
      this.#end = { resolve, reject };
      const fields = JSON.stringify(job.toJSON());
      this.process.send({ kind: "run", run, job: fields, token: job.token as string });
    });
  }

  abort(reason: Error): void {
    this.process.send({ kind: "abort", run: this.run, error: encodeError(reason) });
  }

  #onMessage(message: FromSandbox): void {
    switch (message.kind) {
      case "loaded":
        this.#loading?.resolve();
        break;
      case "broken":
        this.#loading?.reject(this.#notLoaded(errorOf(message.error)));
        break;
      case "ended":
        if (message.run === this.run) this.#end?.resolve(JSON.parse(message.result));
        break;
      case "failed":
        if (message.run === this.run) this.#end?.reject(errorOf(message.error));
        break;
      case "call":
        if (message.run === this.run) void this.#call(message);
        break;
    }
  }

  #notLoaded(error: Error): Error {
    const unknown = (error as { code?: unknown }).code === "ERR_UNKNOWN_FILE_EXTENSION";
    const hint =
      unknown || error.message.startsWith("Unknown file extension")
        ? "; give a loader for it, such as workerForkOptions: { execArgv: ['--import', 'tsx'] }"
        : "";
    const path = fileURLToPath(this.url);
    error.message = `the processor's file ${JSON.stringify(path)} cannot be loaded: ${error.message}${hint}`;
    return error;
  }

  async #call({ run, call, method, args }: FromSandbox & { kind: "call" }): Promise<void> {
    try {
      if (!SANDBOX_METHODS.includes(method)) throw new Error(`no method ${show(method)}`);
      const value = await carryOut(this.#job as Job, method, JSON.parse(args) as unknown[]);
      this.process.send({ kind: "answer", run, call, value: JSON.stringify(value ?? null) });
    } catch (error) {
      this.process.send({ kind: "refused", run, call, error: encodeError(error) });
    }
  }

  #onExit({ code, signal }: Exit, error: Error | undefined): void {
    const message =
      error === undefined
        ? `Unexpected exit code: ${code} signal: ${signal}`
        : `the sandbox has crashed: ${error.message}`;
    const reason = new Error(message, { cause: error });
    this.#loading?.reject(this.#notLoaded(new Error(message)));
    this.#end?.reject(reason);
  }
}

function carryOut(job: Job, method: SandboxMethod, args: unknown[]): unknown {
  const own = job as unknown as Record<string, ((...args: unknown[]) => unknown) | undefined>;
  const found = own[method];
  if (found === undefined) throw new MillraceError("internal", `a job has no method ${method}`);
  return found.apply(job, args);
}

/** Throws for what a worker cannot run. */
export function checkProcessor(processor: unknown): void {
  const file = typeof processor === "string" || processor instanceof URL;
  if (typeof processor === "function" || (file && String(processor) !== "")) return;
  throw invalidArgument(
    `new Worker: processor must be a function, or the path or URL of a file, not ${show(processor)}`,
  );
}

export function newSandbox(processor: string | URL, opts: WorkerOptions): Sandbox {
  if (opts.batch !== undefined) {
    throw invalidArgument("new Worker: batch needs a function as processor: a sandbox has one job");
  }
  return new Sandbox(processorUrl("new Worker: processor", processor), opts);
}

/** All sandboxes of one worker: as many as jobs have run at once. */
export class Sandbox {
  readonly #url: string;
  readonly #options: SandboxOptions;
  readonly #free: Place[] = [];
  readonly #all = new Set<Place>();
  #closed = false;

  constructor(url: string, options: SandboxOptions) {
    this.#url = url;
    this.#options = options;
  }

  /** Runs a job; rejects with what its processor threw, or with how its sandbox ended. */
  async run(active: ActiveJob): Promise<unknown> {
    let stopped = false;
    const at: { place?: Place } = {};
    active.onAbort = (why, reason) => {
      stopped = why === "hard" || why === "lost";
      // Nobody waits for what it still does, and the job may run elsewhere already.
      if (stopped) void at.place?.process.kill();
      else at.place?.abort(reason);
    };
    const place = await this.#take((loading) => (at.place = loading));
    try {
      if (stopped) throw new Error("the job was taken away");
      const working = place.work(active.job);
      if (active.aborted !== undefined) place.abort(active.signal.reason as Error);
      return await working;
    } finally {
      active.onAbort = undefined;
      this.#giveBack(place);
    }
  }

  /** `onPlace` hears of it before it has loaded its file: that may take for ever. */
  async #take(onPlace: (place: Place) => void): Promise<Place> {
    for (let place = this.#free.pop(); place !== undefined; place = this.#free.pop()) {
      if (place.process.usable) {
        onPlace(place);
        return place;
      }
      this.#all.delete(place);
    }
    const place = new Place(this.#options, this.#url);
    this.#all.add(place);
    onPlace(place);
    try {
      await place.load();
    } catch (error) {
      this.#all.delete(place);
      void place.process.kill();
      throw error;
    }
    return place;
  }

  #giveBack(place: Place): void {
    if (this.#closed) void place.process.stop();
    else if (place.process.usable) this.#free.push(place);
    else void place.process.kill().then(() => this.#all.delete(place)); // close() waits for its end
  }

  /** Ends all of them; with `force` those too that run a job. */
  async close(force: boolean): Promise<void> {
    this.#closed = true;
    const all = [...this.#all];
    this.#all.clear();
    await Promise.all(all.map(({ process }) => (force ? process.kill() : process.stop())));
  }
}
