// A producer in Node: enqueues the webhooks that GitHub documents, as GitHub would send them.
// Python handles those of kinds that a team reads; Node forwards the others.
// Prints what it has enqueued as one line of JSON.
import { createRequire } from "node:module";

import { Queue, QueueEvents } from "millrace";

const examples = createRequire(import.meta.url)("@octokit/webhooks-examples");
const READ_BY_PYTHON = new Set([
  "issues",
  "pull_request",
  "pull_request_review",
  "push",
  "release",
]);

const github = new Queue("github"); // worked by tasks.py
const webhooks = new Queue("webhooks", {
  defaultJobOptions: { attempts: 9, backoff: { type: "exponential", delay: 100 } },
});
const events = new QueueEvents("github");
await events.waitUntilReady();

const all = examples.flatMap(({ name, examples: payloads }) =>
  payloads.map((payload) => ({ event: name, payload })),
);
const isForPython = ({ event }) => READ_BY_PYTHON.has(event);

// A bulk is one commit: all of its jobs are there, or none.
const forPython = await github.addBulk(
  all.filter(isForPython).map((data) => ({ name: "github_event", data })),
);
const forNode = await webhooks.addBulk(
  all.filter((one) => !isForPython(one)).map((data) => ({ name: "deliver_webhook", data })),
);

// And back: what the Python task returned is read here.
const last = forPython.at(-1);
const answer = await last.waitUntilFinished(events, 60_000);

console.log(
  JSON.stringify({
    python: forPython.map((job) => job.id),
    node: forNode.map((job) => job.id),
    answer,
  }),
);
await Promise.all([events.close(), github.close(), webhooks.close()]);
