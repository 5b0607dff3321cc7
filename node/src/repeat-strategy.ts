// Job schedulers whose times the user's program computes: the option settings.repeatStrategy. In the store such a scheduler
// is a schedule of one slot; whoever has the strategy gives it the next one.
import { show } from "./check.js";
import { invalidArgument } from "./errors.js";

/** When: one of `pattern` and `every`. Times are milliseconds UTC, Dates, or what `new Date()` reads. */
export interface RepeatOptions {
  /**
   * Cron text of five fields (minute hour day month weekday) or six (second first), or `@daily` and the like. For a queue
   * with `settings.repeatStrategy`: whatever that reads.
   */
  pattern?: string;
  /** Milliseconds between two jobs. The first is added at once, or at `startDate`. */
  every?: number;
  /** How many jobs it makes in all. Default: no bound. */
  limit?: number;
  /** How many of them count as made already. Default 0. */
  count?: number;
  startDate?: Date | string | number;
  endDate?: Date | string | number;
  /** Name of the time zone of `pattern`, such as "Europe/Paris". Default: UTC. */
  tz?: string;
  /** Milliseconds by which the times of `every` are moved from its multiples since 1970; less than `every`. */
  offset?: number;
  /** With `pattern`: one job now besides, when the scheduler is new. A repeatStrategy sees to it itself. */
  immediately?: boolean;
}

/**
 * Answers when the next job of a scheduler with a `pattern` is due, after `millis`; undefined: there is none. `opts` are
 * those of upsertJobScheduler(), dates as milliseconds. Called by the upsert, and for each next job by the worker that
 * starts the one before: give it to the Queue and to its Workers.
 */
export type RepeatStrategy = (
  millis: number,
  opts: RepeatOptions,
  name?: string,
) => number | undefined | Promise<number | undefined>;

/** What a strategy is called with; it travels in the header of the scheduler's jobs. */
export interface RepeatRule {
  pattern: string;
  tz?: string;
  limit?: number;
  startDate?: number;
  endDate?: number;
}

// The longest interval of the core; its one slot is bounded by startDate and endDate.
const EVERY_MAX = 315_576_000_000;

/** The timing of a schedule that has one slot. */
export function slotTiming(slot: number): {
  every: number;
  offset: number;
  startDate: number;
  endDate: number;
} {
  return { every: EVERY_MAX, offset: slot % EVERY_MAX, startDate: slot, endDate: slot };
}

// Not the limit: it may be raised while the scheduler goes on.
const RULE = ["pattern", "tz", "startDate", "endDate"] as const;

export function sameRule(one: RepeatRule | undefined, other: RepeatRule): boolean {
  return one !== undefined && RULE.every((name) => one[name] === other[name]);
}

export function checkStrategy(what: string, strategy: unknown): void {
  if (strategy === undefined || typeof strategy === "function") return;
  throw invalidArgument(`${what}.repeatStrategy must be a function, not ${show(strategy)}`);
}

async function ask(
  strategy: RepeatStrategy,
  millis: number,
  opts: RepeatOptions,
  name: string,
): Promise<number | undefined> {
  const answer: unknown = await strategy(millis, { ...opts }, name);
  if (answer === undefined || answer === null || answer === 0) return undefined;
  if (typeof answer === "number" && Number.isFinite(answer)) return Math.ceil(answer);
  throw invalidArgument(
    `settings.repeatStrategy must answer milliseconds UTC or undefined, not ${show(answer)}, for pattern ${show(opts.pattern)}`,
  );
}

/**
 * The slot after the last one (0: there was none). A time that has passed is now, as in BullMQ; a strategy that counts
 * the instant it is asked about is asked again, so that no slot has two jobs.
 */
export async function slotAfter(
  strategy: RepeatStrategy,
  opts: RepeatOptions & { endDate?: number },
  name: string,
  { now, last }: { now: number; last: number },
): Promise<number | undefined> {
  let slot = await ask(strategy, Math.max(now, last), opts, name);
  if (slot !== undefined && slot <= last) slot = await ask(strategy, last + 1, opts, name);
  if (slot === undefined) return undefined;
  slot = Math.max(slot, now, last + 1);
  return opts.endDate !== undefined && slot > opts.endDate ? undefined : slot;
}
