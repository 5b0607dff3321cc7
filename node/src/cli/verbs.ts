// What each verb does: one or a few calls of the core, and its answer.
import { resolve } from "node:path";
import { createInterface } from "node:readline/promises";

import { MillraceError } from "../errors.js";
import { native } from "../native.cjs";
import { isInternalQueue } from "../queue-names.js";
import type { Store } from "../store.js";
import { clean, count, size } from "./text.js";
import {
  type DeadAnswer,
  type DoctorAnswer,
  type InspectAnswer,
  type JobAnswer,
  deadView,
  doctorView,
  inspectView,
  jobView,
} from "./views.js";

/** What a verb says: JSON text for programs, lines for people, and whether it is good news. */
export interface Answer {
  json: string;
  lines: string[];
  good: boolean;
}

/** The values of all options and arguments that any verb has. */
export interface Args {
  id: string | undefined;
  queue: string;
  name: string;
  job: string | undefined;
  reason: string;
  destination: string;
  limit: number;
  all: boolean;
  scheduled: boolean;
  repair: boolean;
  yes: boolean;
}

export type Verb = (store: Store, args: Args) => Promise<Answer>;

/** The user did not confirm. */
export class Declined extends Error {}

/** The arguments do not fit together. */
export class UsageError extends Error {}

function answer(value: unknown, line: string, good = true): Answer {
  return { json: JSON.stringify(value), lines: [line], good };
}

/** The core's own words for programs, so that nothing is lost on the way. */
function shown<T>(raw: string, view: (value: T) => string[]): Answer {
  return { json: raw, lines: view(JSON.parse(raw) as T), good: true };
}

function ask(
  store: Store,
  what: "inspect" | "job" | "dead" | "doctor",
  first = "",
  second = "",
  limit = 0,
): Promise<string> {
  return store.connection.call((engine) => engine.adminJson(what, first, second, limit));
}

function quote(text: string): string {
  return `'${clean(text)}'`;
}

/** Asks before many jobs are lost, if somebody is there to answer. */
async function confirm(args: Args, question: string): Promise<void> {
  if (args.yes || !process.stdin.isTTY || !process.stderr.isTTY) return;
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const given = (await reader.question(`${question} [y/N] `)).trim().toLowerCase();
    if (given !== "y" && given !== "yes") throw new Declined();
  } finally {
    reader.close();
  }
}

export const inspect: Verb = async (store, args) => {
  if (args.job !== undefined) return shown(await ask(store, "job", args.job, args.queue), jobView);
  const all = JSON.parse(await ask(store, "inspect")) as InspectAnswer;
  all.queues = all.queues.filter((each) => !isInternalQueue(each.queue));
  // The session of a Python worker that listens for commands; the worker has others.
  all.workers = all.workers.filter((each) => !each.queues.every(isInternalQueue));
  if (args.queue === "") return shown(JSON.stringify(all), inspectView);
  all.queues = all.queues.filter((each) => each.queue === args.queue);
  all.workers = all.workers.filter((each) => each.queues.includes(args.queue));
  if (all.queues.length === 0 && all.workers.length === 0) {
    throw new MillraceError("not_found", `there is no queue ${quote(args.queue)} in ${store.path}`);
  }
  return shown(JSON.stringify(all), inspectView);
};

/** A dead letter as JSON text. Its queue is filled into the arguments. */
async function readDead(store: Store, args: Args): Promise<string> {
  const raw = await ask(store, "job", args.id, args.queue);
  const job = JSON.parse(raw) as JobAnswer;
  if (job.state !== "failed") {
    const where = `of queue ${quote(job.queue)} is ${job.state}, not among the dead letters`;
    throw new MillraceError("wrong_state", `job ${quote(job.id)} ${where}`);
  }
  args.queue = job.queue;
  return raw;
}

function checkSelection(args: Args): void {
  const chosen = args.all || args.name !== "";
  if (args.id !== undefined && chosen)
    throw new UsageError("give either an id, or --all, --name and --queue");
  if (args.id === undefined && !chosen && args.queue === "")
    throw new UsageError("which ones? give an id, --all, --name or --queue");
}

