// Workers whose jobs block their event loops, beside one that is free to take jobs back. Then says what became of all.
// Arguments: store, milliseconds of each block; a third one, "blocks", is given to the workers that do.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

import { Queue, QueueEvents, Worker } from "millrace";

const [store, blockMs, role] = process.argv.slice(2);
const options = { store, durability: "process" };

function block() {
  for (const end = performance.now() + Number(blockMs); performance.now() < end;);
  return process.pid;
}

async function blocks() {
  const worker = new Worker("blocking", block, { ...options, concurrency: 2 });
  worker.on("error", (error) => {
    console.error(error);
    process.exit(1);
  });
  process.on("message", () => void worker.close().then(() => process.disconnect()));
  await worker.waitUntilReady();
}

async function main() {
  const BLOCKERS = 2;
  const queue = new Queue("blocking", options);
  const events = new QueueEvents("blocking", { store });
  await events.waitUntilReady();
  const told = { completed: 0, stalled: 0, failed: 0 };
  for (const kind of ["completed", "stalled", "failed"]) events.on(kind, () => told[kind]++);
  const self = fileURLToPath(import.meta.url);
  const stdio = ["ignore", "inherit", "inherit", "ipc"];
  const children = Array.from({ length: BLOCKERS }, () =>
    spawn(process.execPath, [self, store, blockMs, "blocks"], { stdio }),
  );
  const codes = children.map((child) => new Promise((resolve) => child.on("exit", resolve)));
  // Two jobs a worker: one blocks, the other is held by a process that answers nobody meanwhile.
  const jobs = await queue.addBulk(
    Array.from({ length: 2 * BLOCKERS }, (_, n) => ({ name: "block", data: { n } })),
  );
  while ((await queue.getActiveCount()) < jobs.length && told.completed === 0) await tick();
  // Free for what would be taken away, and for jobs of its own all the while.
  const taken = [];
  const free = new Worker("blocking", (job) => void taken.push(job.id), options);
  const beside = new Queue("beside", options);
  let done = 0;
  const busy = new Worker("beside", () => void done++, options);
  while (told.completed < jobs.length) {
    await beside.add("n", {});
    await tick();
  }
  const ends = await Promise.all(jobs.map(({ id }) => queue.getJob(id)));
  for (const child of children) child.send("close");
  const exits = await Promise.all(codes);
  for (const one of [free, busy, events, beside, queue]) await one.close();
  const starts = ends.map(({ attemptsStarted, stalledCounter }) => [
    attemptsStarted,
    stalledCounter,
  ]);
  console.log(JSON.stringify({ ...told, jobs: jobs.length, starts, taken, beside: done, exits }));
}

function tick() {
  return new Promise((resolve) => setTimeout(resolve, 20));
}

await (role === "blocks" ? blocks() : main());
