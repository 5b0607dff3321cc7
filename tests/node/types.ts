// Compiled, never run: what users write must type-check, and what they must not write must not.
import {
  Job,
  Queue,
  QueueEvents,
  type RemoteError,
  UnrecoverableError,
  Worker,
  openStore,
} from "millrace";

interface Resize {
  url: string;
  width: number;
}
interface Sizes {
  bytes: number;
}

export async function typed(): Promise<void> {
  const queue = new Queue<Resize, Sizes, "resize" | "crop">("images", {
    store: "jobs.db",
    durability: "process",
    defaultJobOptions: { attempts: 3, backoff: { type: "exponential", delay: 100 } },
  });
  const job = await queue.add(
    "resize",
    { url: "a.png", width: 5 },
    { priority: 1, removeOnComplete: { age: 60 } },
  );
  const url: string = job.data.url;
  const name: "resize" | "crop" = job.name;
  const bytes: number | undefined = job.returnvalue?.bytes;
  [url, name, bytes];

  // @ts-expect-error -- not one of the names
  await queue.add("rotate", { url: "a.png", width: 5 });
  // @ts-expect-error -- width is missing
  await queue.add("resize", { url: "a.png" });
  // @ts-expect-error -- no such option
  await queue.add("resize", { url: "a.png", width: 5 }, { delai: 5 });
  // @ts-expect-error -- a server is not needed
  new Queue("images", { connection: { host: "localhost" } });
  // @ts-expect-error -- the default options cannot have an id
  new Queue("images", { defaultJobOptions: { jobId: "x" } });
  // @ts-expect-error -- no such durability
  new Queue("images", { durability: "disk" });
  // @ts-expect-error -- a bulk is one commit
  await queue.addBulk([{ name: "crop", data: job.data, opts: { durability: "power" } }]);

  const worker = new Worker<Resize, Sizes, "resize" | "crop">(
    "images",
    async (running, token, signal) => {
      const width: number = running.data.width;
      const text: string = token;
      signal.throwIfAborted();
      await running.updateProgress({ width, text });
      if (width < 0) throw new UnrecoverableError("negative");
      return { bytes: width };
    },
    {
      store: "jobs.db",
      concurrency: 4,
      settings: { backoffStrategy: (attempts) => attempts * 100 },
    },
  );
  worker.on("completed", (done, result, prev) => void [done.data.url, result.bytes, prev.length]);
  worker.on("failed", (failed, error) => void [failed?.id, error.message]);
  // @ts-expect-error -- no such event
  worker.on("finished", () => undefined);
  // @ts-expect-error -- the listener's argument is a job
  worker.on("completed", (done: number) => void done);
  // @ts-expect-error -- the listener's argument is no "any" either
  worker.on("completed", (done) => done.nonsense);
  // @ts-expect-error -- the result lacks bytes
  new Worker<Resize, Sizes>("images", () => ({ size: 1 }));

  const events = new QueueEvents<Sizes>("images", { store: "jobs.db", lastEventId: "0" });
  events.on("completed", ({ jobId, returnvalue }, id) => void [jobId, returnvalue.bytes, id]);
  const result: Sizes = await job.waitUntilFinished(events, 1000);
  result;

  // Without types everything is any, as in BullMQ.
  const plain = new Queue("plain");
  const any: Job = await plain.add("n", { whatever: 1 });
  const whatever: string = any.data.whatever;
  whatever;

  await using store = await openStore("jobs.db", { removeOnFail: { age: 3600 } });
  const dead: number = (await store.deadLetters({ queue: "images" })).total;
  dead;
}

export function remote(error: RemoteError): string {
  return error.type + error.remoteStack;
}
