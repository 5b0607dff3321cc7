// The core's answers as text for people.
import { clean, clip, compact, count, size, table, time } from "./text.js";

const STATES = [
  "ready",
  "scheduled",
  "blocked",
  "active",
  "completed",
  "failed",
  "cancelled",
] as const;
const ERROR_WIDTH = 60;

export interface InspectAnswer {
  store: { path: string; bytes: number; durability: string; schema_version: number };
  queues: ({ queue: string; paused: boolean } & Record<(typeof STATES)[number], number>)[];
  workers: {
    name: string;
    language: string;
    host: string;
    pid: number;
    queues: string[];
    slots: number;
    active: number;
    alive: boolean;
    started_at_ms: number;
  }[];
}

export interface JobAnswer {
  id: string;
  queue: string;
  name: string;
  state: string;
  priority: number;
  cancel_requested: boolean;
  attempts_made: number;
  attempts_started: number;
  crashes: number;
  options: { max_attempts: number };
  created_at_ms: number;
  due_at_ms: number | null;
  started_at_ms: number | null;
  finished_at_ms: number | null;
  worker: string;
  headers: unknown;
  data: unknown;
  progress: unknown;
  result: unknown;
  error: unknown;
  attempt_errors: unknown[];
  logs: { at_ms: number; text: string }[];
}

export interface DeadAnswer {
  jobs: JobAnswer[];
  total: number;
}

export interface DoctorAnswer {
  ok: boolean;
  checks: { name: string; ok: boolean; detail: string; repaired?: string }[];
  versions: Record<string, string | number>;
}

export function inspectView({ store, queues, workers }: InspectAnswer): string[] {
  const lines = [
    `store  ${clean(store.path)}  ${size(store.bytes)}, durability ${store.durability}, schema ${store.schema_version}`,
    "",
    ...table(
      ["QUEUE", ...STATES.map((state) => state.toUpperCase())],
      queues.map((each) => [
        each.queue + (each.paused ? " (paused)" : ""),
        ...STATES.map((state) => each[state]),
      ]),
    ),
    "",
  ];
  if (workers.length === 0) return [...lines, "no workers"];
  return [
    ...lines,
    ...table(
      ["WORKER", "LANGUAGE", "HOST", "PID", "QUEUES", "SLOTS", "ACTIVE", "ALIVE", "SINCE"],
      workers.map((each) => [
        each.name,
        each.language,
        each.host,
        each.pid,
        each.queues.join(","),
        each.slots,
        each.active,
        each.alive ? "yes" : "no",
        time(each.started_at_ms),
      ]),
    ),
  ];
}

export function jobView(job: JobAnswer): string[] {
  const fields = {
    id: job.id,
    queue: job.queue,
    name: job.name,
    state: job.state + (job.cancel_requested ? ", to be cancelled" : ""),
    priority: `${job.priority}`,
    attempts:
      `${job.attempts_made} of ${job.options.max_attempts}, ${job.attempts_started} started, ` +
      count(job.crashes, "crash", "crashes"),
    created: time(job.created_at_ms),
    due: time(job.due_at_ms),
    started: time(job.started_at_ms),
    finished: time(job.finished_at_ms),
    worker: job.worker || "-",
    headers: compact(job.headers),
    data: compact(job.data),
    progress: compact(job.progress),
    result: compact(job.result),
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name.padEnd(9)}  ${clean(value)}`);
  if (job.error !== null) lines.push("error", ...errorLines(job.error));
  for (const [i, error] of job.attempt_errors.entries())
    lines.push(`earlier error ${i + 1}`, ...errorLines(error));
  if (job.logs.length > 0)
    lines.push("log", ...job.logs.map((line) => `  ${time(line.at_ms)}  ${clean(line.text)}`));
  return lines;
}

/** An error in one line. */
function errorLine(error: unknown): string {
  if (typeof error === "object" && error !== null) {
    const { type = "Error", message = "" } = error as { type?: unknown; message?: unknown };
    return `${String(type)}: ${String(message)}`;
  }
  return typeof error === "string" ? error : "-";
}

function errorLines(error: unknown): string[] {
  const lines = [errorLine(error)];
  const stack =
    typeof error === "object" && error !== null ? (error as { stack?: unknown }).stack : undefined;
  if (typeof stack === "string" && stack !== "")
    lines.push(...stack.replace(/\n+$/, "").split("\n"));
  return lines.map((line) => `  ${clean(line)}`);
}

export function deadView({ jobs, total }: DeadAnswer): string[] {
  const sum = count(total, "dead letter", "dead letters");
  if (jobs.length === 0) return [sum];
  const lines = table(
    ["ID", "QUEUE", "NAME", "ATTEMPTS", "FAILED AT", "ERROR"],
    jobs.map((each) => [
      each.id,
      each.queue,
      each.name,
      each.attempts_made,
      time(each.finished_at_ms),
      clip(errorLine(each.error), ERROR_WIDTH),
    ]),
  );
  const shown = jobs.length < total ? `, the newest ${jobs.length} are shown` : "";
  return [...lines, "", sum + shown];
}

export function doctorView({ ok, checks, versions }: DoctorAnswer): string[] {
  return [
    ...table(
      ["CHECK", "", "DETAIL"],
      checks.map(({ name, ok: good, detail, repaired }) => [
        ...[name, good ? "ok" : "BAD"],
        repaired === undefined ? detail : `${detail}; repaired: ${repaired}`,
      ]),
    ),
    "",
    Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(", "),
    ok ? "all is well" : "something is wrong",
  ];
}
