// Plays a conformance scenario on the Node addon. README.md describes the language of the scenarios.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

import { packEncryption } from "../../node/dist/esm/encryption.js";
import { readAck } from "../../node/dist/esm/enqueuer.js";
import { toMillraceError } from "../../node/dist/esm/errors.js";
import * as hub from "../../node/dist/esm/hub.js";
import { readCounts, readNotices, readPage } from "../../node/dist/esm/wire-reports.js";
import { Reader, readInfo, readLeased, readOutcome } from "../../node/dist/esm/wire.js";
import { changeOperations } from "./changes.mjs";
import { flowOperations, shownDependency } from "./flows.mjs";
import { keep, packJobs } from "./jobs.mjs";
import { keyOperations } from "./keys.mjs";
import { limitSteps } from "./limits.mjs";
import { scheduleOperations } from "./schedules.mjs";
import { transactionOperations } from "./transactions.mjs";
import { since, START_MS, STATES, moment, parsed } from "./values.mjs";

const PATIENCE_MS = 20_000;
const BY_THE_STORE = -1;
const OUTCOMES = ["completed", "failed", "retry", "released", "cancelled", "waiting", "replaced"];
const SIGNALS = ["cancel", "soft_limit", "hard_limit", "lease_lost"];
const SCOPES = ["", "store", "queue", "task", "group"];
const CANCELS = ["cancelled", "requested", "finished"];
const EVENTS = [
  ...["", "added", "ready", "scheduled", "active", "progress", "completed", "failed", "cancelled"],
  ...["rescued", "removed", "duplicate", "paused", "resumed", "drained", "cleaned"],
  ...["blocked", "custom"],
];

const queueOf = (step) => step.queue ?? "q";
const refused = (code, message) => Object.assign(new Error(message), { code });

/** A worker's session, with what it has told. */
class Told {
  drained = false;
  settled = [];
  signals = [];
  #source = hub.newId();
  #wake = () => undefined;

  async open(engine, queue, slots) {
    hub.listen(this.#source, () => this.#wake());
    this.session = await engine.openSession(
      ...[this.#source, queue, slots, "conformance", BY_THE_STORE, true],
    );
    return this;
  }

  /** Listens until `find` answers something. */
  async hear(find) {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      let timer;
      const news = new Promise((resolve) => {
        this.#wake = resolve;
        timer = setTimeout(resolve, 100);
      });
      const packed = this.session.drain();
      if (packed !== undefined) {
        const notices = readNotices(new Reader(packed));
        for (const error of notices.errors) throw error;
        this.settled.push(...notices.settled);
        this.signals.push(...notices.signals);
        this.drained ||= notices.drained;
      }
      const found = find();
      if (found === undefined && Date.now() < deadline) await news;
      clearTimeout(timer);
      if (found !== undefined || Date.now() >= deadline) return found;
    }
  }

  async close() {
    const { session } = this;
    this.session = undefined;
    if (session !== undefined) await session.close(0);
    hub.unlisten(this.#source);
  }
}

export class ScenarioRunner {
  #path;
  #engine;
  #sessions = [];
  #leases = new Map();
  #ids = new Map(); // by the names that a scenario gives to ids made by the store
  #names = new Map();
  #positions = new Map();

  static async open(path, options) {
    const runner = new ScenarioRunner();
    runner.#path = path;
    hub.hold();
    await runner.#openEngine(options);
    return runner;
  }

  async #openEngine(options) {
    const given = { manualClock: START_MS, maxPayloadBytes: options.max_payload_bytes };
    if (options.keep_completed !== undefined) given.keepCompleted = keep(options.keep_completed);
    if (options.keep_failed !== undefined) given.keepFailed = keep(options.keep_failed);
    if (options.security !== undefined) {
      const { keys, mode = "encrypt", require = false } = options.security;
      given.encryption = packEncryption("scenario", {
        keys: keys.map(({ id, secret }) => ({ id, secret: Buffer.alloc(32, secret) })),
        ...{ mode, require },
      });
    }
    this.#engine = await hub.openEngine(this.#path, given);
  }

  async reopen({ store = {} }) {
    await this.#endSessions();
    await this.#engine.close();
    await this.#openEngine(store);
  }

  async #endSessions() {
    for (const told of this.#sessions) await told.close();
    this.#sessions = [];
    this.#leases.clear();
  }

  async close() {
    await this.#endSessions();
    const doctor = JSON.parse(await this.#engine.adminJson("doctor", "", "", 0));
    await this.#engine.close();
    hub.letGo();
    assert.ok(doctor.ok, JSON.stringify(doctor));
  }

  /** Throws if something is not as the step says. */
  async play(step, difference) {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const wrong = await this.#check(step, difference);
      if (wrong === "") return;
      if (!step.eventually || Date.now() > deadline) throw new Error(wrong);
      await sleep(1);
    }
  }

  async #check(step, difference) {
    const operation = operations[step.op];
    if (operation === undefined) return `no such operation: ${step.op}`;
    let answer;
    try {
      answer = await operation.call(this, step);
    } catch (thrown) {
      const error = toMillraceError(thrown);
      if (step.error === undefined || error.code === undefined) throw thrown;
      const unsaid = (step.error.says ?? []).filter((text) => !error.message.includes(text));
      const wrong = difference(step.error.code, error.code, "code");
      return wrong + unsaid.map((text) => `"${error.message}" does not say "${text}"`).join("; ");
    }
    if (step.error !== undefined) return `answered ${JSON.stringify(answer)}, not an error`;
    return step.expect === undefined ? "" : difference(step.expect, answer ?? null, "answer");
  }

