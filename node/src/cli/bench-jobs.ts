// What `millrace bench` runs, and the other process of its latency measurement.
import { Worker } from "../worker.js";
import type { Durability } from "../types.js";

export const QUEUE = "bench";

/** 200 bytes as JSON. */
export const PAYLOAD = {
  path: "/srv/uploads/2026/01/harbour-at-dawn.jpeg",
  width: 1600,
  height: 1067,
  format: "webp",
  quality: 82,
  callback: "http://localhost:8000/hooks/done",
  note: "thumbnails for the front page of now",
};

/** A worker of both kinds of job. */
export function benchWorker(
  store: string,
  durability: Durability,
  concurrency: number,
): Worker<object, string | boolean> {
  return new Worker(
    QUEUE,
    (job) => Promise.resolve(job.name === "stamp" ? process.hrtime.bigint().toString() : true),
    { store, durability, concurrency },
  );
}

/** Works until standard input ends. */
export async function runBenchWorker([store = "", durability = ""]: string[]): Promise<number> {
  const worker = benchWorker(store, durability as Durability, 1);
  await new Promise((resolve) => process.stdin.resume().once("end", resolve));
  await worker.close();
  return 0;
}
