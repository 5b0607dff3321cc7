// `millrace bench`: how fast this engine is on this machine and this disk, measured through the public API.
import { spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  rmSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, resolve } from "node:path";

import { invalidArgument } from "../errors.js";
import { native } from "../native.cjs";
import { QueueEvents } from "../queue-events.js";
import { Queue } from "../queue.js";
import type { Durability } from "../types.js";
import { type Parsed, wholeNumber } from "./args.js";
import { PAYLOAD, QUEUE, benchWorker } from "./bench-jobs.js";
import { count, table } from "./text.js";
import { UsageError } from "./verbs.js";

const MANY = 1000;
const BATCH = 100;
const CONCURRENCY = 100;
const ROUND_TRIPS = 200;
const SYNCS = 200;
const FRAME = Buffer.alloc(8192 + 24, 0x5a); // of the write-ahead log

interface Place {
  store: string;
  durability: Durability;
  jobs: number;
}

/** Figures by unit. */
type Figures = Record<string, number>;

interface Measure {
  work: string;
  run: (place: Place, queue: Queue) => Promise<Figures>;
}

interface Row {
  work: string;
  durability: Durability;
  unit: string;
  ours: number;
  runs: number[];
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

const MEASURES: readonly Measure[] = [
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

function tidy(value: number): number {
  return value >= 100 ? Math.round(value) : Number(value.toFixed(3));
}

/** How long the disk takes for what an acknowledgement at durability `power` waits for. */
function diskFigures(folder: string): { fdatasync_us_p50: number; fdatasync_us_p99: number } {
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

/** A bar on standard error, if that is a terminal. */
class Progress {
  #done = 0;

  constructor(readonly steps: number) {}

  step(what: string): void {
    if (process.stderr.isTTY) {
      const filled = Math.floor((30 * this.#done) / this.steps);
      const bar = "#".repeat(filled) + ".".repeat(30 - filled);
      process.stderr.write(`\r\u001b[K[${bar}] ${this.#done}/${this.steps}  ${what}`);
    }
    this.#done++;
  }

  end(): void {
    if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
  }
}

function median(values: number[]): number {
  const ordered = [...values].sort((a, b) => a - b);
  const middle = Math.floor(ordered.length / 2);
  const upper = ordered[middle] ?? NaN;
  return ordered.length % 2 === 1 ? upper : ((ordered[middle - 1] ?? NaN) + upper) / 2;
}

/** Runs alternate, so that a slow minute of the machine hurts all alike; each has a store of its own. */
async function measureAll(
  folder: string,
  durabilities: Durability[],
  runs: number,
  jobs: number,
): Promise<Row[]> {
  const rows = new Map<string, Row>();
  const progress = new Progress(runs * durabilities.length * MEASURES.length);
  try {
    for (let run = 0; run < runs; run++) {
      for (const durability of durabilities) {
        for (const [number, measure] of MEASURES.entries()) {
          progress.step(`${measure.work}, ${durability}`);
          const store = join(folder, `${durability}-${run}-${number}.db`);
          const queue = new Queue(QUEUE, { store, durability });
          try {
            await queue.waitUntilReady();
            const figures = await measure.run({ store, durability, jobs }, queue);
            for (const [unit, value] of Object.entries(figures)) {
              const key = `${durability} ${number} ${unit}`;
              const row = rows.get(key) ?? {
                work: measure.work,
                durability,
                unit,
                ours: 0,
                runs: [],
              };
              row.runs.push(tidy(value));
              rows.set(key, row);
            }
          } finally {
            await queue.close();
          }
        }
      }
    }
  } finally {
    progress.end();
  }
  return [...rows.values()]
    .sort((a, b) => a.durability.localeCompare(b.durability))
    .map((row) => ({ ...row, ours: tidy(median(row.runs)) }));
}

function parentFolder(parsed: Parsed): string {
  const { dir, store } = parsed.values as { dir?: string; store?: string };
  const beside = store ?? process.env["MILLRACE_STORE"];
  const folder = dir ?? (beside === undefined || beside === "" ? "." : dirname(resolve(beside)));
  if (!existsSync(folder)) throw invalidArgument(`there is no folder '${folder}'`);
  return folder;
}

function durabilitiesOf(parsed: Parsed): Durability[] {
  const given = parsed.values["durability"];
  if (given === undefined) return ["process", "power"];
  if (given !== "memory" && given !== "process" && given !== "power") {
    throw new UsageError(
      `bench: --durability must be memory, process or power, not '${String(given)}'`,
    );
  }
  return [given];
}

/** Measures, prints a table or JSON, and answers the exit status. */
export async function runBench(parsed: Parsed): Promise<number> {
  const durabilities = durabilitiesOf(parsed);
  const runs = wholeNumber(parsed, "runs", 1, 100, 3);
  const jobs = wholeNumber(parsed, "jobs", 1, 10_000_000, 5000);
  const folder = mkdtempSync(join(parentFolder(parsed), "millrace-bench-"));
  try {
    const report = {
      engine: {
        millrace: native.version,
        sqlite: native.sqliteVersion,
        language: `Node ${process.versions.node}`,
        processors: availableParallelism(),
        payload_bytes: JSON.stringify(PAYLOAD).length,
        jobs,
      },
      disk: diskFigures(folder),
      rows: await measureAll(folder, durabilities, runs, jobs),
    };
    const out = parsed.values["out"];
    if (typeof out === "string") writeFileSync(out, `${JSON.stringify(report, null, 1)}\n`);
    const lines = parsed.values["json"] === true ? [JSON.stringify(report)] : reportLines(report);
    process.stdout.write(`${lines.join("\n")}\n`);
    return 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function reportLines({
  engine,
  disk,
  rows,
}: {
  engine: Record<string, string | number>;
  disk: { fdatasync_us_p50: number; fdatasync_us_p99: number };
  rows: Row[];
}): string[] {
  const runs = count(rows[0]?.runs.length ?? 0, "run", "runs");
  const jobs = Number(engine["jobs"]).toLocaleString("en");
  return [
    `millrace ${engine["millrace"] ?? ""}, SQLite ${engine["sqlite"] ?? ""}, ${engine["language"] ?? ""}, ` +
      count(Number(engine["processors"]), "processor", "processors"),
    `fdatasync of this disk: ${disk.fdatasync_us_p50} us p50, ${disk.fdatasync_us_p99} us p99`,
    `payload ${engine["payload_bytes"] ?? ""} bytes, ${jobs} jobs a run, medians of ${runs}`,
    "",
    ...table(
      ["WORK", "DURABILITY", "      FIGURE", "UNIT"],
      rows.map((row) => [
        row.work,
        row.durability,
        row.ours.toLocaleString("en", { maximumFractionDigits: 3 }).padStart(12),
        row.unit,
      ]),
    ),
    "",
    'durability "power" survives a power cut, "process" the crash of any process',
  ];
}
