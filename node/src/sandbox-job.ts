// The job as a sandboxed processor sees it: what it is, and the methods that its worker carries out.
import { SANDBOX_METHODS, type SandboxMethod } from "./sandbox-messages.js";
import type { Job } from "./job.js";
import type { JobState } from "./types.js";

/** Has the worker call a method of the real job. */
export type Call = (method: SandboxMethod, args: unknown[]) => Promise<unknown>;

// Only names that a Job has: a method that a Job lacks cannot be called from here either.
type Carried = Extract<SandboxMethod, keyof Job>;

/**
 * The first argument of a sandboxed processor. Its properties are those of the `Job`, as they were when it was started;
 * the methods are carried out by the worker's process.
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as in BullMQ
export type SandboxedJob<Data = any, Result = any> = Omit<
  Pick<
    Job<Data, Result>,
    | "id"
    | "name"
    | "queueName"
    | "opts"
    | "progress"
    | "timestamp"
    | "delay"
    | "priority"
    | "attemptsMade"
    | "attemptsStarted"
    | "stalledCounter"
    | "processedOn"
    | Carried
  >,
  "data" | "getState"
> & {
  data: Data;
  token: string;
  /** Ours: fires when someone cancels the job, or its soft time limit has passed. */
  readonly signal: AbortSignal;
  getState(): Promise<JobState | "unknown">;
};

/** Made in the sandbox from what the worker sent. */
export function sandboxedJob(
  fields: Record<string, unknown>,
  token: string,
  signal: AbortSignal,
  call: Call,
): SandboxedJob {
  const job: Record<string, unknown> = { ...fields, token };
  Object.defineProperty(job, "signal", { value: signal });
  for (const method of SANDBOX_METHODS) {
    Object.defineProperty(job, method, {
      value: async (...args: unknown[]): Promise<unknown> => {
        const answer = await call(method, args);
        if (method === "updateProgress") job["progress"] = args[0];
        if (method === "updateData") job["data"] = args[0];
        if (method === "updateCheckpoint") job["checkpoint"] = args[0];
        return answer;
      },
    });
  }
  return job as unknown as SandboxedJob;
}
