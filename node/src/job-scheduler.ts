// Job schedulers: the store's schedules under BullMQ's names, those of one queue.
import { checkInteger, checkKnownOptions, checkName, checkObject } from "./check.js";
import type { Connection } from "./connection.js";
import { hasCode, invalidArgument } from "./errors.js";
import {
  type RepeatOptions,
  type RepeatRule,
  type RepeatStrategy,
  sameRule,
  slotAfter,
  slotTiming,
} from "./repeat-strategy.js";
import { type Put, type Schedule, type ScheduleTemplate, Schedules } from "./schedules.js";
import type { JobsOptions } from "./types.js";

/** The job of each slot. */
export interface JobSchedulerTemplate<Data = unknown, Name extends string = string> {
  /** Default: the scheduler's id. */
  name?: Name;
  data?: Data;
  opts?: JobSchedulerTemplateOptions;
}
export type JobSchedulerTemplateOptions = Omit<
  JobsOptions,
  "jobId" | "durability" | "delay" | "parent" | "after" | "join" | "tx" | "deduplication"
>;

/** A scheduler as it stands. */
export interface JobSchedulerJson<Data = unknown> {
  /** Its id. */
  key: string;
  /** Of its jobs. */
  name: string;
  iterationCount: number;
  /** Milliseconds UTC of the next job; undefined: it has ended. */
  next: number | undefined;
  limit?: number;
  startDate?: number;
  endDate?: number;
  tz?: string;
  pattern?: string;
  every?: number;
  offset?: number;
  template: { data?: Data; opts?: JobSchedulerTemplateOptions };
}

const KNOWN = new Set([
  ...["pattern", "every", "limit", "count", "startDate", "endDate", "tz", "offset", "immediately"],
]);
const NOT_HERE = {
  key: "is the first argument: the scheduler's id",
  jobId: "is BullMQ's of old: each job gets an id of its own",
  prevMillis: "is BullMQ's own",
  utc: "is the default: give tz for another zone",
};
const TEMPLATE = new Set(["name", "data", "opts"]);
const COUNT_MAX = 1_000_000_000;
const PAGE = 1000;

function dateOf(what: string, value: Date | string | number | undefined): number | undefined {
  if (value === undefined) return undefined;
  const ms = new Date(value).getTime();
  if (Number.isNaN(ms)) throw invalidArgument(`${what} is no date: ${String(value)}`);
  return ms;
}

const UPSERT = "queue.upsertJobScheduler";

/** The schedulers of one queue. Their ids are the queue's own: as schedules of the store they are "queue:id". */
export class JobScheduler {
  readonly #connection: Connection;
  readonly #queue: string;
  readonly #schedules: Schedules;
  readonly #strategy: RepeatStrategy | undefined;

  /** @internal */
  constructor(
    queue: string,
    connection: Connection,
    durability: number,
    strategy?: RepeatStrategy,
  ) {
    this.#strategy = strategy;
    this.#queue = queue;
    this.#connection = connection;
    this.#schedules = new Schedules(() => connection, durability);
  }

