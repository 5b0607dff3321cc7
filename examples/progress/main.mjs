// Express with live progress: a page submits a job and shows how far it is. Open http://127.0.0.1:3000/.
//
//   node examples/progress/main.mjs jobs.db 3000
import express from "express";
import { Queue, Worker } from "millrace";
import { jobsRouter } from "millrace/express";

const store = process.argv[2] ?? "jobs.db";
const queue = new Queue("convert", { store });
const worker = new Worker(
  "convert",
  async (job) => {
    for (let percent = 10; percent <= 100; percent += 10) {
      await new Promise((resolve) => setTimeout(resolve, 50)); // the work
      await job.updateProgress(percent);
    }
    return { pages: job.data.pages };
  },
  { store, concurrency: 4 },
);

const PAGE = `<!doctype html>
<title>Convert</title>
<button>Convert</button> <progress max="100" value="0"></progress> <output></output>
<script>
  const [button, bar, out] = ["button", "progress", "output"].map((name) => document.querySelector(name));
  button.onclick = async () => {
    const headers = { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID() };
    const body = JSON.stringify({ pages: 7 });
    const { id } = await (await fetch("/jobs/convert", { method: "POST", headers, body })).json();
    const events = new EventSource("/jobs/" + id + "/events");
    events.addEventListener("progress", (event) => (bar.value = JSON.parse(event.data).progress));
    events.addEventListener("completed", (event) => {
      out.textContent = JSON.parse(event.data).result.pages + " pages";
      events.close();
    });
  };
</script>`;

const app = express();
const router = jobsRouter({
  queue,
  submit: {
    convert: (data) => {
      if (!Number.isInteger(data?.pages)) throw new TypeError("pages must be an integer");
      return { pages: data.pages };
    },
  },
});
app.use("/jobs", router);
app.get("/", (_request, response) => void response.send(PAGE));
const server = app.listen(Number(process.argv[3] ?? 3000), "127.0.0.1", () => {
  console.log(`listening on ${server.address().port}`);
});

process.once("SIGTERM", async () => {
  server.close();
  server.closeAllConnections();
  await router.close();
  await worker.close();
  await queue.close();
});
