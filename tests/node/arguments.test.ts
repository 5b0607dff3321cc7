// Wrong types at every public function: the message names the argument, what was given and what is accepted.
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { Queue, QueueEvents, Worker, openStore } from "millrace";

import { type Case, any, refuse } from "./refusals.js";

const CASES: Case[] = [
  [
    "Queue without a store",
    () => new Queue("q"),
    'new Queue: no store given. Pass { store: "jobs.db" } or set MILLRACE_STORE',
  ],
  [
    "Queue name",
    () => new Queue(any(5), { store: ":memory:" }),
    "new Queue: name must be a string, not 5",
  ],
  [
    "Queue empty name",
    () => new Queue("", { store: ":memory:" }),
    "new Queue: name must not be empty",
  ],
  [
    "Queue long name",
    () => new Queue("x".repeat(300), { store: ":memory:" }),
    "new Queue: name must be at most 255 bytes long, not 300",
  ],
  [
    "Queue control character",
    () => new Queue("a\nb", { store: ":memory:" }),
    'new Queue: name must not contain control characters: "a\\nb"',
  ],
  [
    "Queue lone surrogate",
    () => new Queue("a\ud800", { store: ":memory:" }),
    'new Queue: name must not contain a lone surrogate: "a\\ud800"',
  ],
  [
    "Queue options",
    () => new Queue("q", any("jobs.db")),
    'new Queue: options must be an object, not "jobs.db"',
  ],
  [
    "Queue connection",
    () => new Queue("q", any({ connection: {} })),
    'new Queue: option "connection" is BullMQ\'s; Millrace needs no server: pass { store: "jobs.db" }',
  ],
  [
    "Queue unknown option",
    () => new Queue("q", any({ stroe: "x" })),
    'new Queue: unknown option "stroe" (did you mean "store"?); known are store, defaultJobOptions, durability, telemetry, settings, streams, skipVersionCheck, skipMetasUpdate, skipWaitingForReady, blockingConnection',
  ],
  [
    "Queue store",
    () => new Queue("q", { store: any(7) }),
    "new Queue: store must be a string, not 7",
  ],
  [
    "Queue store URL",
    () => new Queue("q", { store: "redis://localhost" }),
    'new Queue: store must be a path, "sqlite:///path" or ":memory:", not "redis://localhost"',
  ],
  [
    "Queue durability",
    () => new Queue("q", { store: ":memory:", durability: any("disk") }),
    'new Queue: durability must be one of "memory", "process", "power", not "disk"',
  ],
  [
    "Queue default jobId",
    () => new Queue("q", { store: ":memory:", defaultJobOptions: any({ jobId: "x" }) }),
    "new Queue: defaultJobOptions must not have a jobId",
  ],
  ["add name", (q) => q.add(any(undefined), {}), "queue.add: name must be a string, not undefined"],
  [
    "add data",
    (q) => q.add("n", 5n),
    "queue.add: data cannot be written as JSON: data is a BigInt (5n)",
  ],
  [
    "add function",
    (q) => q.add("n", () => 1),
    "queue.add: data cannot be written as JSON: data is a function",
  ],
  [
    "add promise",
    (q) => q.add("n", { user: Promise.resolve(1) }),
    "queue.add: data cannot be written as JSON: data.user is a Promise, of which JSON keeps nothing",
  ],
  [
    "add Map",
    (q) => q.add("n", [new Map([["a", 1]])]),
    "queue.add: data cannot be written as JSON: data[0] is a Map, of which JSON keeps nothing",
  ],
  [
    "getJobCounts of 5.x",
    (q) => q.getJobCounts(any("paused")),
    'queue.getJobCounts: type "paused" is gone since BullMQ 6: the jobs of a paused queue are "waiting", see queue.isPaused()',
  ],
  [
    "add nested option",
    (q) => q.add("n", {}, { backoff: any({ type: "fixed", dealy: 5 }) }),
    'queue.add: option backoff: unknown option "dealy" (did you mean "delay"?); known are type, delay, jitter',
  ],
  [
    "Worker option without effect",
    () => new Worker("q", () => 1, { store: ":memory:", lockDuration: any("5s") }),
    'new Worker: lockDuration must be a number of milliseconds, not "5s"',
  ],
  [
    "Worker ttl",
    () => new Worker("q", () => 1, { store: ":memory:", ttl: any("5s") }),
    'new Worker: ttl must be milliseconds or {name: milliseconds}, not "5s"',
  ],
  ["add options", (q) => q.add("n", {}, any(5)), "queue.add: options must be an object, not 5"],
  [
    "Queue name with a colon",
    () => new Queue("a:b", { store: ":memory:" }),
    'new Queue: name: Queue name cannot contain :, not "a:b"',
  ],
  [
    "add integer jobId",
    (q) => q.add("n", {}, { jobId: "12" }),
    'queue.add: option jobId: Custom Id cannot be integers, not "12"',
  ],
  [
    "add jobId 0",
    (q) => q.add("n", {}, { jobId: "0:1" }),
    "queue.add: option jobId: JobId cannot be '0' or start with '0:', not \"0:1\"",
  ],
  [
    "add jobId with a colon",
    (q) => q.add("n", {}, { jobId: "a:b" }),
    'queue.add: option jobId: Custom Id cannot contain :, not "a:b"',
  ],
  [
    "add jobId",
    (q) => q.add("n", {}, { jobId: any(5) }),
    "queue.add: option jobId must be a string, not 5",
  ],
  [
    "add delay",
    (q) => q.add("n", {}, { delay: -1 }),
    "queue.add: option delay must be a whole number of milliseconds from 0 to 100000000000000, not -1",
  ],
  [
    "add priority",
    (q) => q.add("n", {}, { priority: 1.5 }),
    "queue.add: option priority must be an integer from 0 to 2097152, not 1.5",
  ],
  [
    "add attempts",
    (q) => q.add("n", {}, { attempts: -1 }),
    "queue.add: option attempts must be an integer from 0 to 1000000, not -1",
  ],
  [
    "add backoff",
    (q) => q.add("n", {}, { backoff: any("fast") }),
    'queue.add: option backoff must be milliseconds or {type, delay, jitter}, not "fast"',
  ],
  [
    "add backoff.type",
    (q) => q.add("n", {}, { backoff: { type: "exponental" } }),
    'queue.add: option backoff.type must not be "exponental": did you mean "exponential"?',
  ],
  [
    "add backoff.jitter",
    (q) => q.add("n", {}, { backoff: { type: "fixed", jitter: 2 } }),
    "queue.add: option backoff.jitter must be a number from 0 to 1, not 2",
  ],
  [
    "add lifo",
    (q) => q.add("n", {}, { lifo: any("yes") }),
    'queue.add: option lifo must be true or false, not "yes"',
  ],
  [
    "add removeOnComplete",
    (q) => q.add("n", {}, { removeOnComplete: any("all") }),
    'queue.add: option removeOnComplete must be true, false, a count or {age, count}, not "all"',
  ],
  [
    "add removeOnFail.age",
    (q) => q.add("n", {}, { removeOnFail: { age: -5 } }),
    "queue.add: option removeOnFail.age (seconds) must be an integer from 0 to 100000000000, not -5",
  ],
  [
    "add expires",
    (q) => q.add("n", {}, { expires: new Date(NaN) }),
    "queue.add: option expires is an invalid Date",
  ],
  [
    "add softTimeLimit",
    (q) => q.add("n", {}, { timeLimit: 5, softTimeLimit: 5 }),
    "queue.add: option softTimeLimit must be less than timeLimit (5), not 5",
  ],
  [
    "add headers",
    (q) => q.add("n", {}, { headers: any({ a: 1 }) }),
    "queue.add: option headers.a must be a string, not 1",
  ],
  [
    "add durability",
    (q) => q.add("n", {}, { durability: any(1) }),
    'queue.add: option durability must be one of "memory", "process", "power", not 1',
  ],
  [
    "add repeat",
    (q) => q.add("n", {}, any({ repeat: {} })),
    'queue.add: option "repeat" is gone since BullMQ 6: use queue.upsertJobScheduler() or store.schedules.put()',
  ],
  [
    "addBulk jobs",
    (q) => q.addBulk(any({})),
    "queue.addBulk: jobs must be an array, not an object",
  ],
  [
    "addBulk element",
    (q) => q.addBulk(any([null])),
    "queue.addBulk: jobs[0] must be an object, not null",
  ],
  [
    "addBulk name",
    (q) => q.addBulk(any([{ name: "a" }, {}])),
    "queue.addBulk: jobs[1]: name must be a string, not undefined",
  ],
  [
    "addBulk durability",
    (q) => q.addBulk(any([{ name: "a", opts: { durability: "power" } }])),
    "queue.addBulk: jobs[0].opts must not have a durability: a bulk is one commit",
  ],
  ["getJob", (q) => q.getJob(any(1)), "queue.getJob: jobId must be a string, not 1"],
  [
    "getJobState",
    (q) => q.getJobState(any(null)),
    "queue.getJobState: jobId must be a string, not null",
  ],
  [
    "getJobCounts",
    (q) => q.getJobCounts(any("done")),
    'queue.getJobCounts: type must be one of "wait", "waiting", "prioritized", "delayed", "active", "waiting-children", "completed", "failed", "cancelled", not "done"',
  ],
  [
    "getJobs type",
    (q) => q.getJobs(any(["x"])),
    'queue.getJobs: type must be one of "wait", "waiting", "prioritized", "delayed", "active", "waiting-children", "completed", "failed", "cancelled", not "x"',
  ],
  [
    "getJobs start",
    (q) => q.getJobs("wait", -1),
    "queue.getJobs: start must be an integer from 0 to 9007199254740991, not -1",
  ],
  [
    "getJobs end",
    (q) => q.getJobs("wait", 0, -2),
    "queue.getJobs: end must be an integer from -1 to 9007199254740991, not -2",
  ],
  [
    "getJobs asc",
    (q) => q.getJobs("wait", 0, 1, any(1)),
    "queue.getJobs: asc must be true or false, not 1",
  ],
  [
    "getJobLogs",
    (q) => q.getJobLogs(any({})),
    "queue.getJobLogs: jobId must be a string, not an object",
  ],
  ["drain", (q) => q.drain(any("all")), 'queue.drain: delayed must be true or false, not "all"'],
  [
    "clean grace",
    (q) => q.clean(-1, 0),
    "queue.clean: grace must be a whole number of milliseconds from 0 to 100000000000000, not -1",
  ],
  [
    "clean limit",
    (q) => q.clean(0, any("x")),
    'queue.clean: limit must be an integer from 0 to 9007199254740991, not "x"',
  ],
  [
    "clean type",
    (q) => q.clean(0, 0, any("paused")),
    'queue.clean: type must be one of "completed", "failed", "wait", "waiting", "prioritized", "delayed", "waiting-children", "active", "cancelled", not "paused"',
  ],
  [
    "obliterate",
    (q) => q.obliterate(any({ force: 1 })),
    "queue.obliterate: force must be true or false, not 1",
  ],
  [
    "remove",
    (q) => q.remove(any(undefined)),
    "queue.remove: jobId must be a string, not undefined",
  ],
  [
    "retryJobs",
    (q) => q.retryJobs({ state: any("active") }),
    'queue.retryJobs: state must be one of "completed", "failed", not "active"',
  ],
  [
    "promoteJobs",
    (q) => q.promoteJobs(any(3)),
    "queue.promoteJobs: options must be an object, not 3",
  ],
  ["cancel id", (q) => q.cancel(any(3)), "queue.cancel: jobId must be a string, not 3"],
  ["cancel reason", (q) => q.cancel("x", any(3)), "queue.cancel: reason must be a string, not 3"],
  [
    "setRetention",
    (q) => q.setRetention({ removeOnComplete: any("x"), removeOnFail: 1 }),
    'queue.setRetention: removeOnComplete must be true, false, a count or {age, count}, not "x"',
  ],
  [
    "addJobLog",
    (q) => q.addJobLog("x", any(["line"])),
    "queue.addJobLog: logRow must be a string, not an array",
  ],
  [
    "updateJobProgress",
    (q) => q.updateJobProgress("x", any(Symbol.iterator)),
    "queue.updateJobProgress: progress cannot be written as JSON: progress is a symbol",
  ],
  ["job.log", (_q, job) => job.log(any(1)), "job.log: row must be a string, not 1"],
  [
    "job.retry",
    (_q, job) => job.retry(any("x")),
    'job.retry: state must be one of "completed", "failed", not "x"',
  ],
  [
    "job.cancel",
    (_q, job) => job.cancel(any({})),
    "job.cancel: reason must be a string, not an object",
  ],
  [
    "job.updateProgress",
    (_q, job) => job.updateProgress(any(1n)),
    "progress cannot be written as JSON: progress is a BigInt (1n)",
  ],
  [
    "job.waitUntilFinished",
    (_q, job) => job.waitUntilFinished(any({})),
    "job.waitUntilFinished: queueEvents must be a QueueEvents, not an object",
  ],
  [
    "job.waitUntilFinished ttl",
    (_q, job) => job.waitUntilFinished(any({}), any("1s")),
    'job.waitUntilFinished: ttl must be a whole number of milliseconds from 0 to 100000000000000, not "1s"',
  ],
  [
    "Worker processor",
    () => new Worker("q", any(7), { store: ":memory:" }),
    "new Worker: processor must be a function, or the path or URL of a file, not 7",
  ],
  [
    "Worker concurrency",
    () => new Worker("q", () => 1, { store: ":memory:", concurrency: 0 }),
    "new Worker: concurrency must be an integer from 1 to 100000, not 0",
  ],
  [
    "Worker connection",
    () => new Worker("q", () => 1, any({ connection: {} })),
    'new Worker: option "connection" is BullMQ\'s; Millrace needs no server: pass { store: "jobs.db" }',
  ],
  [
    "Worker limiter",
    () => new Worker("q", () => 1, any({ limiter: {} })),
    "new Worker: limiter.max must be an integer from 1 to 1000000000, not undefined",
  ],
  [
    "Worker strategy",
    () => new Worker("q", () => 1, any({ store: ":memory:", settings: { backoffStrategy: 5 } })),
    "new Worker: settings.backoffStrategy must be a function, not 5",
  ],
  [
    "Worker autorun",
    () => new Worker("q", () => 1, any({ store: ":memory:", autorun: 1 })),
    "new Worker: autorun must be true or false, not 1",
  ],
  [
    "QueueEvents connection",
    () => new QueueEvents("q", any({ connection: {} })),
    'new QueueEvents: option "connection" is BullMQ\'s; Millrace needs no server: pass { store: "jobs.db" }',
  ],
  [
    "QueueEvents lastEventId",
    () => new QueueEvents("q", { store: ":memory:", lastEventId: "yesterday" }),
    'new QueueEvents: lastEventId must be an event\'s id, "0" or "$", not "yesterday"',
  ],
  ["openStore path", () => openStore(any(5)), "openStore: store must be a string, not 5"],
  [
    "openStore option",
    () => openStore(":memory:", any({ maxPayload: 5 })),
    'openStore: unknown option "maxPayload"; known are create, maxPayloadBytes, busyTimeout, walLimitBytes, keepEvents, removeOnComplete, removeOnFail, encryption',
  ],
  [
    "openStore value",
    () => openStore(":memory:", { keepEvents: any("5") }),
    'openStore: keepEvents must be an integer from 0 to 9007199254740991, not "5"',
  ],
  ["store.job", (_q, _j, store) => store.job(any(1)), "store.job: id must be a string, not 1"],
  [
    "store.deadLetters",
    (_q, _j, store) => store.deadLetters({ limit: 0 }),
    "store.deadLetters: limit must be an integer from 1 to 10000, not 0",
  ],
  [
    "store.backup",
    (_q, _j, store) => store.backup(any(undefined)),
    "store.backup: destination must be a string, not undefined",
  ],
  [
    "store.cancel",
    (_q, _j, store) => store.cancel(any(5)),
    "store.cancel: id must be a string, not 5",
  ],
  ["store.pause", (_q, _j, store) => store.pause(""), "store.pause: queue must not be empty"],
  [
    "store.resume",
    (_q, _j, store) => store.resume(any(5)),
    "store.resume: queue must be a string, not 5",
  ],
  [
    "store.retry",
    (_q, _j, store) => store.retry(any(5)),
    "store.retry: id must be a string, not 5",
  ],
  [
    "store.remove",
    (_q, _j, store) => store.remove(any(5)),
    "store.remove: id must be a string, not 5",
  ],
  [
    "store.purge",
    (_q, _j, store) => store.purge("q", { delayed: any(0) }),
    "store.purge: delayed must be true or false, not 0",
  ],
];

describe("wrong arguments", () => {
  const { store } = refuse(CASES);

  it("worker's setters and methods", async () => {
    const worker = new Worker("other", () => 1, { store: store() });
    assert.throws(() => (worker.concurrency = 1.5), {
      message: "worker.concurrency must be an integer from 1 to 100000, not 1.5",
    });
    await assert.rejects(worker.pause(any(1)), {
      message: "worker.pause: doNotWaitActive must be true or false, not 1",
    });
    assert.throws(() => worker.close(any("now")), {
      message: 'worker.close: force must be true or false, not "now"',
    });
    await worker.close();
  });
});
