// Waiting for one job with the help of its queue's events.
import { show } from "./check.js";
import type { Connection } from "./connection.js";
import { MillraceError, RemoteError, decodeError, hasCode } from "./errors.js";
import { missingJob } from "./job-errors.js";
import type { QueueEvents } from "./queue-events.js";
import { decodeJson } from "./serializer.js";
import { EventType, type NativeEvent, readPage } from "./wire-reports.js";
import { NativeState, Reader, readOutcome } from "./wire.js";

/** How a job ended: its result, or its error. */
export type JobEnd = { result: unknown } | { error: RemoteError };

export type OnEnd = (end: JobEnd) => void;

/** The end of a job that this event tells of, if it does. */
export function endOfEvent(event: NativeEvent): JobEnd | undefined {
  switch (event.type) {
    case EventType.completed:
      return { result: decodeJson(`result of job ${show(event.jobId)}`, event.data) };
    case EventType.failed:
    case EventType.cancelled:
      return { error: new RemoteError(decodeError(event.data), event.jobId) };
    default:
      return undefined;
  }
}

async function readEnd(
  connection: Connection,
  id: string,
  queue: string,
): Promise<JobEnd | undefined> {
  const outcome = readOutcome(
    new Reader(await connection.call((engine) => engine.getOutcome(id, queue))),
  );
  switch (outcome.state) {
    case NativeState.completed:
      return { result: decodeJson(`result of job ${show(id)}`, outcome.result ?? "null") };
    case NativeState.failed:
    case NativeState.cancelled:
      return { error: new RemoteError(decodeError(outcome.error), id) };
    default:
      return undefined;
  }
}

/** A job that is gone by its retention rule has left its end in the log of events. */
async function findEndInLog(
  connection: Connection,
  id: string,
  queue: string,
): Promise<JobEnd | undefined> {
  let found: JobEnd | undefined;
  for (let after = ""; ;) {
    const from = after;
    const page = readPage(
      new Reader(await connection.call((engine) => engine.readEvents(queue, from, id, 10_000))),
    );
    for (const event of page.events) found = endOfEvent(event) ?? found;
    if (page.next === after || page.events.length === 0) return found;
    after = page.next;
  }
}

/** Listens first and looks second, so that an end between the two is not missed. */
export async function waitUntilFinished(
  connection: Connection,
  job: { id: string; name: string; queueName: string },
  queueEvents: QueueEvents,
  ttl: number | undefined,
): Promise<unknown> {
  const { id, queueName: queue } = job;
  if (queueEvents.name !== queue) {
    const message = `job ${show(id)} is in queue ${show(queue)}, the QueueEvents follow ${show(queueEvents.name)}`;
    throw new MillraceError("invalid_argument", `job.waitUntilFinished: ${message}`);
  }
  let timer: NodeJS.Timeout | undefined;
  let stop: (() => void) | undefined;
  const ended = new Promise<JobEnd>((resolve, reject) => {
    stop = queueEvents.watchJob(id, resolve, reject);
    if (ttl !== undefined) {
      const message = `Job wait ${job.name} timed out before finishing, no finish notification arrived after ${ttl}ms (id=${id})`;
      timer = setTimeout(() => reject(new MillraceError("timeout", message)), ttl);
    }
  });
  const look = async (): Promise<JobEnd> => {
    await queueEvents.waitUntilReady();
    const end = await readEnd(connection, id, queue).catch(async (error: unknown) => {
      if (!hasCode(error, "not_found")) throw error;
      const logged = await findEndInLog(connection, id, queue);
      if (logged === undefined) throw missingJob(id, "isFinished", { cause: error });
      return logged;
    });
    if (end === undefined) return ended;
    await queueEvents.catchUp(); // who hears of the end has heard of what was before
    return end;
  };
  try {
    const end = await Promise.race([ended, look()]);
    if ("error" in end) throw end.error;
    return end.result;
  } finally {
    clearTimeout(timer);
    stop?.();
  }
}
