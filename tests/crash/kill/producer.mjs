// The Node producer of the kill torture: notes a job's number only after its enqueue was acknowledged.
import { openSync, writeSync } from "node:fs";
import { Queue } from "millrace";

const first = Number(process.argv[2]);
const notes = openSync(process.env.TORTURE_NOTES, "a");
const queue = new Queue("torture", {
  store: process.env.TORTURE_STORE,
  durability: "process",
  defaultJobOptions: { attempts: 6 },
});
for (let n = first; ;) {
  const count = n % 4 === 0 ? 5 : 1;
  const data = Array.from({ length: count }, (_, i) => ({ n: n + i, flaky: (n + i) % 10 === 3 }));
  const jobs =
    count === 1
      ? [await queue.add("double", data[0])]
      : await queue.addBulk(data.map((one) => ({ name: "double", data: one })));
  writeSync(notes, jobs.map((job, i) => `${n + i} ${job.id}\n`).join(""));
  n += count;
}
