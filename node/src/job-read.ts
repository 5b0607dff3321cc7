// Reads one job.
import type { Connection } from "./connection.js";
import { hasCode } from "./errors.js";
import { type JobInfo, Reader, readInfo } from "./wire.js";

/** A job by its id, or undefined. */
export async function readJob(
  connection: Connection,
  id: string,
  queue: string,
): Promise<JobInfo | undefined> {
  try {
    return readInfo(new Reader(await connection.call((engine) => engine.getJob(id, queue))));
  } catch (error) {
    if (hasCode(error, "not_found")) return undefined;
    throw error;
  }
}
