// The Node worker of the kill torture.
import { Worker } from "millrace";

const worker = new Worker(
  "torture",
  async (job) => {
    if (job.data.flaky && job.attemptsMade === 0)
      throw new Error("first attempts of this job fail");
    return { n: job.data.n, double: 2 * job.data.n };
  },
  { store: process.env.TORTURE_STORE, concurrency: 4, durability: "process" },
);
worker.on("error", (error) => console.error("worker:", error));
process.once("SIGTERM", () => worker.close());
console.log("ready");