/** Changes what the arguments select; answers how many. */
async function changeDead(
  store: Store,
  args: Args,
  one: (id: string, queue: string) => Promise<void>,
  many: (queue: string, name: string) => Promise<number>,
): Promise<number> {
  if (args.id !== undefined) {
    await readDead(store, args);
    await one(args.id, args.queue);
    return 1;
  }
  const queues =
    args.queue !== ""
      ? [args.queue]
      : (await store.queues()).filter((each) => each.failed > 0).map((each) => each.queue);
  let number = 0;
  for (const queue of queues) number += await many(queue, args.name);
  return number;
}

export const deadList: Verb = async (store, args) =>
  shown<DeadAnswer>(await ask(store, "dead", args.queue, args.name, args.limit), deadView);

export const deadShow: Verb = async (store, args) => shown(await readDead(store, args), jobView);

export const deadRetry: Verb = async (store, args) => {
  checkSelection(args);
  const retried = await changeDead(
    store,
    args,
    (id, queue) => store.retry(id, queue),
    (queue, name) => store.retryDead(queue, name),
  );
  return answer({ retried }, `retried ${count(retried, "dead letter", "dead letters")}`);
};

export const deadRemove: Verb = async (store, args) => {
  checkSelection(args);
  if (args.id === undefined) {
    const name = args.name === "" ? "" : ` named ${quote(args.name)}`;
    const queue = args.queue === "" ? " of all queues" : ` of queue ${quote(args.queue)}`;
    await confirm(args, `Delete the dead letters${name}${queue}?`);
  }
  const removed = await changeDead(
    store,
    args,
    (id, queue) => store.remove(id, queue),
    (queue, name) => store.removeDead(queue, name),
  );
  return answer({ removed }, `removed ${count(removed, "dead letter", "dead letters")}`);
};

export const purge: Verb = async (store, { queue, scheduled, ...args }) => {
  const what = scheduled ? "waiting and scheduled" : "waiting";
  await confirm({ queue, scheduled, ...args }, `Delete all ${what} jobs of queue ${quote(queue)}?`);
  const removed = await store.purge(queue, { delayed: scheduled });
  return answer(
    { queue, removed },
    `removed ${count(removed, "job", "jobs")} of queue ${clean(queue)}`,
  );
};

export const pause: Verb = async (store, { queue }) => {
  await store.pause(queue);
  return answer({ queue, paused: true }, `queue ${clean(queue)} is paused`);
};

export const resume: Verb = async (store, { queue }) => {
  await store.resume(queue);
  return answer({ queue, paused: false }, `queue ${clean(queue)} is not paused`);
};

const CANCELLED = {
  cancelled: "it will not run",
  requested: "it runs, and was told to stop",
  finished: "too late: it had ended already",
};

export const cancel: Verb = async (store, { id, queue, reason }) => {
  const job = JSON.parse(await ask(store, "job", id, queue)) as JobAnswer;
  const outcome = await store.cancel(job.id, { queue: job.queue, reason });
  const line = `job ${clean(job.id)}: ${CANCELLED[outcome]}`;
  return answer({ id: job.id, queue: job.queue, outcome }, line, outcome !== "finished");
};

export const doctor: Verb = async (store, { repair }) => {
  const raw = await ask(store, "doctor", "", "", repair ? 1 : 0);
  const report = JSON.parse(raw) as DoctorAnswer;
  report.versions["package"] = `${native.version} for Node`;
  report.versions["language"] = `Node ${process.versions.node}`;
  return { json: JSON.stringify(report), lines: doctorView(report), good: report.ok };
};

export const backup: Verb = async (store, args) => {
  const destination = resolve(args.destination);
  const { bytes, pages } = await store.backup(destination);
  return answer({ destination, bytes, pages }, `wrote ${size(bytes)} to ${clean(destination)}`);
};
