// The core's states and BullMQ's names for them.
import type { JobState, JobType } from "./types.js";
import { NativeState } from "./wire.js";

export const JOB_TYPES = [
  "wait",
  "waiting",
  "prioritized",
  "delayed",
  "active",
  "waiting-children",
  "completed",
  "failed",
  "cancelled",
] as const satisfies readonly JobType[];

/** A ready job is "waiting", or "prioritized" if it has a priority. */
export function stateName(state: NativeState, priority: number): JobState {
  switch (state) {
    case NativeState.scheduled:
      return "delayed";
    case NativeState.ready:
      return priority === 0 ? "waiting" : "prioritized";
    case NativeState.blocked:
      return "waiting-children";
    case NativeState.active:
      return "active";
    case NativeState.completed:
      return "completed";
    case NativeState.failed:
      return "failed";
    case NativeState.cancelled:
      return "cancelled";
  }
}

export function nativeState(type: JobType): NativeState {
  switch (type) {
    case "wait":
    case "waiting":
    case "prioritized":
      return NativeState.ready;
    case "delayed":
      return NativeState.scheduled;
    case "waiting-children":
      return NativeState.blocked;
    case "active":
      return NativeState.active;
    case "completed":
      return NativeState.completed;
    case "failed":
      return NativeState.failed;
    case "cancelled":
      return NativeState.cancelled;
  }
}

export const CANCEL_RESULTS = ["cancelled", "requested", "finished"] as const;
