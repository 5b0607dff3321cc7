import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import "reflect-metadata";
import { Injectable, Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { build } from "esbuild";
import { FlowProducer, type Job, Queue, QueueEvents } from "millrace";
import {
  BullModule,
  InjectQueue,
  MillraceModule,
  OnQueueEvent,
  OnWorkerEvent,
  Processor,
  QueueEventsHost,
  QueueEventsListener,
  WorkerHost,
  getFlowProducerToken,
  getQueueToken,
} from "millrace/nestjs";

import { fixture, newStore, onEnd, until } from "./support.js";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");
const run = promisify(execFile);

/** An application of these imports and providers. */
async function start(
  imports: NonNullable<Parameters<typeof Module>[0]["imports"]>,
  providers: NonNullable<Parameters<typeof Module>[0]["providers"]> = [],
): ReturnType<typeof NestFactory.createApplicationContext> {
  class App {}
  Module({ imports, providers })(App);
  return NestFactory.createApplicationContext(App, { logger: false, abortOnError: false });
}

describe("millrace/nestjs", () => {
  it("the example: a processor, a listener and an injected queue", async (t) => {
    const folder = join(ROOT, "build", "nestjs-example");
    mkdirSync(folder, { recursive: true });
    await build({
      entryPoints: [join(ROOT, "examples", "nestjs", "app.ts")],
      outfile: join(folder, "app.mjs"),
      bundle: true,
      platform: "node",
      format: "esm",
      packages: "external",
      tsconfig: join(ROOT, "examples", "nestjs", "tsconfig.json"),
    });
    const { stdout } = await run(process.execPath, [join(folder, "app.mjs"), newStore(t)]);
    assert.deepEqual(stdout.trim().split("\n").sort(), [
      "closed",
      "worker: welcome sent to ann",
      "worker: welcome sent to bob",
    ]);
  });

  it("gives queues the options of forRoot and their own", async (t) => {
    const app = await start([
      MillraceModule.forRootAsync({
        useFactory: (name: string) => ({ store: name, defaultJobOptions: { attempts: 7 } }),
        inject: ["STORE"],
        imports: [provides("STORE", newStore(t))],
      }),
      MillraceModule.registerQueue({ name: "a" }),
      MillraceModule.registerQueueAsync({
        name: "b",
        useFactory: () => Promise.resolve({ defaultJobOptions: { attempts: 2 } }),
      }),
      MillraceModule.registerFlowProducer({ name: "flows" }),
    ]);
    const [a, b] = [app.get<Queue>(getQueueToken("a")), app.get<Queue>(getQueueToken("b"))];
    assert.ok(a instanceof Queue);
    assert.equal((await a.add("n", {})).opts.attempts, 7);
    assert.equal((await b.add("n", {})).opts.attempts, 2);
    const flows = app.get<FlowProducer>(getFlowProducerToken("flows"));
    assert.ok(flows instanceof FlowProducer);
    await flows.add({ name: "n", queueName: "a" });
    assert.equal(await a.getWaitingCount(), 2);
    await app.close();
    await assert.rejects(a.add("n", {}), { code: "closed" });
    await assert.rejects(flows.add({ name: "n", queueName: "a" }), { code: "closed" });
  });

  it("takes options from a class, of its own or of another module", async (t) => {
    const store = newStore(t);
    class Config {
      createSharedConfiguration(): { store: string } {
        return { store };
      }
      createRegisterQueueOptions(): { defaultJobOptions: { attempts: number } } {
        return { defaultJobOptions: { attempts: 4 } };
      }
    }
    Injectable()(Config);
    class Other {}
    const app = await start([
      MillraceModule.forRootAsync({ useClass: Config }),
      MillraceModule.registerQueueAsync({
        name: "a",
        useExisting: Config,
        imports: [{ module: Other, providers: [Config], exports: [Config] }],
      }),
      MillraceModule.registerFlowProducerAsync({ name: "f", useFactory: () => ({}) }),
    ]);
    const queue = app.get<Queue>(getQueueToken("a"));
    assert.deepEqual([queue.opts.store, queue.defaultJobOptions], [store, { attempts: 4 }]);
    assert.ok(app.get(getFlowProducerToken("f")) instanceof FlowProducer);
    await app.close();
    assert.throws(() => MillraceModule.registerQueueAsync({ name: "a" }), {
      message: "MillraceModule.registerQueueAsync: give useFactory, useClass or useExisting",
    });
  });

  it("works a queue by the processors of registerQueue, under the name BullModule too", async (t) => {
    const store = newStore(t);
    const app = await start([
      BullModule.forRoot({ store }),
      BullModule.registerQueue({
        sharedConnection: true,
        forceDisconnectOnShutdown: true,
        processors: [
          fixture("sandbox/common.cjs"),
          { callback: (job: Job) => job.name, concurrency: 3 },
        ],
      }),
    ]);
    const queue = app.get<Queue>(getQueueToken());
    assert.equal(queue.name, "default");
    const events = new QueueEvents("default", { store });
    const jobs = await queue.addBulk([1, 2, 3].map((x) => ({ name: "n", data: { x } })));
    for (const job of jobs) {
      const result: unknown = await job.waitUntilFinished(events);
      assert.ok(result === "n" || (result as { common?: number }).common === job.data.x);
    }
    await until(async () => (await queue.getWorkers()).length === 2); // one may have done all of it
    assert.deepEqual((await queue.getWorkers()).map(({ slots }) => slots).sort(), [1, 3]);
    await events.close();
    await app.close();
    await assert.rejects(queue.getWorkers(), { code: "closed" });
  });

  it("keeps two configurations apart", async (t) => {
    const stores = [newStore(t), newStore(t)];
    const app = await start([
      MillraceModule.forRoot({ store: stores[0]! }),
      MillraceModule.forRoot("other", { store: stores[1]! }),
      MillraceModule.registerQueue({ name: "a" }),
      MillraceModule.registerQueue({ name: "b", configKey: "other" }),
    ]);
    const [a, b] = [app.get<Queue>(getQueueToken("a")), app.get<Queue>(getQueueToken("b"))];
    assert.deepEqual([a.opts.store, b.opts.store], stores);
    await app.close();
  });

  it("ends when the application does: jobs that run may finish", async (t) => {
    const store = newStore(t);
    let release!: () => void;
    const held = new Promise<void>((resolve) => (release = resolve));
    const heard: string[] = [];
    class Held extends WorkerHost {
      async process(job: Job): Promise<string> {
        heard.push(`run ${job.name}`);
        await held;
        return "done";
      }
      completed(job: Job): void {
        heard.push(`completed ${job.name}`);
      }
    }
    Processor("q")(Held);
    const method = Object.getOwnPropertyDescriptor(Held.prototype, "completed")!;
    OnWorkerEvent("completed")(Held.prototype, "completed", method);
    const app = await start([MillraceModule.forRoot({ store })], [Held]);
    const queue = new Queue("q", { store });
    onEnd(t, () => queue.close());
    const job = await queue.add("n", {});
    await until(() => heard.length === 1);
    const closing = app.close();
    release();
    await closing;
    assert.deepEqual(heard, ["run n", "completed n"]);
    assert.equal(await job.getState(), "completed");
  });

  it("opens listeners before processors: they hear of the jobs that waited", async (t) => {
    const store = newStore(t);
    const queue = new Queue("q", { store });
    onEnd(t, () => queue.close());
    const heard: string[] = [];
    class Works extends WorkerHost {
      process(): Promise<number> {
        heard.push("run");
        return Promise.resolve(1);
      }
    }
    Processor("q")(Works);
    class Listens extends QueueEventsHost {
      active(): void {
        heard.push("active");
      }
    }
    QueueEventsListener("q")(Listens);
    const method = Object.getOwnPropertyDescriptor(Listens.prototype, "active")!;
    OnQueueEvent("active")(Listens.prototype, "active", method);
    await queue.add("n", {});
    // The worker is named first, and opens as fast as it can.
    const app = await start([MillraceModule.forRoot({ store })], [Works, Listens]);
    await until(() => heard.length === 2);
    assert.deepEqual(heard.sort(), ["active", "run"]);
    await app.close();
  });

  it("says what is wrong with a processor", async (t) => {
    class NoHost {}
    Processor("q")(NoHost);
    await assert.rejects(start([MillraceModule.forRoot({ store: newStore(t) })], [NoHost]), {
      message: '@Processor("q"): NoHost must extend WorkerHost',
    });
  });

  it("InjectQueue asks for the queue by its token", async (t) => {
    class Service {
      constructor(readonly queue: Queue) {}
    }
    Injectable()(Service);
    InjectQueue("a")(Service, undefined as never, 0);
    const app = await start(
      [MillraceModule.forRoot({ store: newStore(t) }), MillraceModule.registerQueue({ name: "a" })],
      [Service],
    );
    assert.equal(app.get(Service).queue.name, "a");
    await app.close();
  });
});

function provides(token: string, value: unknown): object & { module: new () => object } {
  class Values {}
  const provider = { provide: token, useValue: value };
  return { module: Values, providers: [provider], exports: [provider] } as never;
}
