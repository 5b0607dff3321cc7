// store.schedules: jobs that are added again and again, by cron text, by an interval or by the sun. A schedule is a row of
// the store: any process that waits or works fires it, one job a slot however many processes there are.
import {
  MAX_MS,
  checkBoolean,
  checkDuration,
  checkInteger,
  checkKnownOptions,
  checkName,
  checkObject,
  checkOneOf,
  checkString,
  show,
} from "./check.js";
import type { Connection } from "./connection.js";
import { pack } from "./enqueuer.js";
import { hasCode, invalidArgument } from "./errors.js";
import { newId } from "./hub.js";
import { readExtras } from "./job-extras.js";
import { packOptions, unpackOptions } from "./job-options.js";
import type { RepeatRule } from "./repeat-strategy.js";
import { decodeJson, encodeData } from "./serializer.js";
import type { JobsOptions } from "./types.js";
import {
  type NativeSchedule,
  type NativeTiming,
  readSchedule,
  timingNumbers,
  timingText,
} from "./wire-model.js";
import { type JobInfo, Reader, SEPARATOR, readInfo } from "./wire.js";

/** An event of the sun at a place; times before and after it by `offset` are not supported. */
export interface SolarOptions {
  /** Such as "sunrise", "sunset", "solar_noon", "dawn_civil", "dusk_nautical". */
  event: string;
  /** Degrees, -90 to 90; north is positive. */
  latitude: number;
  /** Degrees, -180 to 180; east is positive. */
  longitude: number;
}

/** When: exactly one of `pattern`, `every` and `solar`. */
export interface TimingOptions {
  /** Cron text of five fields (minute hour day month weekday) or six (second first), or `@daily` and the like. */
  pattern?: string;
  /** Milliseconds between two slots. */
  every?: number;
  solar?: SolarOptions;
  /** Name of the time zone of `pattern`, such as "Europe/Paris". Default: UTC. */
  tz?: string;
  /** Milliseconds by which the slots of `every` are moved from multiples of it since 1970; less than `every`. */
  offset?: number;
  /** No slot before; milliseconds UTC or a Date. */
  startDate?: number | Date;
  /** No slot after. */
  endDate?: number | Date;
}

export interface ScheduleOptions extends TimingOptions {
  /** How many jobs it makes in all. Default: no bound. */
  limit?: number;
  /** One job now besides, when the schedule is new. */
  immediately?: boolean;
  /**
   * The slots of `every` count from `startDate` (or from now), not from 1970; put again with the same interval it keeps
   * them. Not together with `offset`.
   */
  fromStart?: boolean;
  /** Milliseconds by up to which each job is delayed, the same for all processes. Default 0. */
  jitter?: number;
  /** A slot comes while the job of an earlier one is not finished. Default `allow`. `queue-one`: one waits its turn. */
  overlap?: "allow" | "skip" | "queue-one";
  /** Slots passed while no process was there: nothing, one job for the newest, or a job for each. Default `last`. */
  catchUp?: "none" | "last" | "all";
  /** With `all`: at most so many, the newest ones. Default 100. */
  catchUpMax?: number;
  paused?: boolean;
}

/** The job of each slot. */
export interface ScheduleTemplate {
  name: string;
  queue: string;
  data?: unknown;
  opts?: Omit<JobsOptions, "jobId" | "durability" | "delay" | "parent" | "after" | "join">;
}

/** A schedule as it stands. `startDate` and `endDate` are milliseconds UTC. */
export interface Schedule extends ScheduleOptions {
  id: string;
  template: ScheduleTemplate;
  /** Milliseconds UTC of the next slot; undefined: it has ended, or is paused. */
  next: number | undefined;
  /** Of the newest slot that was fired or passed by. */
  last: number | undefined;
  /** Jobs made. */
  iterationCount: number;
  /** Slots passed by (overlap, catch-up). */
  skipped: number;
  lastJobId: string | undefined;
  /** @internal A repeatStrategy computes its times: by this rule, and the slot that it has. */
  rule?: RepeatRule;
  /** @internal */
  slot?: number;
}

