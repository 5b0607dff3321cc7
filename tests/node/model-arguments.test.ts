// Wrong values of the options of flows, groups, deduplication, limits, schedules, batches and encryption.
import { describe } from "node:test";

import { type FlowJob, Worker, openStore } from "millrace";

import { type Case, any, refuse } from "./refusals.js";

const LONG = "x".repeat(300);
const itself: FlowJob = { name: "n", children: [] };
itself.children?.push(itself);

const JOBS: Case[] = [
  [
    "group",
    (queue) => queue.add("n", {}, { group: any("g") }),
    'queue.add: option group must be an object, not "g"',
  ],
  [
    "group.id",
    (queue) => queue.add("n", {}, { group: { id: LONG } }),
    "queue.add: option group.id must be at most 255 bytes long, not 300",
  ],
  [
    "group.maxSize",
    (queue) => queue.add("n", {}, { group: any({ id: "g", maxSize: 5 }) }),
    'queue.add: option group: option "maxSize" belongs to the group: ' +
      "use store.limits.set({ queue, group, maxSize })",
  ],
  [
    "deduplication.id",
    (queue) => queue.add("n", {}, { deduplication: any({}) }),
    "queue.add: option deduplication.id must be a string, not undefined",
  ],
  [
    "deduplication.ttl",
    (queue) => queue.add("n", {}, { deduplication: { id: "k", ttl: -5 } }),
    "queue.add: option deduplication.ttl must be a whole number of milliseconds from 0 to " +
      "100000000000000, not -5",
  ],
  [
    "deduplication, two modes",
    (queue) =>
      queue.add("n", {}, { deduplication: { id: "k", replace: true, keepLastIfActive: true } }),
    "queue.add: option deduplication: replace, keepLastIfActive and states exclude each other: " +
      "give one",
  ],
  [
    "deduplication.extend alone",
    (queue) => queue.add("n", {}, { deduplication: { id: "k", ttl: 5, extend: true } }),
    "queue.add: option deduplication.extend needs replace: true: only a job that waits is put off",
  ],
  [
    "deduplication.states",
    (queue) => queue.add("n", {}, { deduplication: { id: "k", states: any(["redy"]) } }),
    'queue.add: option deduplication.states must be one of "wait", "waiting", "prioritized", ' +
      '"delayed", "active", "waiting-children", "completed", "failed", "cancelled", not "redy"',
  ],
  [
    "delivery",
    (queue) => queue.add("n", {}, { delivery: any("once") }),
    'queue.add: option delivery must be one of "at-least-once", "at-most-once", not "once"',
  ],
  [
    "sealing",
    (queue) => queue.add("n", {}, { sealing: any(true) }),
    'queue.add: option sealing must be one of "default", "none", "encrypt", "sign", not true',
  ],
  [
    "parent",
    (queue) => queue.add("n", {}, { parent: any("p") }),
    'queue.add: option parent must be a job or {id, queue}, not "p"',
  ],
  [
    "parent.id",
    (queue) => queue.add("n", {}, { parent: { id: any(5) } }),
    "queue.add: option parent.id must be a string, not 5",
  ],
  [
    "two policies",
    (queue, job) =>
      queue.add(
        "n",
        {},
        { parent: job, failParentOnFailure: true, ignoreDependencyOnFailure: true },
      ),
    "queue.add: option ignoreDependencyOnFailure and failParentOnFailure exclude each other: " +
      "give one",
  ],
  [
    "onFailure",
    (queue, job) => queue.add("n", {}, { parent: job, onFailure: any("explode") }),
    'queue.add: option onFailure must be one of "fail", "wait", "ignore", "remove", "continue", ' +
      '"cancel", "on_failure", not "explode"',
  ],
  [
    "after",
    (queue, job) => queue.add("n", {}, { after: any(job) }),
    "queue.add: option after must be an array of jobs, not a Job",
  ],
  [
    "after[0].policy",
    (queue, job) => queue.add("n", {}, { after: [{ job, policy: any("maybe") }] }),
    'queue.add: option after[0].policy must be one of "fail", "wait", "ignore", "remove", ' +
      '"continue", "cancel", "on_failure", not "maybe"',
  ],
  [
    "join without after",
    (queue) => queue.add("n", {}, { join: "collect" }),
    'queue.add: option join "collect" needs something to wait for: give after',
  ],
  [
    "repeat",
    (queue) => queue.add("n", {}, any({ repeat: { every: 5 } })),
    'queue.add: option "repeat" is gone since BullMQ 6: use queue.upsertJobScheduler() or store.schedules.put()',
  ],
];