  get engine() {
    return this.#engine;
  }

  /** [id, queue] */
  ref(step) {
    return [this.#ids.get(step.job) ?? step.job, step.queue ?? ""];
  }

  nameOf(id) {
    return this.#names.get(id) ?? id;
  }

  lease(step) {
    const lease = this.#leases.get(step.job);
    if (lease?.told.session === undefined) throw refused("closed", "its session was closed");
    return lease;
  }

  /** Names an id that was made by the store. */
  remember(name, id) {
    this.#ids.set(name, id);
    this.#names.set(id, name);
  }

  packedJob(job) {
    return packJobs(this, [job]);
  }

  async enqueue({ jobs }) {
    const { numbers, text } = packJobs(this, jobs);
    const request = hub.newId();
    const acks = await new Promise((resolve, reject) => {
      hub.expect(request, {
        batchCount: 1,
        accept(batch, ids, flags, at) {
          resolve(jobs.map((_, i) => readAck(ids[at + i], flags.charCodeAt(at + i))));
          return at + jobs.length;
        },
        refuse: (batch, error) => reject(error),
        done: () => undefined,
      });
      this.#engine.enqueue(request, Float64Array.from(numbers), text, BY_THE_STORE);
    });
    return acks.map((ack, i) => this.acknowledged(jobs[i], ack));
  }

  acknowledged(job, { id, existing, state, replacedId }) {
    if (job.as !== undefined) this.remember(job.as, id);
    const replaced = this.nameOf(replacedId);
    return { id: this.nameOf(id), existing, state: STATES[state], replaced };
  }

  async take(step) {
    const wanted = step.jobs.length;
    const told = await new Told().open(this.#engine, queueOf(step), Math.max(wanted, 1));
    this.#sessions.push(told);
    await told.session.resume(); // claims, and tells if there was nothing
    const jobs = [];
    await told.hear(() => {
      const { drained } = told; // heard before this last look
      const packed = told.session.take(Math.max(wanted - jobs.length, 1));
      if (packed !== undefined) jobs.push(...new Reader(packed).list(readLeased));
      return drained || (wanted > 0 && jobs.length >= wanted) ? true : undefined;
    });
    const names = jobs.map((job) => this.nameOf(job.id));
    jobs.forEach((job, i) => this.#leases.set(names[i], { told, token: job.token }));
    if (wanted === 0) await told.close();
    assert.deepEqual(names, step.jobs, "taken jobs");
    return jobs.map((job) => ({
      attempt: job.attempt,
      priority: job.numbers[job.at + 5],
      data: parsed(job.data),
      headers: parsed(job.headers) ?? {},
      progress: parsed(job.progress),
      crashes: job.crashes,
      checkpoint: parsed(job.more?.checkpoint),
      dependencies: (job.more?.dependencies ?? []).map((each) => shownDependency(this, each)),
      dependency_count: job.more?.dependencyCount ?? 0,
    }));
  }

  async settle(step) {
    const { told, token } = this.lease(step);
    told.session.stop(); // so that the freed slot takes no other job
    const bodiless = ["released", "waiting", "replaced"].includes(step.outcome);
    const body = bodiless ? "" : JSON.stringify(step.body ?? null);
    const kind = OUTCOMES.indexOf(step.outcome);
    const retryable = step.retryable === false ? 0 : 1;
    const { scope = "", ms = 0 } = step.throttle ?? {};
    const jobs = step.jobs === undefined ? undefined : packJobs(this, step.jobs);
    const progress = step.progress === undefined ? "" : `${JSON.stringify(step.progress)}\0`;
    const brings = (jobs === undefined ? 0 : 1) + (progress === "" ? 0 : 2);
    const outcome = Float64Array.of(
      ...[1, token, kind, retryable, step.delay_ms ?? NaN, SCOPES.indexOf(scope), ms],
      ...[brings, ...(jobs?.numbers ?? [])],
    );
    const refusal = told.session.settle(outcome, `${body}\0${progress}${jobs?.text ?? ""}`);
    if (refusal !== undefined) throw refusal[1];
    const settled = await told.hear(() => told.settled.find((each) => each.token === token));
    assert.ok(settled, "nothing was settled");
    if (settled.error !== undefined) throw settled.error;
    // The addon does not tell the queue: a session has one.
    const { state, dueAt } = settled;
    const added = settled.added.map((ack, i) => this.acknowledged(step.jobs[i], ack));
    return { state: STATES[state], queue: queueOf(step), due_at_ms: since(dueAt), added };
  }

  async signal(step) {
    const { told, token } = this.lease(step);
    const signal = await told.hear(() => told.signals.find((each) => each.token === token));
    assert.ok(signal, "no signal came");
    told.signals.splice(told.signals.indexOf(signal), 1);
    return { kind: SIGNALS[signal.kind], reason: signal.reason };
  }

  async events(step) {
    const after = step.after === undefined ? "" : this.#positions.get(step.after);
    const job = step.job === undefined ? "" : this.ref(step)[0];
    const page = readPage(
      new Reader(
        await this.#engine.readEvents(step.queues ?? queueOf(step), after, job, step.limit ?? 1000),
      ),
    );
    if (step.as !== undefined) this.#positions.set(step.as, page.next);
    return page.events.map((event) => {
      const type = EVENTS[event.type];
      const job = this.nameOf(event.jobId);
      if (!step.in_full) return `${type} ${job}`.trim();
      return {
        ...{
          type,
          job,
          queue: event.queue,
          name: event.name,
          attempt: event.attempt,
          count: event.count,
        },
        ...{ state: STATES[event.state], prev: STATES[event.prev], data: parsed(event.data) },
        ...{ at_ms: since(event.at), due_at_ms: since(event.dueAt) },
      };
    });
  }
}

const changeJob = (action) =>
  function (step) {
    return this.engine.changeJob(action, ...this.ref(step), BY_THE_STORE);
  };

const changeMany = (action, usual) =>
  function (step) {
    const state = STATES.indexOf(step.state ?? usual);
    const before = moment(step.before_at_ms);
    return this.engine.changeMany(
      ...[action, queueOf(step), state, step.name ?? "", before, step.limit ?? 0, BY_THE_STORE],
    );
  };

const operations = {
  ...limitSteps,
  ...flowOperations,
  ...changeOperations,
  ...keyOperations,
  ...scheduleOperations,
  ...transactionOperations,
  enqueue: ScenarioRunner.prototype.enqueue,
  take: ScenarioRunner.prototype.take,
  settle: ScenarioRunner.prototype.settle,
  signal: ScenarioRunner.prototype.signal,
  events: ScenarioRunner.prototype.events,
  reopen: ScenarioRunner.prototype.reopen,
  promote: changeJob("promote"),
  remove: changeJob("remove"),
  promote_many: changeMany("promote", "scheduled"),
  remove_many: changeMany("remove", "failed"),
  close(step) {
    return this.lease(step).told.close();
  },
  progress(step) {
    const { told, token } = this.lease(step);
    told.session.progress(token, JSON.stringify(step.value));
  },
  log(step) {
    const { told, token } = this.lease(step);
    told.session.log(token, step.line);
  },
  advance({ ms }) {
    this.engine.advance(ms);
  },
  async cancel(step) {
    const [id, queue] = this.ref(step);
    return CANCELS[await this.engine.cancel(id, queue, step.reason ?? "", BY_THE_STORE)];
  },
  set_progress(step) {
    return this.engine.setProgress(...this.ref(step), JSON.stringify(step.value), BY_THE_STORE);
  },
  drain(step) {
    return this.engine.drain(queueOf(step), step.scheduled ?? false, BY_THE_STORE);
  },
  obliterate(step) {
    return this.engine.obliterate(queueOf(step), step.force ?? false, BY_THE_STORE);
  },
  pause(step) {
    return this.engine.setPaused(queueOf(step), true, BY_THE_STORE);
  },
  resume(step) {
    return this.engine.setPaused(queueOf(step), false, BY_THE_STORE);
  },
  set_retention(step) {
    const rule = (given) => (given === undefined ? [0, NaN] : Object.values(keep(given)));
    return this.engine.setRetention(
      ...[queueOf(step), ...rule(step.completed), ...rule(step.failed), BY_THE_STORE],
    );
  },
  async job(step) {
    const job = readInfo(new Reader(await this.engine.getJob(...this.ref(step))));
    return {
      ...{ id: this.nameOf(job.id), queue: job.queue, name: job.name, state: STATES[job.state] },
      ...{ priority: job.numbers[job.at + 5], data: parsed(job.data), crashes: job.crashes },
      ...{ headers: parsed(job.headers) ?? {}, cancel_requested: job.cancelRequested },
      ...{ attempts_started: job.attemptsStarted, attempts_made: job.attemptsMade },
      ...{ created_at_ms: since(job.createdAt), due_at_ms: since(job.dueAt) },
      ...{ started_at_ms: since(job.startedAt), finished_at_ms: since(job.finishedAt) },
      ...{ progress: parsed(job.progress), result: parsed(job.result), error: parsed(job.error) },
      ...{ attempt_errors: job.attemptErrors.map(parsed), checkpoint: parsed(job.checkpoint) },
      ...{ dependencies: job.dependencies, pending: job.pending },
    };
  },
  async outcome(step) {
    const outcome = readOutcome(new Reader(await this.engine.getOutcome(...this.ref(step))));
    return {
      ...{ state: STATES[outcome.state], finished_at_ms: since(outcome.finishedAt) },
      ...{ attempts_made: outcome.attemptsMade, progress: parsed(outcome.progress) },
      ...{ result: parsed(outcome.result), error: parsed(outcome.error) },
    };
  },
  async counts(step) {
    return readCounts(new Reader(await this.engine.counts(queueOf(step))));
  },
  async queues() {
    return new Reader(await this.engine.listQueues()).list(readCounts);
  },
  async list(step) {
    const { name = "", offset = 0, limit = 100, descending = false } = step;
    const packed = await this.engine.listJobs(
      ...[queueOf(step), STATES.indexOf(step.state), name, offset, limit, descending],
    );
    return new Reader(packed).list(readInfo).map((job) => this.nameOf(job.id));
  },
  async logs(step) {
    const packed = await this.engine.getLogs(
      ...[...this.ref(step), step.offset ?? 0, step.limit ?? 1000],
    );
    return new Reader(packed).list((each) => {
      each.number(); // when
      return each.text();
    });
  },
  async dead(step) {
    const { queue = "", name = "", limit = 100 } = step;
    return JSON.parse(await this.engine.adminJson("dead", queue, name, limit));
  },
};