const OVERLAPS = ["allow", "skip", "queue-one"] as const;
const CATCH_UPS = ["none", "last", "all"] as const;
const TIMING_OPTIONS = [
  ...["pattern", "every", "solar", "tz", "offset", "startDate", "endDate"],
] as const;
const TIMING = new Set<string>(TIMING_OPTIONS);
const KNOWN = new Set<string>([
  ...[...TIMING_OPTIONS, "limit", "immediately", "jitter", "overlap", "catchUp", "catchUpMax"],
  ...["paused", "fromStart"],
]);
const TEMPLATE = new Set(["name", "queue", "data", "opts"]);
const NOT_IN_TEMPLATE = ["jobId", "durability", "delay", "parent", "after", "join"];

function momentOf(what: string, value: unknown): number {
  if (value === undefined) return 0;
  const ms = value instanceof Date ? value.getTime() : value;
  if (Number.isNaN(ms)) throw invalidArgument(`${what} is an invalid Date`);
  checkInteger(`${what} (milliseconds UTC)`, ms, 1, MAX_MS);
  return ms;
}

function checkDegrees(what: string, value: unknown, bound: number): asserts value is number {
  if (typeof value !== "number" || !(value >= -bound && value <= bound)) {
    throw invalidArgument(
      `${what} must be a number from -${bound} to ${bound}, not ${show(value)}`,
    );
  }
}

function timingOf(what: string, options: TimingOptions): NativeTiming {
  const { pattern, every, solar, tz, offset } = options;
  const given = [pattern, every, solar].filter((each) => each !== undefined);
  if (given.length !== 1) {
    throw invalidArgument(`${what}: give exactly one of pattern, every and solar`);
  }
  const timing: NativeTiming = {
    ...{ every: 0, offset: 0, latitude: 0, longitude: 0, cron: "", timeZone: "", solar: "" },
    startAt: momentOf(`${what}: startDate`, options.startDate),
    endAt: momentOf(`${what}: endDate`, options.endDate),
  };
  if (pattern !== undefined) {
    checkName(`${what}: pattern`, pattern);
    timing.cron = pattern;
  }
  if (every !== undefined) {
    checkInteger(`${what}: every (milliseconds)`, every, 1, MAX_MS);
    timing.every = every;
  }
  if (tz !== undefined) {
    if (pattern === undefined) throw invalidArgument(`${what}: tz is for pattern only`);
    checkName(`${what}: tz`, tz);
    timing.timeZone = tz;
  }
  if (offset !== undefined) {
    if (every === undefined) throw invalidArgument(`${what}: offset is for every only`);
    checkInteger(`${what}: offset`, offset, 0, every - 1);
    timing.offset = offset;
  }
  if (solar !== undefined) {
    checkObject(`${what}: solar`, solar);
    checkKnownOptions(`${what}: solar`, solar, new Set(["event", "latitude", "longitude"]));
    checkName(`${what}: solar.event`, solar.event);
    checkDegrees(`${what}: solar.latitude`, solar.latitude, 90);
    checkDegrees(`${what}: solar.longitude`, solar.longitude, 180);
    timing.solar = solar.event;
    timing.latitude = solar.latitude;
    timing.longitude = solar.longitude;
  }
  return timing;
}

/** The template as one batch of one job. */
function packTemplate(
  what: string,
  template: ScheduleTemplate,
  rule: RepeatRule | undefined,
): ReturnType<typeof pack> {
  checkObject(what, template);
  checkKnownOptions(what, template, TEMPLATE, {
    queueName: "is called queue here",
  });
  const { name, queue, data, opts = {} } = template;
  checkName(`${what}.name`, name);
  checkName(`${what}.queue`, queue);
  checkObject(`${what}.opts`, opts);
  for (const option of NOT_IN_TEMPLATE) {
    if ((opts as Record<string, unknown>)[option] !== undefined) {
      throw invalidArgument(`${what}.opts must not have a ${option}: each slot makes a job anew`);
    }
  }
  const set = packOptions(`${what}: option`, queue, opts, rule && { repeat: rule });
  const text = [name, encodeData(what, data, opts.sizeLimit), "", ""].join(SEPARATOR);
  return pack([{ sets: [set], text }], newId());
}