const FLOWS: Case[] = [
  [
    "addFlow",
    (queue) => queue.addFlow(any(undefined)),
    "queue.addFlow must be an object, not undefined",
  ],
  [
    "addFlow child's name",
    (queue) => queue.addFlow({ name: "n", children: [{ name: "" }] }),
    "queue.addFlow: children[0]: name must not be empty",
  ],
  [
    "addFlow children",
    (queue) => queue.addFlow({ name: "n", children: any({}) }),
    "queue.addFlow: children must be an array, not an object",
  ],
  [
    "addFlow unknown field",
    (queue) => queue.addFlow(any({ name: "n", child: [] })),
    'queue.addFlow: unknown option "child"; known are name, queueName, data, opts, children',
  ],
  [
    "addFlow in itself",
    (queue) => queue.addFlow(itself),
    "queue.addFlow: children[0]: the tree contains itself",
  ],
  [
    "addFlow durability",
    (queue) => queue.addFlow({ name: "n", opts: any({ durability: "power" }) }),
    "queue.addFlow: options must not have a durability: a flow is one commit",
  ],
  [
    "flow.add after a job of another flow",
    (queue, _job, store) => queue.flow().add("b", "q", {}, { after: [store.flow().add("a", "q")] }),
    "flow.add: option after[0] is a job that was not added yet",
  ],
  [
    "flow.enqueue durability",
    (_queue, _job, store) => store.flow().enqueue({ durability: any("disk") }),
    'flow.enqueue: durability must be one of "memory", "process", "power", not "disk"',
  ],
  [
    "getFlow depth",
    (queue, job) => queue.getFlow(job.id, { depth: 0 }),
    "queue.getFlow: depth must be an integer from 1 to 1000, not 0",
  ],
  [
    "dependencies limit",
    (_queue, job) => job.dependencies({ limit: 20_000 }),
    "job.dependencies: limit must be an integer from 1 to 10000, not 20000",
  ],
];

const LIMITS: Case[] = [
  [
    "nothing to limit",
    (_queue, _job, { limits }) => limits.set({ queue: "q" }),
    "store.limits.set: nothing to limit: give concurrency, max with duration, or maxSize",
  ],
  [
    "max alone",
    (_queue, _job, { limits }) => limits.set({ queue: "q", max: 5 }),
    "store.limits.set: max and duration belong together: give both or none",
  ],
  [
    "zero",
    (_queue, _job, { limits }) => limits.set({ concurrency: 0 }),
    "store.limits.set: concurrency must be an integer from 1 to 1000000000, not 0",
  ],
  [
    "negative",
    (_queue, _job, { limits }) => limits.set({ max: -1, duration: 1000 }),
    "store.limits.set: max must be an integer from 1 to 1000000000, not -1",
  ],
  [
    "task in a queue",
    (_queue, _job, { limits }) => limits.set({ queue: "q", task: "n", concurrency: 1 }),
    "store.limits.set: task holds for all queues: give it without queue and group",
  ],
  [
    "group without a queue",
    (_queue, _job, { limits }) => limits.set({ group: "g", concurrency: 1 }),
    "store.limits.set: a group needs its queue",
  ],
  [
    "maxSize of a queue",
    (_queue, _job, { limits }) => limits.set({ queue: "q", maxSize: 5 }),
    "store.limits.set: maxSize is for groups only",
  ],
  [
    "group of 10 MB",
    (queue) => queue.pauseGroup("g".repeat(10_000_000)),
    "queue.pauseGroup: groupId must be at most 255 bytes long, not 10000000",
  ],
  [
    "throttle",
    (_queue, _job, { limits }) => limits.throttle({ queue: "q" }, any("1 s")),
    "store.limits.throttle: ms must be a whole number of milliseconds from 0 to 100000000000000, " +
      'not "1 s"',
  ],
  [
    "removeDeduplicationKey",
    (queue) => queue.removeDeduplicationKey(""),
    "queue.removeDeduplicationKey: id must not be empty",
  ],
];

