// The Node producer of the torture of groups and limits.
import { openSync, writeSync } from "node:fs";
import { Queue, QueueEvents } from "millrace";

const GROUPS = ["a", "b", "c", "d", "e", "wide", "a", "a", "wide", undefined];
const UNFINISHED_MAX = 60;

const first = Number(process.argv[2]);
const notes = openSync(process.env.TORTURE_NOTES, "a");
const options = { store: process.env.TORTURE_STORE, durability: "process" };
const queue = new Queue("lanes", { ...options, defaultJobOptions: { attempts: 6 } });
const events = new QueueEvents("lanes", { store: process.env.TORTURE_STORE });
await events.waitUntilReady();

const unfinished = [];
const waitForOldest = () =>
  unfinished
    .shift()
    .waitUntilFinished(events)
    .catch(() => undefined);
for (let n = first; ;) {
  const id = GROUPS[Math.floor(Math.random() * GROUPS.length)];
  const name = Math.random() < 0.3 ? "rare" : "often";
  const data = { n, flaky: Math.random() < 0.1 };
  const jobOptions = {
    jobId: `${id ?? "None"}_${n}`,
    ...(id === undefined ? {} : { group: { id } }),
  };
  try {
    const job = await queue.add(name, data, jobOptions);
    writeSync(notes, `${n} ${job.id}\n`);
    unfinished.push(job);
    n++;
  } catch (error) {
    if (error.code !== "group_full") throw error;
    await waitForOldest();
  }
  if (unfinished.length > UNFINISHED_MAX) await waitForOldest();
}
