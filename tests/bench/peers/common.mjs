// What every Node program of the comparison shares: the payload, the clock, the statistics, the one-line answer.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

if (process.env.BENCH_USER_IMPORTS) await import("./user_imports.mjs"); // for the measurement of memory

// 200 bytes as compact JSON, the same for every library and language.
export const payload = JSON.parse(readFileSync(new URL("./payload.json", import.meta.url), "utf8"));

export function options() {
  const { values } = parseArgs({
    options: {
      lib: { type: "string" },
      mode: { type: "string" },
      target: { type: "string" }, // a Redis URL, or the path of a store
      durability: { type: "string" },
      count: { type: "string", default: "1000" },
      concurrency: { type: "string", default: "1" },
      samples: { type: "string" },
      name: { type: "string", default: "stamp" },
    },
  });
  return { ...values, count: Number(values.count), concurrency: Number(values.concurrency) };
}

// CLOCK_MONOTONIC in ns: comparable between processes, and with Python's time.monotonic_ns().
export const nowNs = () => process.hrtime.bigint();

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export function emitRate(count, startNs, detail = {}) {
  const seconds = Number(nowNs() - startNs) / 1e9;
  console.log(JSON.stringify({ rate: count / seconds, count, seconds, ...detail }));
}

export function quantile(sorted, q) {
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
}
