// A hook and a component that show a job while it runs: they read the routes of millrace/express, millrace/fastify or
// Python's millrace.contrib.fastapi. For the browser: nothing of the store is in here.
import { type ReactElement, type ReactNode, createElement, useEffect, useState } from "react";

/** Why a job failed, or why its status cannot be read (`type` is then "not_found" or "unreachable"). */
export interface JobFailure {
  type: string;
  message: string;
}

/** Where a job stands, as `useJob` answers it. */
export interface JobStatus<Result = unknown, Progress = unknown> {
  /** Celery's word: PENDING, STARTED, RETRY, SUCCESS, FAILURE, REVOKED or one of the task's own; "" until it is known. */
  status: string;
  progress: Progress | undefined;
  /** Of a job that has succeeded. */
  result: Result | undefined;
  error: JobFailure | undefined;
  /** Nothing will change any more. */
  done: boolean;
  /** News arrive; false while the browser (re)connects. */
  connected: boolean;
}

/** Options of `useJob`. */
export interface UseJobOptions {
  /** Send cookies to another origin. Default false. */
  withCredentials?: boolean;
}

const UNKNOWN: JobStatus = {
  status: "",
  progress: undefined,
  result: undefined,
  error: undefined,
  done: false,
  connected: false,
};
const ENDS = { completed: "SUCCESS", failed: "FAILURE", cancelled: "REVOKED", removed: "REMOVED" };
const FINISHED = new Set(["completed", "failed", "cancelled"]);

interface View {
  state: string;
  status: string;
  progress: unknown;
  result: unknown;
  error: JobFailure | null;
}

/** Follows one job until its end or stop(). */
class Follower {
  readonly #url: string;
  readonly #options: UseJobOptions;
  readonly #tell: (status: JobStatus) => void;
  readonly #source: EventSource;
  #now: JobStatus = UNKNOWN;
  #stopped = false;
  /** How many events have come. */
  #heard = 0;

  constructor(url: string, options: UseJobOptions, tell: (status: JobStatus) => void) {
    this.#url = url.replace(/\/$/, "");
    this.#options = options;
    this.#tell = tell;
    const withCredentials = options.withCredentials ?? false;
    this.#source = new EventSource(`${this.#url}/events`, { withCredentials });
    this.#source.onopen = () => {
      this.#set({ connected: true });
      void this.#read(); // what the stream does not tell, and what was missed
    };
    this.#source.onerror = () => {
      this.#set({ connected: false });
      // The browser comes back by itself, unless it was answered that there is nothing to follow.
      if (this.#source.readyState === EventSource.CLOSED) void this.#read();
    };
    this.#source.addEventListener("progress", (event) => {
      const { progress, status } = body(event);
      this.#heard++;
      this.#set({ progress, status: String(status) });
    });
    for (const [name, status] of Object.entries(ENDS)) {
      this.#source.addEventListener(name, (event) => {
        const { result, error } = body(event);
        this.#end(status, result, error as JobFailure | undefined);
      });
    }
  }

  /** Reads the status; an answer that was asked for before the last event came says nothing but that it has ended. */
  async #read(): Promise<void> {
    const before = this.#heard;
    let view: View;
    try {
      const credentials = this.#options.withCredentials === true ? "include" : "same-origin";
      const response = await fetch(this.#url, { credentials });
      const answer = (await response.json()) as View & { detail?: { message?: string } };
      if (response.status === 404) {
        const message = answer.detail?.message ?? "there is no such job";
        this.#end("", undefined, { type: "not_found", message });
        return;
      }
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      view = answer;
    } catch (error) {
      if (this.#source.readyState !== EventSource.CLOSED) return; // it comes back
      this.#end("", undefined, { type: "unreachable", message: String(error) });
      return;
    }
    if (FINISHED.has(view.state)) this.#end(view.status, view.result, view.error ?? undefined);
    else if (this.#heard === before)
      this.#set({ status: view.status, progress: view.progress ?? this.#now.progress });
  }

  #end(status: string, result: unknown, error: JobFailure | undefined): void {
    this.#set({ status, result, error, done: true, connected: false });
    this.stop();
  }

  #set(change: Partial<JobStatus>): void {
    if (this.#stopped || this.#now.done) return;
    this.#now = { ...this.#now, ...change };
    this.#tell(this.#now);
  }

  stop(): void {
    this.#stopped = true;
    this.#source.close();
  }
}

function body(event: Event): Record<string, unknown> {
  return JSON.parse(String((event as MessageEvent).data)) as Record<string, unknown>;
}

/**
 * The status of a job, kept up to date; it reconnects by itself. `url`: where the job is, such as `/jobs/${id}`; null or
 * undefined: none yet.
 */
export function useJob<Result = unknown, Progress = unknown>(
  url: string | null | undefined,
  options: UseJobOptions = {},
): JobStatus<Result, Progress> {
  const [now, set] = useState<{ url: typeof url; status: JobStatus }>({ url, status: UNKNOWN });
  const { withCredentials = false } = options;
  useEffect(() => {
    if (url === null || url === undefined || url === "") return undefined;
    const follower = new Follower(url, { withCredentials }, (status) => set({ url, status }));
    return () => follower.stop();
  }, [url, withCredentials]);
  // Of another job: what is known of that one must not be shown for this one.
  return (now.url === url ? now.status : UNKNOWN) as JobStatus<Result, Progress>;
}

/** Properties of `<JobProgress>`. */
export interface JobProgressProps extends UseJobOptions {
  url: string | null | undefined;
  /** What to show; default: a progress bar (for a progress that is a number from 0 to 100), and the status or error. */
  children?: (job: JobStatus) => ReactNode;
}

/** Shows a job while it runs. */
export function JobProgress({ url, children, ...options }: JobProgressProps): ReactElement {
  const job = useJob(url, options);
  if (children !== undefined) return createElement("div", { role: "status" }, children(job));
  const { progress, error, status, done } = job;
  const value = typeof progress === "number" ? progress : undefined;
  const bar: { max: number; value?: number } = { max: 100 };
  if (done || value !== undefined) bar.value = done ? 100 : (value as number);
  return createElement(
    "div",
    { role: "status" },
    createElement("progress", bar),
    createElement("span", null, ` ${error === undefined ? status : error.message}`),
  );
}
