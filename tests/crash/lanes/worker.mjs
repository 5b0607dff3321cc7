// The Node worker of the torture of groups and limits.
import { Worker } from "millrace";

const worker = new Worker(
  "lanes",
  async (job) => {
    if (job.data.flaky && job.attemptsMade === 0)
      throw new Error("first attempts of this job fail");
    return job.data.n;
  },
  { store: process.env.TORTURE_STORE, concurrency: 4, durability: "process" },
);
worker.on("error", (error) => console.error("worker:", error));
process.once("SIGTERM", () => worker.close());
console.log("ready");
