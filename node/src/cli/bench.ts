// `millrace bench`: how fast this engine is on this machine and this disk, measured through the public API.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, resolve } from "node:path";

import { invalidArgument } from "../errors.js";
import { native } from "../native.cjs";
import { Queue } from "../queue.js";
import type { Durability } from "../types.js";
import { type Parsed, wholeNumber } from "./args.js";
import { PAYLOAD, QUEUE } from "./bench-jobs.js";
import { MEASURES, diskFigures } from "./bench-measures.js";
import { count, table } from "./text.js";
import { UsageError } from "./verbs.js";

interface Row {
  work: string;
  durability: Durability;
  unit: string;
  ours: number;
  runs: number[];
}

function tidy(value: number): number {
  return value >= 100 ? Math.round(value) : Number(value.toFixed(3));
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
