// A NestJS application that sends mail in the background: one process, one file, no server.
//
//   npx esbuild examples/nestjs/app.ts --bundle --platform=node --format=esm --packages=external --outfile=app.mjs
//   node app.mjs jobs.db
import "reflect-metadata";

import { Injectable, Logger, Module, type OnApplicationBootstrap } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import type { Job, Queue } from "millrace";
import {
  InjectQueue,
  MillraceModule,
  OnQueueEvent,
  OnWorkerEvent,
  Processor,
  QueueEventsHost,
  QueueEventsListener,
  WorkerHost,
} from "millrace/nestjs";

interface Letter {
  to: string;
}

@Processor("mail", { concurrency: 5 })
class Mailer extends WorkerHost {
  async process(job: Job<Letter, string>): Promise<string> {
    await job.updateProgress(50);
    return `sent to ${job.data.to}`;
  }

  @OnWorkerEvent("completed")
  done(job: Job<Letter, string>, result: string): void {
    console.log(`worker: ${job.name} ${result}`);
  }
}

@QueueEventsListener("mail")
class Observer extends QueueEventsHost {
  readonly finished = new Set<string>();

  @OnQueueEvent("completed")
  completed({ jobId }: { jobId: string }): void {
    this.finished.add(jobId);
  }
}

@Injectable()
class Sender implements OnApplicationBootstrap {
  constructor(@InjectQueue("mail") private readonly queue: Queue<Letter, string>) {}

  async onApplicationBootstrap(): Promise<void> {
    for (const to of ["ann", "bob"]) await this.queue.add("welcome", { to });
  }
}

@Module({
  imports: [
    MillraceModule.forRoot({ store: process.argv[2] ?? "jobs.db" }),
    MillraceModule.registerQueue({ name: "mail", defaultJobOptions: { attempts: 3 } }),
  ],
  providers: [Mailer, Observer, Sender],
})
class AppModule {}

Logger.overrideLogger(false);
const app = await NestFactory.createApplicationContext(AppModule);
const observer = app.get(Observer);
while (observer.finished.size < 2) await new Promise((resolve) => setTimeout(resolve, 10));
await app.close(); // finishes what runs
console.log("closed");
