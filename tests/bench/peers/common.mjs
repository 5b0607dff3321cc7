// What every Node program of the comparison shares: the payload, the clock, the statistics, the one-line answer.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";

if (process.env.BENCH_USER_IMPORTS) await import("./user_imports.mjs"); // for the measurement of memory

// 200 bytes as compact JSON, the same for every library and language.
export const payload = JSON.parse(readFileSync(new URL("./payload.json", import.meta.url), "utf8"));

export function options() {
  const { values } = parseArgs({
    options: {
      lib: { type: "string" },
      mode: { type: "string" },
      target: { type: "string" }, // a server's URL, or the path of a store
      durability: { type: "string" },
      count: { type: "string", default: "1000" },
      concurrency: { type: "string", default: "1" },
      sandbox: { type: "string" }, // "processes" or "threads": the jobs run there
      batch: { type: "string", default: "0" }, // what a peer fetches at once; 0: its default
      samples: { type: "string" },
      name: { type: "string", default: "stamp" },
    },
  });
  const [count, concurrency, batch] = [values.count, values.concurrency, values.batch].map(Number);
  return { ...values, count, concurrency, batch };
}

/** The packages of a peer, which are in a directory of their own and not in ours. */
export const requirePeer = (name) => createRequire(`${process.env.PEERS_NODE}/${name}/`);

// CLOCK_MONOTONIC in ns: comparable between processes, and with Python's time.monotonic_ns().
export const nowNs = () => process.hrtime.bigint();

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Asks again and again, with a pause, until the answer is true. */
export async function pollUntil(condition) {
  while (!(await condition())) await sleep(3);
}

export const jobs = (n) => Array.from({ length: n }, () => ({ name: "noop", data: payload }));

/** Adds jobs by a thousand in one call. */
export async function fill(queue, count) {
  for (let i = 0; i < count; i += 1000) await queue.addBulk(jobs(Math.min(1000, count - i)));
}

/** Resolves once so many jobs are completed; a library whose events come before the commit has its own way. */
export function completed(worker, count) {
  if (worker.completed) return worker.completed(count);
  return new Promise((resolve) => {
    let seen = 0;
    worker.on("completed", () => {
      seen += 1;
      if (seen === count) resolve();
    });
  });
}

export const emit = (figures) => console.log(JSON.stringify(figures));

export function emitRate(count, startNs, detail = {}) {
  const seconds = Number(nowNs() - startNs) / 1e9;
  emit({ rate: count / seconds, count, seconds, ...detail });
}

export function quantile(sorted, q) {
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
}

export function emitLateness(us) {
  const sorted = us.toSorted((a, b) => a - b);
  emit({ p50_us: quantile(sorted, 0.5), p99_us: quantile(sorted, 0.99), count: us.length });
}

export const readSamples = (path) =>
  existsSync(path) ? readFileSync(path, "latin1").split("\n").slice(0, -1) : [];

/** The start of each job in the samples after the warm-up, in microseconds after its data's moment. */
export const sampledLateness = (path, warm) =>
  readSamples(path)
    .slice(warm)
    .map((line) => line.split(" "))
    .map(([at, moment]) => Number(BigInt(at) - BigInt(moment)) / 1e3);
