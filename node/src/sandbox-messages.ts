// What a worker and its sandboxes say to each other. Values travel as JSON text, so that both kinds of sandbox (child
// processes and threads) see the same values, and a value without a JSON form is refused where it was made.

/** To the sandbox. `run` numbers the jobs of one sandbox: what comes late for an earlier one is dropped. */
export type ToSandbox =
  | { kind: "load"; url: string }
  | { kind: "run"; run: number; job: string; token: string }
  | { kind: "abort"; run: number; error: string }
  | { kind: "answer"; run: number; call: number; value: string }
  | { kind: "refused"; run: number; call: number; error: string };

/** From the sandbox. `error` is what encodeError() makes. */
export type FromSandbox =
  | { kind: "loaded" }
  | { kind: "broken"; error: string }
  | { kind: "ended"; run: number; result: string }
  | { kind: "failed"; run: number; error: string }
  | { kind: "call"; run: number; call: number; method: SandboxMethod; args: string };

/** Methods of a job that a sandbox may have its worker call. */
export const SANDBOX_METHODS = [
  "updateProgress",
  "updateData",
  "updateCheckpoint",
  "log",
  "clearLogs",
  "extendLock",
  "getState",
  "getChildrenValues",
  "getIgnoredChildrenFailures",
  "getFailedChildrenValues",
  "getDependencies",
  "getDependenciesCount",
  "moveToDelayed",
  "moveToWait",
  "moveToWaitingChildren",
] as const;

export type SandboxMethod = (typeof SANDBOX_METHODS)[number];
