// A flow: an order is shipped when its parts are packed and its invoice is paid, however long each takes.
//
//   node examples/flow/main.mjs jobs.db
import { FlowProducer, QueueEvents, Worker } from "millrace";

const store = process.argv[2] ?? "jobs.db";

const workers = [
  new Worker("parts", async (job) => `${job.data.part} packed`, { store, concurrency: 4 }),
  new Worker(
    "billing",
    async (job) => {
      if (job.name === "discount") throw new Error("no such voucher");
      return { paid: job.data.amount };
    },
    { store },
  ),
  new Worker(
    "orders",
    async (job) => {
      // By the names that were given, else by queue and id.
      const { invoice, ...parts } = await job.getChildrenValues();
      const ignored = await job.getIgnoredChildrenFailures();
      return { parts: Object.values(parts).sort(), invoice, without: Object.values(ignored) };
    },
    { store },
  ),
];

const flows = new FlowProducer({ store });
const order = await flows.add({
  name: "ship",
  queueName: "orders",
  children: [
    { name: "pack", queueName: "parts", data: { part: "lamp" } },
    { name: "pack", queueName: "parts", data: { part: "shade" } },
    { name: "charge", queueName: "billing", data: { amount: 40 }, opts: { as: "invoice" } },
    // The order is shipped with or without it.
    { name: "discount", queueName: "billing", opts: { ignoreDependencyOnFailure: true } },
  ],
});
console.log(`${order.job.name} waits for ${order.children.length} jobs`);

const events = new QueueEvents("orders", { store });
await events.waitUntilReady();
console.log(JSON.stringify(await order.job.waitUntilFinished(events)));

const tree = await flows.getFlow({ id: order.job.id, queueName: "orders" });
for (const { job } of tree.children)
  console.log(`${job.queueName}/${job.name}: ${await job.getState()}`);
for (const each of [...workers, flows, events]) await each.close();