function packSchedule(
  what: string,
  id: string,
  options: ScheduleOptions,
  template: ScheduleTemplate,
  rule: RepeatRule | undefined,
): [numbers: Float64Array, text: string] {
  checkName(`${what}: id`, id);
  checkObject(`${what}: options`, options);
  checkKnownOptions(what, options, KNOWN);
  const timing = timingOf(what, options);
  const { limit = 0, jitter = 0, overlap = "allow", catchUp = "last", catchUpMax = 100 } = options;
  const { paused = false, immediately = false, fromStart = false } = options;
  if (options.limit !== undefined) checkInteger(`${what}: limit`, limit, 1, MAX_MS);
  checkDuration(`${what}: jitter`, jitter);
  checkOneOf(`${what}: overlap`, overlap, OVERLAPS);
  checkOneOf(`${what}: catchUp`, catchUp, CATCH_UPS);
  checkInteger(`${what}: catchUpMax`, catchUpMax, 1, 10_000);
  checkBoolean(`${what}: paused`, paused);
  checkBoolean(`${what}: immediately`, immediately);
  checkBoolean(`${what}: fromStart`, fromStart);
  if (fromStart && (options.every === undefined || options.offset !== undefined)) {
    throw invalidArgument(`${what}: fromStart is for every, without an offset`);
  }
  const job = packTemplate(`${what}: template`, template, rule);
  const numbers = [
    ...[...timingNumbers(timing), limit, jitter, OVERLAPS.indexOf(overlap as "allow")],
    ...[CATCH_UPS.indexOf(catchUp as "none"), catchUpMax, paused ? 1 : 0, immediately ? 1 : 0],
    fromStart ? 1 : 0,
    ...job.numbers,
  ];
  return [Float64Array.from(numbers), id + SEPARATOR + timingText(timing) + job.text];
}

function unpackTemplate({ job }: NativeSchedule): ScheduleTemplate {
  const opts = unpackOptions(job, 0);
  delete opts.jobId;
  delete opts.delay;
  const data = decodeJson(`data of the schedule's job ${show(job.name)}`, job.data);
  return { name: job.name, queue: job.queue, data, opts };
}

/** A call with a timing: what the core says of its `cron` and `time_zone`, in the words of ours. */
async function timed<T>(what: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!hasCode(error, "invalid_argument")) throw error;
    const said = (error as Error).message
      .replace(/^cron\b/, "pattern")
      .replace(/^time_zone\b/, "tz");
    throw invalidArgument(`${what}: ${said}`);
  }
}

function scheduleOf(native: NativeSchedule): Schedule {
  const { timing } = native;
  const rule = readExtras(native.job.headers)?.repeat;
  const schedule: Schedule = {
    id: native.id,
    template: unpackTemplate(native),
    next: native.nextAt || undefined,
    last: native.lastAt || undefined,
    iterationCount: native.fired,
    skipped: native.skipped,
    lastJobId: native.lastJobId === "" ? undefined : native.lastJobId,
    overlap: OVERLAPS[native.overlap] ?? "allow",
    catchUp: CATCH_UPS[native.catchUp] ?? "last",
    paused: native.paused,
  };
  if (native.limit > 0) schedule.limit = native.limit;
  if (native.jitter > 0) schedule.jitter = native.jitter;
  if (schedule.catchUp === "all") schedule.catchUpMax = native.catchUpMax;
  if (rule !== undefined) {
    const { pattern, tz, startDate, endDate } = rule;
    const dates = { ...(startDate && { startDate }), ...(endDate && { endDate }) };
    return { ...schedule, pattern, ...(tz && { tz }), ...dates, rule, slot: timing.endAt };
  }
  if (timing.cron !== "") schedule.pattern = timing.cron;
  if (timing.timeZone !== "") schedule.tz = timing.timeZone;
  if (timing.every > 0) schedule.every = timing.every;
  if (timing.offset > 0) schedule.offset = timing.offset;
  if (timing.solar !== "") {
    const { solar: event, latitude, longitude } = timing;
    schedule.solar = { event, latitude, longitude };
  }
  if (timing.startAt > 0) schedule.startDate = timing.startAt;
  if (timing.endAt > 0) schedule.endDate = timing.endAt;
  return schedule;
}

/** What a put did; `jobId` of the job that it made at once, which is gone already if there is no `job`. */
export interface Put {
  schedule: Schedule;
  jobId: string | undefined;
  job: JobInfo | undefined;
}

/** From store.schedules. */
export class Schedules {
  readonly #open: () => Connection;
  readonly #durability: number;

