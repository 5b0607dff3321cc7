// Schedulers: a report at nine in the morning of New York, and a heartbeat. Shown with a clock that we move.
//
//   node examples/schedulers/main.mjs
import { Queue } from "millrace";
import { openTestStore } from "millrace/testing";

const store = await openTestStore({ now: Date.parse("2026-03-07T12:00:00Z") });
const queue = new Queue("reports", { store });

await queue.upsertJobScheduler(
  "daily",
  { pattern: "0 9 * * *", tz: "America/New_York" },
  { name: "report", data: { kind: "sales" }, opts: { attempts: 3 } },
);
await queue.upsertJobScheduler("heartbeat", { every: 6 * 3_600_000 }, { name: "beat" });

// Summer time begins there on the eighth: nine o'clock comes an hour earlier then.
const at = (date) => date.toISOString().slice(5, 16).replace("T", " ");
const [first, second] = await store.schedules.preview(
  { pattern: "0 9 * * *", tz: "America/New_York" },
  { count: 2 },
);
console.log(`reports at ${at(first)} and ${at(second)} UTC`);

const done = [];
await store.runAll("reports", (job) => void done.push(job.name)); // the heartbeat begins at once
for (let hour = 0; hour < 24; hour++) {
  store.advance(3_600_000);
  await store.runAll("reports", (job) => void done.push(job.name));
}
console.log(
  `in a day: ${done.filter((name) => name === "beat").length} beats, ${done.filter((name) => name === "report").length} report`,
);

const schedulers = await queue.getJobSchedulers(0, -1, true);
console.log(schedulers.map(({ key, iterationCount }) => `${key} ${iterationCount}`).join(", "));
await queue.removeJobScheduler("heartbeat");
console.log(`${await queue.getJobSchedulersCount()} left`);
await queue.close();
await store.close();
