// Measurements of a worker.
import { appendFileSync, existsSync } from "node:fs";
import { completed, emit, emitRate, fill, nowNs, sleep } from "./common.mjs";

const LOOP_RESOLUTION_MS = 1;

/** Runs a worker over the jobs that wait until `count` of them are completed; answers when it began. */
async function drain(lib, args, count, processor = async () => true) {
  const worker = lib.openWorker({ ...args, autorun: false }, processor);
  worker.on("error", (error) => console.error(error));
  const done = completed(worker, count);
  const start = nowNs();
  void worker.run();
  await done;
  return { worker, start };
}

async function fillQueue(lib, args) {
  const queue = await lib.openQueue(args);
  await fill(queue, args.count);
  return queue;
}

/** No-op jobs that wait already, worked by one process; from run() to the last 'completed'. */
export async function work(lib, args) {
  const queue = await fillQueue(lib, args);
  const { worker, start } = await drain(lib, args, args.count);
  emitRate(args.count, start, { concurrency: args.concurrency });
  await worker.close();
  await queue.close();
}

/** The same in processes or threads that load the processor's file. They are started before the clock. */
export async function sandboxed(lib, args) {
  const file = new URL("./sandbox_noop.cjs", import.meta.url);
  const queue = await lib.openQueue(args);
  const worker = lib.openWorker({ ...args, threads: args.sandbox === "threads" }, file);
  worker.on("error", (error) => console.error(error));
  const warm = completed(worker, 100 * args.concurrency);
  await fill(queue, 100 * args.concurrency);
  await warm;
  await queue.pause();
  await fill(queue, args.count);
  const done = completed(worker, args.count);
  const start = nowNs();
  await queue.resume();
  await done;
  emitRate(args.count, start, { concurrency: args.concurrency });
}

/** How long the event loop of a worker is held up which runs no-op jobs at full speed. */
export async function loop(lib, args) {
  const queue = await fillQueue(lib, args);
  const { monitorEventLoopDelay } = await import("node:perf_hooks");
  const delay = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  delay.enable();
  const { worker, start } = await drain(lib, args, args.count);
  delay.disable();
  // Each value is the time between two runs of a timer of a millisecond: the wait that was asked for is not delay.
  const ms = (ns) => Math.max(0, ns / 1e6 - LOOP_RESOLUTION_MS);
  emitRate(args.count, start, {
    loop_p99_ms: ms(delay.percentile(99)),
    loop_max_ms: ms(delay.max),
    concurrency: args.concurrency,
  });
  await worker.close();
  await queue.close();
}

/** The most memory that a worker's process has had which has completed a fifth of `count` waiting jobs. */
export async function consume(lib, args) {
  const { execFileSync } = await import("node:child_process");
  const words = process.argv.slice(1).map((word) => (word === "consume" ? "putMany" : word));
  execFileSync(process.execPath, words, { stdio: "ignore" }); // adding them is not this process's memory
  await drain(lib, args, args.count / 5);
  emit({ peak_mib: process.resourceUsage().maxRSS / 1024, count: args.count });
}

/** A worker that runs until it is killed: for latency, memory, CPU and recovery. Each start is one line. */
export async function worker(lib, args) {
  const flag = `${args.samples}.release`;
  lib.openWorker(args, async (job) => {
    const atNs = nowNs();
    if (job.name === "tell") return { atNs: String(nowNs()) };
    appendFileSync(args.samples, `${atNs} ${job.data.sentNs} ${job.name} ${process.pid}\n`);
    while (job.name === "hold" && !existsSync(flag)) await sleep(50);
    return true;
  });
}
