// The numbers and words that BullMQ's users compare with, and options that have no effect.
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import {
  ErrorCode,
  JobError,
  MetricNames,
  MetricsTime,
  MillraceError,
  Queue,
  SpanKind,
  TelemetryAttributes,
  Worker,
} from "millrace";

import { Bench } from "../support.js";

/** The names of an enum with their values; those of numbers go both ways, which is not wanted. */
function pairs(of: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(of).filter(([name]) => !/^-?\d+$/.test(name)));
}

describe("enums", () => {
  it("ErrorCode: BullMQ's numbers", async (t) => {
    assert.deepEqual(pairs(ErrorCode), {
      ...{ JobNotExist: -1, JobLockNotExist: -2, JobNotInState: -3, JobPendingChildren: -4 },
      ...{ ParentJobNotExist: -5, JobLockMismatch: -6, ParentJobCannotBeReplaced: -7 },
      ...{ JobBelongsToJobScheduler: -8, JobHasFailedChildren: -9, SchedulerJobIdCollision: -10 },
      ...{ SchedulerJobSlotsBusy: -11 },
    });
    const queue = new Bench(t).queue();
    await assert.rejects(queue.addJobLog("gone", "x"), (error) => {
      assert.ok(error instanceof JobError && error instanceof MillraceError);
      assert.deepEqual([error.code, error.reason, error.name], [-1, "not_found", "JobError"]);
      return true;
    });
  });

  it("MetricsTime: minutes", () => {
    assert.deepEqual(pairs(MetricsTime), {
      ...{ ONE_MINUTE: 1, FIVE_MINUTES: 5, FIFTEEN_MINUTES: 15, THIRTY_MINUTES: 30 },
      ...{ ONE_HOUR: 60, ONE_WEEK: 10_080, TWO_WEEKS: 20_160, ONE_MONTH: 80_640 },
    });
  });

  it("SpanKind: OpenTelemetry's numbers", () => {
    const kinds = { INTERNAL: 0, SERVER: 1, CLIENT: 2, PRODUCER: 3, CONSUMER: 4 };
    assert.deepEqual(pairs(SpanKind), kinds);
  });

  it("MetricNames: the instruments", () => {
    assert.deepEqual(Object.values(MetricNames).sort(), [
      ...["bullmq.job.duration", "bullmq.jobs.completed", "bullmq.jobs.delayed"],
      ...["bullmq.jobs.failed", "bullmq.jobs.retried", "bullmq.jobs.waiting"],
      ...["bullmq.jobs.waiting_children", "bullmq.queue.jobs"],
    ]);
  });

  it("TelemetryAttributes: begin with bullmq. and differ", () => {
    const values = Object.values(TelemetryAttributes);
    assert.equal(new Set(values).size, values.length);
    assert.equal(values.length, 37);
    assert.deepEqual(
      values.filter((value) => !/^bullmq\.(queue|job|worker|flow)\.[a-z._]+$/.test(value)),
      [],
    );
    assert.equal(TelemetryAttributes.JobAttemptsMade, "bullmq.job.attempts.made");
  });
});

describe("options", () => {
  it("connection: refused wherever BullMQ takes one, with what to give instead", () => {
    const message = /option "connection" is BullMQ's; Millrace needs no server: pass \{ store:/;
    const options = { connection: { host: "localhost" } } as never;
    assert.throws(() => new Queue("q", options), message);
    assert.throws(() => new Worker("q", () => 1, options), message);
    assert.throws(() => new Queue("q", { prefix: "bull" } as never), /queues of one name in two/);
  });

  it("QueueOptions without effect are accepted", async (t) => {
    const queue = new Bench(t).queue("q", {
      ...{ skipVersionCheck: true, skipMetasUpdate: true, skipWaitingForReady: true },
      ...{ settings: { repeatKeyHashAlgorithm: "md5" } },
      ...{ blockingConnection: true, streams: { events: { maxLen: 10 } } },
    });
    assert.equal((await queue.add("n", { x: 1 })).data.x, 1);
  });
});
