// The measurements of `millrace bench`, all through the public API.
import { spawn } from "node:child_process";
import { closeSync, fdatasyncSync, fsyncSync, openSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";

import { QueueEvents } from "../queue-events.js";
import type { Queue } from "../queue.js";
import type { Durability } from "../types.js";
import { PAYLOAD, QUEUE, benchWorker } from "./bench-jobs.js";

const MANY = 1000;
const BATCH = 100;
const CONCURRENCY = 100;
const ROUND_TRIPS = 200;
const SYNCS = 200;
const FRAME = Buffer.alloc(8192 + 24, 0x5a); // of the write-ahead log

export interface Place {
  store: string;
  durability: Durability;
  jobs: number;
}

/** Figures by unit. */
type Figures = Record<string, number>;

export interface Measure {
  work: string;
  run: (place: Place, queue: Queue) => Promise<Figures>;
}

function rate(jobs: number, began: number): Figures {
  return { "jobs/s": (jobs * 1000) / (performance.now() - began) };
}

async function addMany(queue: Queue, jobs: number, each: number): Promise<void> {
  const bulk = Array.from({ length: Math.min(each, jobs) }, () => ({
    name: "noop",
    data: PAYLOAD,
  }));
  for (let left = jobs; left > 0; left -= bulk.length) await queue.addBulk(bulk.slice(0, left));
}

async function addOneByOne({ jobs }: Place, queue: Queue): Promise<Figures> {
  const began = performance.now();
  for (let n = 0; n < jobs; n++) await queue.add("noop", PAYLOAD);
  return rate(jobs, began);
}

async function addInFlight({ jobs }: Place, queue: Queue): Promise<Figures> {
  const began = performance.now();
  for (let left = jobs; left > 0; left -= MANY) {
    const some = Array.from({ length: Math.min(MANY, left) }, () => queue.add("noop", PAYLOAD));
    await Promise.all(some);
  }
  return rate(jobs, began);
}

async function addInBulk({ jobs }: Place, queue: Queue): Promise<Figures> {
  const began = performance.now();
  await addMany(queue, jobs, MANY);
  return rate(jobs, began);
}

/** Runs `during` beside a worker, and waits until all jobs have ended. */
async function withWorker(place: Place, during: () => Promise<void>): Promise<Figures> {
  const began = performance.now();
  const worker = benchWorker(place.store, place.durability, CONCURRENCY);
  try {
    let left = place.jobs;
    const ended = new Promise<void>((done) => {
      worker.on("completed", () => {
        if (--left === 0) done();
      });
    });
    await during();
    await ended;
    return rate(place.jobs, began);
  } finally {
    await worker.close();
  }
}

async function work(place: Place, queue: Queue): Promise<Figures> {
  await addMany(queue, place.jobs, MANY);
  return withWorker(place, () => Promise.resolve());
}

function life(place: Place, queue: Queue): Promise<Figures> {
  return withWorker(place, () => addMany(queue, place.jobs, BATCH));
}

/** From just before the add in this process to the first line of the processor in another, which was idle. */
async function latency({ store, durability, jobs }: Place, queue: Queue): Promise<Figures> {
  const events = new QueueEvents(QUEUE, { store });
  const program = process.argv[1] ?? "";
  const child = spawn(process.execPath, [program, "bench-worker", store, durability], {
    stdio: ["pipe", "ignore", "inherit"],
  });
  const waits: number[] = [];
  try {
    await events.waitUntilReady();
    await (await queue.add("stamp", {})).waitUntilFinished(events, 60_000); // it is up
    for (let n = 0; n < Math.min(jobs, ROUND_TRIPS); n++) {
      const sent = process.hrtime.bigint();
      const job = await queue.add("stamp", {});
      const started = BigInt((await job.waitUntilFinished(events, 60_000)) as string);
      waits.push(Number(started - sent) / 1e6);
    }
  } finally {
    child.stdin.end(); // ends it
    await new Promise((done) => child.once("close", done));
    await events.close();
  }
  return { "ms p50": quantile(waits, 0.5), "ms p99": quantile(waits, 0.99) };
}

export const MEASURES: readonly Measure[] = [
  { work: "enqueue, one at a time", run: addOneByOne },
  { work: "enqueue, 1,000 in flight", run: addInFlight },
  { work: "enqueue, 1,000 a call", run: addInBulk },
  { work: `work no-op jobs, concurrency ${CONCURRENCY}`, run: work },
  { work: `whole life, enqueued ${BATCH} a call`, run: life },
  { work: "enqueue to start in another process", run: latency },
];

/** The value below which this share of the values lies. */
function quantile(values: number[], share: number): number {
  const ordered = [...values].sort((a, b) => a - b);
  return ordered[Math.min(ordered.length - 1, Math.floor(share * ordered.length))] ?? NaN;
}

/** How long the disk takes for what an acknowledgement at durability `power` waits for. */
export function diskFigures(folder: string): {
  fdatasync_us_p50: number;
  fdatasync_us_p99: number;
} {
  const path = join(folder, "probe");
  const file = openSync(path, "wx", 0o600);
  const times: number[] = [];
  try {
    writeSync(file, Buffer.alloc(FRAME.length * SYNCS));
    fsyncSync(file);
    for (let n = 0; n < SYNCS; n++) {
      writeSync(file, FRAME, 0, FRAME.length, n * FRAME.length);
      const began = performance.now();
      fdatasyncSync(file);
      times.push((performance.now() - began) * 1000);
    }
  } finally {
    closeSync(file);
    unlinkSync(path);
  }
  const round = (value: number): number => Number(value.toFixed(1));
  return {
    fdatasync_us_p50: round(quantile(times, 0.5)),
    fdatasync_us_p99: round(quantile(times, 0.99)),
  };
}
