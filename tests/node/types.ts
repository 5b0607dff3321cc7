// Compiled, never run: what users write must type-check, and what they must not write must not.
import {
  type BackoffStrategy,
  type FlowOpts,
  Job,
  type MinimalJob,
  type Processor,
  Queue,
  QueueEvents,
  RateLimitError,
  type RateLimiterOptions,
  type RemoteError,
  type SandboxedJobProcessor,
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

export async function model(queue: Queue<Resize, Sizes>): Promise<void> {
  await queue.add(
    "resize",
    { url: "a", width: 1 },
    {
      group: { id: "tenant" },
      deduplication: { id: "a", ttl: 1000 },
      delivery: "at-most-once",
      after: [{ id: "other" }, { job: { id: "third", queue: "q" }, policy: "ignore", as: "third" }],
    },
  );
  // @ts-expect-error -- no such delivery
  await queue.add("resize", { url: "a", width: 1 }, { delivery: "exactly-once" });
  // @ts-expect-error -- no such policy
  await queue.add("resize", { url: "a", width: 1 }, { onFailure: "explode" });

  const { job, children } = await queue.addFlow({
    name: "publish",
    children: [{ name: "resize", queueName: "images", opts: { failParentOnFailure: true } }],
  });
  const ids: string[] = [job.id, ...(children ?? []).map((child) => child.job.id)];
  ids;
  // @ts-expect-error -- a flow is one commit
  await queue.addFlow({ name: "publish", opts: { durability: "power" } });

  const flow = queue.flow();
  const first = flow.add<Resize, Sizes>("resize", "images", { url: "a", width: 1 });
  flow.add("publish", queue, {}, { after: [first, { job: first, policy: "on_failure" }] });
  const bytes: number | undefined = first.returnvalue?.bytes;
  bytes;

  await using store = await openStore("jobs.db", {
    encryption: { keys: [{ id: "a", secret: new Uint8Array(32) }], mode: "encrypt" },
  });
  await store.limits.set({ queue: "q", max: 1, duration: 1000 });
  // @ts-expect-error -- no such limit
  await store.limits.set({ queue: "q", rate: 5 });
  const put = await store.schedules.put(
    "s",
    { pattern: "* * * * *", tz: "Europe/Paris" },
    { name: "n", queue: "q", opts: { attempts: 3 } },
  );
  const next: number | undefined = put.next;
  next;
  // @ts-expect-error -- each slot makes a job anew
  await store.schedules.put("s", { every: 5 }, { name: "n", queue: "q", opts: { jobId: "x" } });

  new Worker<Resize, Sizes>(
    "images",
    (running) => {
      for (const each of running.getBatch()) each.setAsCompleted({ bytes: each.data.width });
      if (running.data.width < 0) throw new RateLimitError("slow down", { ms: 5, scope: "group" });
      return { bytes: 0 };
    },
    { batch: { size: 10, timeout: 50 } },
  );
}

export function remote(error: RemoteError): string {
  return error.type + error.remoteStack;
}

/** What BullMQ's users have written down: it compiles with the import changed. */
export const mail: Processor<{ to: string }, number> = (job) => job.data.to.length;
export const anything: Processor = (job) => (job.data as { x: number }).x;
export const limiter: RateLimiterOptions = { max: 1, duration: 1000 };
export const backoff: BackoffStrategy = (attemptsMade, _type, _error, job?: MinimalJob) =>
  attemptsMade * (job?.attemptsMade ?? 1);
export const flowOptions: FlowOpts = {
  queuesOptions: { mail: { defaultJobOptions: { attempts: 2 } } },
};
export const sandboxed: SandboxedJobProcessor<{ to: string }, number> = async (job) => {
  await job.updateProgress(1);
  return job.data.to.length;
};
export const described = (job: Job<unknown, { bytes: number }>): string =>
  job.returnvalue.bytes > 0 ? "fine" : job.failedReason;