const template = { name: "n", queue: "q" };
const SCHEDULES: Case[] = [
  [
    "two timings",
    (_queue, _job, { schedules }) =>
      schedules.put("s", { pattern: "* * * * *", every: 5 }, template),
    "store.schedules.put: give exactly one of pattern, every and solar",
  ],
  [
    "every",
    (_queue, _job, { schedules }) => schedules.put("s", { every: 0 }, template),
    "store.schedules.put: every (milliseconds) must be an integer from 1 to 100000000000000, not 0",
  ],
  [
    "offset",
    (_queue, _job, { schedules }) => schedules.put("s", { every: 10, offset: 10 }, template),
    "store.schedules.put: offset must be an integer from 0 to 9, not 10",
  ],
  [
    "tz of an interval",
    (_queue, _job, { schedules }) => schedules.put("s", { every: 10, tz: "UTC" }, template),
    "store.schedules.put: tz is for pattern only",
  ],
  [
    "overlap",
    (_queue, _job, { schedules }) =>
      schedules.put("s", { every: 10, overlap: any("queue") }, template),
    'store.schedules.put: overlap must be one of "allow", "skip", "queue-one", not "queue"',
  ],
  [
    "latitude",
    (_queue, _job, { schedules }) =>
      schedules.preview({ solar: { event: "sunrise", latitude: 91, longitude: 0 } }),
    "store.schedules.preview: solar.latitude must be a number from -90 to 90, not 91",
  ],
  [
    "startDate",
    (_queue, _job, { schedules }) =>
      schedules.put("s", { every: 10, startDate: new Date("never") }, template),
    "store.schedules.put: startDate is an invalid Date",
  ],
  [
    "template with an id",
    (_queue, _job, { schedules }) =>
      schedules.put("s", { every: 10 }, { ...template, opts: any({ jobId: "x" }) }),
    "store.schedules.put: template.opts must not have a jobId: each slot makes a job anew",
  ],
  [
    "preview count",
    (_queue, _job, { schedules }) => schedules.preview({ every: 10 }, { count: 0 }),
    "store.schedules.preview: count must be an integer from 1 to 10000, not 0",
  ],
];

const WORKERS: Case[] = [
  [
    "batch",
    () => new Worker("q", () => 1, { store: ":memory:", batch: any(5) }),
    "new Worker: batch must be an object, not 5",
  ],
  [
    "batch.size",
    () => new Worker("q", () => 1, { store: ":memory:", batch: { size: 0 } }),
    "new Worker: batch.size must be an integer from 1 to 10000, not 0",
  ],
  [
    "batch.minSize",
    () => new Worker("q", () => 1, { store: ":memory:", batch: { size: 5, minSize: 6 } }),
    "new Worker: batch.minSize must be an integer from 1 to 5, not 6",
  ],
  [
    "batch.minSize without a timeout",
    () => new Worker("q", () => 1, { store: ":memory:", batch: { size: 5, minSize: 2 } }),
    "new Worker: batch.minSize 2 needs a timeout: the first jobs are held until there are so many",
  ],
];

const SECRET = Buffer.alloc(32, 7);
const KEYS: Case[] = [
  [
    "no keys",
    () => openStore(":memory:", { encryption: { keys: [] } }),
    "openStore: encryption.keys must be an array of {id, secret}, with at least one",
  ],
  [
    "a short secret",
    () =>
      openStore(":memory:", { encryption: { keys: [{ id: "a", secret: SECRET.subarray(1) }] } }),
    "openStore: encryption.keys[0].secret must have 32 bytes, not 31",
  ],
  [
    "a secret that is no text of bytes",
    () => openStore(":memory:", { encryption: { keys: [{ id: "a", secret: "password" }] } }),
    "openStore: encryption.keys[0].secret must be 32 bytes, or their base64 (44 characters) or " +
      "hexadecimal (64) text",
  ],
  [
    "a key's id",
    () => openStore(":memory:", { encryption: { keys: [{ id: "a b", secret: SECRET }] } }),
    "openStore: encryption.keys[0].id must be 1 to 32 of A-Z, a-z, 0-9, . _ and -",
  ],
  [
    "mode",
    () =>
      openStore(":memory:", {
        encryption: { keys: [{ id: "a", secret: SECRET }], mode: any("hide") },
      }),
    'openStore: encryption.mode must be one of "none", "encrypt", "sign", not "hide"',
  ],
];

describe("wrong arguments of the job model", () => {
  refuse([...JOBS, ...FLOWS, ...LIMITS, ...SCHEDULES, ...WORKERS, ...KEYS]);
});