  #key(what: string, id: unknown): string {
    checkName(`${what}: jobSchedulerId`, id);
    return `${this.#queue}:${id}`;
  }

  /** Answers undefined if it would make no job: `endDate` has passed, or `count` has reached `limit`. */
  async upsert(
    id: string,
    repeat: RepeatOptions,
    template: JobSchedulerTemplate,
  ): Promise<Put | undefined> {
    const what = UPSERT;
    const key = this.#key(what, id);
    checkRepeat(what, repeat);
    checkObject(`${what}: jobTemplate`, template);
    checkKnownOptions(`${what}: jobTemplate`, template, TEMPLATE);
    const now = (await this.#connection.ready).now();
    const startDate = dateOf(`${what}: startDate`, repeat.startDate);
    const endDate = dateOf(`${what}: endDate`, repeat.endDate);
    const { count = 0, limit } = repeat;
    if (endDate !== undefined && now > endDate) return undefined;
    if (limit !== undefined && count + 1 > limit) return undefined;
    if (this.#strategy !== undefined && repeat.pattern !== undefined) {
      const dates = { startDate, endDate, known: await this.#find(key) };
      const made = templateOf(id, this.#queue, template);
      return this.#upsertByRule(this.#strategy, { key, repeat, ...dates }, made);
    }
    const { every, offset } = repeat;
    return this.#schedules.putAs(
      what,
      key,
      {
        ...(repeat.pattern === undefined ? {} : { pattern: repeat.pattern }),
        ...(repeat.tz === undefined ? {} : { tz: repeat.tz }),
        ...(limit === undefined ? {} : { limit: limit - count }),
        ...(startDate === undefined ? {} : { startDate }),
        ...(endDate === undefined ? {} : { endDate }),
        ...(every === undefined
          ? {}
          : { every, ...(offset === undefined ? { fromStart: true } : { offset }) }),
        // As in BullMQ: the first job of an interval comes at once.
        immediately: every === undefined ? (repeat.immediately ?? false) : startDate === undefined,
      },
      templateOf(id, this.#queue, template),
      undefined,
    );
  }

  /** The strategy says when the first job is due; an upsert of the same rule leaves the next slot and the count alone. */
  async #upsertByRule(
    strategy: RepeatStrategy,
    { key, known, repeat, startDate, endDate }: Ruled,
    template: ScheduleTemplate,
  ): Promise<Put | undefined> {
    const { count = 0, limit } = repeat;
    const rule = ruleOf(repeat, startDate, endDate);
    const options = limit === undefined ? {} : { limit: limit - count };
    if (known !== undefined && sameRule(known.rule, rule)) {
      if (known.next === undefined) await this.#goOn(strategy, known);
      const { slot } = (await this.#find(key)) ?? known;
      const timing = slotTiming(slot as number);
      await this.#schedules.putAs(UPSERT, key, { ...options, ...timing }, template, rule);
    } else {
      const now = (await this.#connection.ready).now();
      const opts = { ...rule, ...(repeat.immediately === true ? { immediately: true } : {}) };
      const slot = await slotAfter(strategy, opts, template.name, { now, last: 0 });
      if (slot === undefined) return undefined;
      const timing = slotTiming(slot);
      const put = await this.#schedules.putAs(
        UPSERT,
        key,
        { ...options, ...timing },
        template,
        rule,
      );
      // The slot has passed meanwhile: it comes all the same.
      if (put.schedule.next === undefined) await this.#goOnWith(key, 0, slot);
    }
    const schedule = await this.#find(key);
    return schedule && { schedule, jobId: undefined, job: undefined };
  }

  /** @internal The job of its last slot is being started: the strategy gives it the next one, unless somebody has. */
  async goOn(id: string): Promise<void> {
    const known = await this.#find(`${this.#queue}:${id}`);
    if (known !== undefined) await this.#goOn(this.#strategy as RepeatStrategy, known);
  }

  /** @internal The same for all that stand still. */
  async goOnAll(): Promise<void> {
    for (const each of await this.#all()) await this.#goOn(this.#strategy as RepeatStrategy, each);
  }

  async #goOn(strategy: RepeatStrategy, known: Schedule): Promise<void> {
    const { id, rule, last = 0, limit, iterationCount, template } = known;
    if (rule === undefined || known.next !== undefined || known.paused === true) return;
    if (limit !== undefined && iterationCount >= limit) return;
    const now = (await this.#connection.ready).now();
    const slot = await slotAfter(strategy, rule, template.name, { now, last });
    if (slot !== undefined) await this.#goOnWith(id, last, slot);
  }

  async #goOnWith(key: string, last: number, slot: number): Promise<void> {
    try {
      await this.#schedules.goOn(key, last, slotTiming(slot));
    } catch (error) {
      // Somebody else has given it one, put it anew or removed it.
      if (!hasCode(error, "wrong_state") && !hasCode(error, "not_found")) throw error;
    }
  }

  async #find(key: string): Promise<Schedule | undefined> {
    try {
      const found = await this.#schedules.get(key);
      return found.template.queue === this.#queue ? found : undefined;
    } catch (error) {
      if (hasCode(error, "not_found")) return undefined;
      throw error;
    }
  }

  async get(id: string): Promise<JobSchedulerJson | undefined> {
    const found = await this.#find(this.#key("queue.getJobScheduler", id));
    return found === undefined ? undefined : this.#json(found);
  }

  /** By the time of the next job, the latest first unless `asc`; `end` is included, -1 means to the last. */
  async list(start = 0, end = -1, asc = false): Promise<JobSchedulerJson[]> {
    checkInteger("queue.getJobSchedulers: start", start, -COUNT_MAX, COUNT_MAX);
    checkInteger("queue.getJobSchedulers: end", end, -COUNT_MAX, COUNT_MAX);
    const all = await this.#all();
    const at = ({ next }: Schedule): number => next ?? Number.MAX_SAFE_INTEGER;
    all.sort((one, other) => (asc ? at(one) - at(other) : at(other) - at(one)));
    return all.slice(start, end === -1 ? undefined : end + 1).map((each) => this.#json(each));
  }

  async count(): Promise<number> {
    return (await this.#all()).length;
  }

  async #all(): Promise<Schedule[]> {
    const prefix = `${this.#queue}:`;
    const found: Schedule[] = [];
    // Ids are listed in their order: those of this queue stand together.
    for (let after = prefix; ;) {
      const page = await this.#schedules.list({ after, limit: PAGE });
      const own = page.filter(({ id }) => id.startsWith(prefix));
      found.push(...own.filter(({ template }) => template.queue === this.#queue));
      if (own.length < PAGE) return found;
      after = (page.at(-1) as Schedule).id;
    }
  }

  /** Whether there was one. Jobs that it made stay. */
  async remove(id: string): Promise<boolean> {
    const key = this.#key("queue.removeJobScheduler", id);
    if ((await this.#find(key)) === undefined) return false;
    try {
      await this.#schedules.remove(key);
      return true;
    } catch (error) {
      if (hasCode(error, "not_found")) return false; // somebody else has
      throw error;
    }
  }

  #json(schedule: Schedule): JobSchedulerJson {
    const { template, iterationCount, next, limit, startDate, endDate, tz, pattern } = schedule;
    const { every, offset } = schedule;
    const json: JobSchedulerJson = {
      key: schedule.id.slice(this.#queue.length + 1),
      name: template.name,
      iterationCount,
      next,
      template: {},
    };
    const more = { limit, startDate: Number(startDate), endDate: Number(endDate) };
    if (limit !== undefined) json.limit = more.limit as number;
    if (startDate !== undefined) json.startDate = more.startDate;
    if (endDate !== undefined) json.endDate = more.endDate;
    if (tz !== undefined) json.tz = tz;
    if (pattern !== undefined) json.pattern = pattern;
    if (every !== undefined) json.every = every;
    if (offset !== undefined) json.offset = offset;
    if (template.data !== undefined) json.template.data = template.data;
    if (template.opts !== undefined) json.template.opts = template.opts;
    return json;
  }
}

/** An upsert by a strategy. */
interface Ruled {
  key: string;
  known: Schedule | undefined;
  repeat: RepeatOptions;
  startDate: number | undefined;
  endDate: number | undefined;
}

function ruleOf(repeat: RepeatOptions, startDate?: number, endDate?: number): RepeatRule {
  const rule: RepeatRule = { pattern: repeat.pattern as string };
  if (repeat.tz !== undefined) rule.tz = repeat.tz;
  if (repeat.limit !== undefined) rule.limit = repeat.limit;
  if (startDate !== undefined) rule.startDate = startDate;
  if (endDate !== undefined) rule.endDate = endDate;
  return rule;
}

function templateOf(id: string, queue: string, template: JobSchedulerTemplate): ScheduleTemplate {
  const { name = id, data, opts } = template;
  const made: ScheduleTemplate = { name, queue };
  if (data !== undefined) made.data = data;
  if (opts !== undefined) made.opts = opts;
  return made;
}

function checkRepeat(what: string, repeat: unknown): asserts repeat is RepeatOptions {
  checkObject(`${what}: repeatOpts`, repeat);
  checkKnownOptions(what, repeat, KNOWN, NOT_HERE);
  const { pattern, every, immediately, startDate, limit, count } = repeat as RepeatOptions;
  const refuse = (text: string): never => {
    throw invalidArgument(`${what}: ${text}`);
  };
  if (pattern !== undefined && every !== undefined) {
    refuse("Both .pattern and .every options are defined for this repeatable job");
  }
  if (pattern === undefined && every === undefined) {
    refuse("Either .pattern or .every options must be defined for this repeatable job");
  }
  if (immediately === true && startDate !== undefined) {
    refuse("Both .immediately and .startDate options are defined for this repeatable job");
  }
  if (every !== undefined) checkInteger(`${what}: every (milliseconds)`, every, 1, 1e14);
  if (pattern !== undefined) checkName(`${what}: pattern`, pattern);
  if (limit !== undefined) checkInteger(`${what}: limit`, limit, 1, COUNT_MAX);
  if (count !== undefined) checkInteger(`${what}: count`, count, 0, COUNT_MAX);
}
