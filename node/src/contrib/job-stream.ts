// What one client that follows a job is sent, from its coming to the job's end.
import type { ServerResponse } from "node:http";

import type { Connection } from "../connection.js";
import { readPage } from "../wire-reports.js";
import type { EventPage } from "../wire-reports.js";
import { Reader } from "../wire.js";
import type { JobFeeds, Listener } from "./job-feed.js";
import {
  type Frame,
  type StoredJob,
  eventFrame,
  eventIdLess,
  isFinished,
  stateFrame,
} from "./job-view.js";

/** Progress that a slow client has not taken; the oldest goes first, the end of a job never. */
const PENDING_MAX = 100;
/** Progress that a client has missed and is sent when it comes back. */
const MISSED_MAX = 1000;
const PAGE_EVENTS = 256;

export async function readStoredJob(
  connection: Connection,
  id: string,
  queue: string,
): Promise<StoredJob> {
  return JSON.parse(
    await connection.call((engine) => engine.adminJson("job", id, queue, 0)),
  ) as StoredJob;
}

async function readEvents(
  connection: Connection,
  queue: string,
  after: string,
  jobId: string,
  limit: number,
): Promise<EventPage> {
  return readPage(
    new Reader(await connection.call((engine) => engine.readEvents(queue, after, jobId, limit))),
  );
}

interface Missed {
  frames: Frame[];
  position: string;
  /** Some events since then may be gone from the log. */
  trimmed: boolean;
}

/** What happened to a job since the client's last event. */
async function readMissed(connection: Connection, job: StoredJob, after: string): Promise<Missed> {
  const [oldest] = (await readEvents(connection, job.queue, "", "", 1)).events;
  const trimmed = oldest === undefined || eventIdLess(after, oldest.id);
  let frames: Frame[] = [];
  let position = after;
  for (;;) {
    const page = await readEvents(connection, job.queue, position, job.id, PAGE_EVENTS);
    position = page.next;
    if (page.events.length === 0) return { frames, position, trimmed };
    for (const event of page.events) {
      const frame = eventFrame(event, job.queue);
      if (frame !== undefined) frames.push(frame);
    }
    frames = frames.slice(-MISSED_MAX);
  }
}

/** One client. */
export class JobStream implements Listener {
  readonly #connection: Connection;
  readonly #feeds: JobFeeds;
  #pending: Frame[] = [];
  #seen = "";
  #leave: (() => void) | undefined;
  #response: ServerResponse | undefined;
  #timer: NodeJS.Timeout | undefined;
  #blocked = false;
  #ended = false;

  constructor(connection: Connection, feeds: JobFeeds) {
    this.#connection = connection;
    this.#feeds = feeds;
  }

  /** Begins to follow; false if the client has had the job's end already. Rejects with "not_found". */
  async open(id: string, queue: string, after: string | undefined): Promise<boolean> {
    let job = await readStoredJob(this.#connection, id, queue);
    if (!isFinished(job)) this.#leave = await this.#feeds.join(job.queue, job.id, this);
    // Listening first and looking second: what happens between the two is not missed.
    const { next } = await readEvents(this.#connection, job.queue, "$", "", 1);
    job = await readStoredJob(this.#connection, job.id, job.queue);
    const resumes = after !== undefined && !eventIdLess(next, after); // else an id that this store never gave
    return resumes ? this.#resume(job, after) : this.#begin(job, next);
  }

  #begin(job: StoredJob, position: string): boolean {
    const frame = stateFrame(job, position);
    this.#take(frame === undefined ? [] : [frame], position);
    return true;
  }

  async #resume(job: StoredJob, after: string): Promise<boolean> {
    const missed = await readMissed(this.#connection, job, after);
    const end = missed.frames.findIndex((frame) => frame.final);
    if (end < 0 && isFinished(job)) {
      if (!missed.trimmed) return false;
      return this.#begin(job, missed.position);
    }
    this.#take(end < 0 ? missed.frames : missed.frames.slice(0, end + 1), missed.position);
    return true;
  }

  /** Puts what was looked up before what has come since. */
  #take(first: Frame[], position: string): void {
    this.#seen = position;
    const later = this.#pending.filter((frame) => eventIdLess(position, frame.id));
    this.#pending = [...first, ...later];
  }

  /** Sends to the client until the job has ended or the client is gone. */
  send(response: ServerResponse, keepAliveMs: number): void {
    this.#response = response;
    response.on("close", () => {
      this.close();
    });
    response.on("drain", () => {
      this.#blocked = false;
      this.#flush();
    });
    this.#timer = setInterval(() => {
      if (!this.#blocked) this.#blocked = !response.write(": keep-alive\n\n");
    }, keepAliveMs).unref();
    this.#flush();
  }

  offer(frame: Frame): void {
    if (this.#seen !== "" && !eventIdLess(this.#seen, frame.id)) return;
    if (this.#pending.length >= PENDING_MAX && this.#pending[0]?.final === false)
      this.#pending.shift();
    this.#pending.push(frame);
    this.#flush();
  }

  end(): void {
    this.#ended = true;
    this.#flush();
  }

  #flush(): void {
    const response = this.#response;
    if (response === undefined) return;
    while (!this.#blocked) {
      const frame = this.#pending.shift();
      if (frame === undefined) break;
      this.#blocked = !response.write(frame.text);
      this.#timer?.refresh();
      this.#ended ||= frame.final;
      if (frame.final) this.#pending = [];
    }
    if (this.#ended && this.#pending.length === 0) {
      this.close();
      response.end();
    }
  }

  /** Idempotent. */
  close(): void {
    clearInterval(this.#timer);
    this.#response = undefined;
    this.#leave?.();
    this.#leave = undefined;
  }
}