  /** @internal `durability` of its writes: as a number of the core, -1: the store's. */
  constructor(open: () => Connection, durability = -1) {
    this.#open = open;
    this.#durability = durability;
  }

  /**
   * Creates the schedule, or replaces the one of this id: if its timing is the same, the next slot and the counters stay.
   * The jobs have the headers "millrace-schedule" (the id) and "millrace-slot" (milliseconds UTC).
   */
  async put(id: string, options: ScheduleOptions, template: ScheduleTemplate): Promise<Schedule> {
    return (await this.putAs("store.schedules.put", id, options, template, undefined)).schedule;
  }

  /** @internal The same for a scheduler: `rule` is what a repeatStrategy computes its times from, `what` who asks. */
  async putAs(
    what: string,
    id: string,
    options: ScheduleOptions,
    template: ScheduleTemplate,
    rule: RepeatRule | undefined,
  ): Promise<Put> {
    const [numbers, text] = packSchedule(what, id, options, template, rule);
    const packed = await timed(what, () =>
      this.#open().call((engine) => engine.putSchedule(numbers, text, this.#durability)),
    );
    const reader = new Reader(packed);
    const put: Put = {
      schedule: scheduleOf(readSchedule(reader)),
      jobId: undefined,
      job: undefined,
    };
    const jobId = reader.text();
    if (jobId === "") return put;
    return { ...put, jobId, job: reader.number() === 1 ? readInfo(reader) : undefined };
  }

  /** @internal One that has ended with the slot `last` (0: none) goes on, and keeps its job and counters. */
  async goOn(id: string, last: number, options: TimingOptions): Promise<void> {
    const timing = timingOf("store.schedules.goOn", options);
    const numbers = Float64Array.from(timingNumbers(timing));
    await this.#open().call((engine) =>
      engine.continueSchedule(numbers, timingText(timing), id, last, this.#durability),
    );
  }

  /** Code "not_found". */
  async get(id: string): Promise<Schedule> {
    checkName("store.schedules.get: id", id);
    const packed = await this.#open().call((engine) => engine.getSchedule(id));
    return scheduleOf(readSchedule(new Reader(packed)));
  }

  /** By id, at most `limit` (default 1,000) from behind the id `after`. */
  async list(options: { after?: string; limit?: number } = {}): Promise<Schedule[]> {
    const what = "store.schedules.list";
    checkObject(`${what}: options`, options);
    checkKnownOptions(what, options, new Set(["after", "limit"]));
    const { after = "", limit = 1000 } = options;
    checkString(`${what}: after`, after);
    checkInteger(`${what}: limit`, limit, 1, 10_000);
    const packed = await this.#open().call((engine) => engine.listSchedules(after, limit));
    return new Reader(packed).list(readSchedule).map(scheduleOf);
  }

  /** It fires no more until resume(). Code "not_found". */
  async pause(id: string): Promise<void> {
    await this.#change("pause", id);
  }
  /** It goes on with its next slot in the future. */
  async resume(id: string): Promise<void> {
    await this.#change("resume", id);
  }
  /** Jobs that it made stay. Code "not_found". */
  async remove(id: string): Promise<void> {
    await this.#change("remove", id);
  }

  async #change(action: "pause" | "resume" | "remove", id: string): Promise<void> {
    checkName(`store.schedules.${action}: id`, id);
    await this.#open().call((engine) => engine.changeSchedule(action, id, this.#durability));
  }

  /** The next slots (default 10) after a time (default: now), without a schedule. Fewer if it ends. */
  async preview(
    timing: TimingOptions,
    options: { count?: number; after?: number | Date } = {},
  ): Promise<Date[]> {
    const what = "store.schedules.preview";
    checkObject(`${what}: timing`, timing);
    checkKnownOptions(what, timing, TIMING);
    checkObject(`${what}: options`, options);
    checkKnownOptions(what, options, new Set(["count", "after"]));
    const { count = 10 } = options;
    checkInteger(`${what}: count`, count, 1, 10_000);
    const after = momentOf(`${what}: after`, options.after);
    const native = timingOf(what, timing);
    const numbers = Float64Array.from(timingNumbers(native));
    const packed = await timed(what, () =>
      this.#open().call((engine) =>
        engine.previewTiming(numbers, timingText(native), after, count),
      ),
    );
    return new Reader(packed).list((each) => new Date(each.number()));
  }
}
