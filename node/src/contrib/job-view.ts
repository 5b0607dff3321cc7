// How a job and its events look to a web client: the same JSON from every language.
// The payload, the headers and the stack of an error stay inside: they may hold what no visitor should read.
import { EventType, type NativeEvent } from "../wire-reports.js";

/** One server-sent event. */
export interface Frame {
  readonly id: string;
  readonly text: string;
  /** It tells the end of the job. */
  readonly final: boolean;
}

type EventName = "progress" | "completed" | "failed" | "cancelled" | "removed";

/** What a client is told of; every one but the first ends the stream. */
const NAMES: Partial<Record<EventType, EventName>> = {
  [EventType.progress]: "progress",
  [EventType.completed]: "completed",
  [EventType.failed]: "failed",
  [EventType.cancelled]: "cancelled",
  [EventType.removed]: "removed",
};

/** What the store answers about a job. */
export interface StoredJob {
  id: string;
  queue: string;
  name: string;
  state: string;
  progress: unknown;
  result: unknown;
  error: unknown;
  options: { max_attempts: number };
  attempts_started: number;
  attempts_made: number;
  crashes: number;
  cancel_requested: boolean;
  created_at_ms: number;
  due_at_ms: number | null;
  started_at_ms: number | null;
  finished_at_ms: number | null;
}

const FINISHED = new Map([
  ["completed", "SUCCESS"],
  ["failed", "FAILURE"],
  ["cancelled", "REVOKED"],
]);

export function isFinished(job: StoredJob): boolean {
  return FINISHED.has(job.state);
}

/** The word that a Python task's `update_state` gave, if any, and the progress itself. */
function splitProgress(value: unknown): [word: string | undefined, progress: unknown] {
  if (typeof value === "object" && value !== null && "$state" in value) {
    const { $state, meta } = value as { $state: unknown; meta?: unknown };
    return [typeof $state === "string" ? $state : JSON.stringify($state), meta ?? null];
  }
  return [undefined, value];
}

function publicError(error: unknown): { type: string; message: string } | null {
  if (error === null || error === undefined) return null;
  if (typeof error === "string") return { type: "Error", message: error };
  if (typeof error !== "object") return { type: "Error", message: JSON.stringify(error) };
  const { type = "Error", message = "" } = error as { type?: unknown; message?: unknown };
  return { type: String(type), message: String(message) };
}

/** Celery's word for where a job stands; a custom one while it runs, if its task has set it. */
function statusWord(job: StoredJob, word: string | undefined, progress: unknown): string {
  const finished = FINISHED.get(job.state);
  if (finished !== undefined) return finished;
  if (job.state === "active") return progress === null ? "STARTED" : (word ?? "PROGRESS");
  return job.attempts_made > 0 ? "RETRY" : "PENDING";
}

/** The status of a job: `state` is the store's word, `status` Celery's. */
export function jobView(job: StoredJob): Record<string, unknown> {
  const [word, progress] = splitProgress(job.progress);
  return {
    id: job.id,
    queue: job.queue,
    name: job.name,
    state: job.state,
    status: statusWord(job, word, progress),
    progress,
    result: job.result,
    error: publicError(job.error),
    max_attempts: job.options.max_attempts,
    attempts_started: job.attempts_started,
    attempts_made: job.attempts_made,
    crashes: job.crashes,
    cancel_requested: job.cancel_requested,
    created_at_ms: job.created_at_ms,
    due_at_ms: job.due_at_ms,
    started_at_ms: job.started_at_ms,
    finished_at_ms: job.finished_at_ms,
  };
}

function valueFrame(
  name: EventName,
  eventId: string,
  jobId: string,
  queue: string,
  value: unknown,
): Frame {
  const body: Record<string, unknown> = { id: jobId, queue };
  if (name === "progress") {
    const [word, progress] = splitProgress(value);
    body["progress"] = progress;
    body["status"] = word ?? "PROGRESS";
  } else if (name === "completed") {
    body["result"] = value;
  } else if (name !== "removed") {
    body["error"] = publicError(value);
  }
  const text = `event: ${name}\nid: ${eventId}\ndata: ${JSON.stringify(body)}\n\n`;
  return { id: eventId, text, final: name !== "progress" };
}

/** An event of the log as clients are sent it, if they are. */
export function eventFrame(event: NativeEvent, queue: string): Frame | undefined {
  const name = NAMES[event.type];
  if (name === undefined) return undefined;
  let value: unknown = null;
  if (event.data !== "") {
    try {
      value = JSON.parse(event.data);
    } catch {
      value = event.data; // a body that is no JSON is shown as it is
    }
  }
  return valueFrame(name, event.id, event.jobId, queue, value);
}

/** How a job stood at a position of the log: its end, or its progress if it has any. */
export function stateFrame(job: StoredJob, position: string): Frame | undefined {
  if (isFinished(job)) {
    const value = job.state === "completed" ? job.result : job.error;
    return valueFrame(job.state as EventName, position, job.id, job.queue, value);
  }
  if (job.progress === null) return undefined;
  return valueFrame("progress", position, job.id, job.queue, job.progress);
}

/** Whether event id `a` comes before `b`. */
export function eventIdLess(a: string, b: string): boolean {
  const [aSequence = "", aNumber = ""] = a.split("-");
  const [bSequence = "", bNumber = ""] = b.split("-");
  const order = compareDigits(aSequence, bSequence);
  return order === 0 ? compareDigits(aNumber, bNumber) < 0 : order < 0;
}

/** Numbers beyond what a double holds, too. */
function compareDigits(a: string, b: string): number {
  const [x, y] = [BigInt(a), BigInt(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}
