// One sandbox: a child process or a thread that has loaded a processor's file and runs one job at a time.
import { type ChildProcess, type ForkOptions, fork } from "node:child_process";
import { Worker as Thread, type WorkerOptions as ThreadOptions } from "node:worker_threads";

import type { FromSandbox, ToSandbox } from "./sandbox-messages.js";
import { childFile } from "./sandbox-path.cjs";

// How long a sandbox that was asked to end may take before it is killed.
const GRACE_MS = 5_000;

/** How a processor that is named by its file is run. */
export interface SandboxOptions {
  /** Threads in place of child processes. */
  useWorkerThreads?: boolean;
  /** Of child_process.fork(). */
  workerForkOptions?: ForkOptions;
  /** Of new worker_threads.Worker(). */
  workerThreadsOptions?: ThreadOptions;
}

/** How it ended: for a message. */
export interface Exit {
  code: number | null;
  signal: string | null;
}

/** The flags of this process, without a debugger's port: two processes cannot listen on one. */
function execArgv(): string[] {
  return process.execArgv.filter((flag) => !flag.startsWith("--inspect"));
}

export class SandboxProcess {
  onMessage: (message: FromSandbox) => void = () => undefined;
  /** Called once, also if it could not be started. */
  onExit: (exit: Exit, error?: Error) => void = () => undefined;
  readonly #child: ChildProcess | undefined;
  readonly #thread: Thread | undefined;
  readonly #gone: Promise<void>;
  #exited = false;
  #ending = false;

  constructor(options: SandboxOptions) {
    if (options.useWorkerThreads === true) {
      const given = options.workerThreadsOptions;
      this.#thread = new Thread(childFile, { execArgv: threadFlags(), ...given });
    } else {
      const given = options.workerForkOptions;
      this.#child = fork(childFile, [], { execArgv: execArgv(), ...given });
    }
    this.#gone = new Promise((resolve) => this.#listen(resolve));
    this.#refer(false);
  }

  /** Whether it keeps this process alive: its worker does so as long as it is to; who waits for its end must. */
  #refer(referenced: boolean): void {
    const change = referenced ? "ref" : "unref";
    this.#thread?.[change]();
    this.#child?.[change]();
    this.#child?.channel?.[change]();
  }

  #listen(gone: () => void): void {
    let error: Error | undefined;
    const exited = (code: number | null, signal: string | null): void => {
      if (this.#exited) return;
      this.#exited = true;
      this.onExit({ code, signal }, error);
      gone();
    };
    const source = (this.#child ?? this.#thread) as ChildProcess;
    source.on("message", (message) => this.onMessage(message as FromSandbox));
    source.on("error", (thrown: Error) => {
      error = thrown;
      // A process that could not be started has no exit.
      if (this.#child !== undefined && this.#child.pid === undefined) exited(null, null);
    });
    source.on("exit", (code: number | null, signal?: string | null) =>
      exited(code, signal ?? null),
    );
  }

  get exited(): boolean {
    return this.#exited;
  }

  /** Whether it may be given work: it has not ended, and was not told to. What it had sent by then may still come. */
  get usable(): boolean {
    return !this.#exited && !this.#ending;
  }

  /** To one that has exited, or is about to, nothing is sent: its exit tells. */
  send(message: ToSandbox): void {
    if (this.#exited) return;
    if (this.#thread !== undefined) this.#thread.postMessage(message);
    else this.#child?.send(message, () => undefined);
  }

  /** Ends it at once, whatever it does. */
  kill(): Promise<void> {
    this.#ending = true;
    if (!this.#exited) {
      this.#refer(true);
      if (this.#thread !== undefined) void this.#thread.terminate();
      else this.#child?.kill("SIGKILL");
    }
    return this.#gone;
  }

  /** Ends one that runs nothing: SIGTERM, so that handlers of the user's run; killed if it does not end by that. */
  async stop(): Promise<void> {
    this.#ending = true;
    if (this.#exited) return;
    if (this.#thread !== undefined) {
      await this.kill();
      return;
    }
    this.#refer(true);
    this.#child?.kill("SIGTERM");
    const timer = setTimeout(() => void this.kill(), GRACE_MS);
    await this.#gone;
    clearTimeout(timer);
  }
}

/** Flags of the process as a whole are refused for a thread: only those that say how modules are loaded. */
function threadFlags(): string[] {
  const flags: string[] = [];
  const all = execArgv();
  for (let i = 0; i < all.length; i++) {
    const flag = all[i] as string;
    const name = flag.split("=")[0] as string;
    if (!LOADING.has(name)) continue;
    flags.push(flag);
    if (!flag.includes("=") && WITH_VALUE.has(name)) flags.push(all[++i] ?? "");
  }
  return flags;
}
const WITH_VALUE = new Set(["--import", "--loader", "--experimental-loader", "--require", "-r"]);
const LOADING = new Set([
  ...WITH_VALUE,
  ...["--enable-source-maps", "--experimental-strip-types", "--no-warnings"],
]);
