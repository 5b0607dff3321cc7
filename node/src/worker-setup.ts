// What a worker does with its options before it takes jobs.
import type { Process } from "./attempts.js";
import type { Connection } from "./connection.js";
import { MetricNames, SpanKind, TelemetryAttributes } from "./enums.js";
import type { Job } from "./job.js";
import { keepNumbers } from "./job-options.js";
import { changeLimit } from "./limits.js";
import { isObservable, lastOf } from "./observable.js";
import type { Sandbox } from "./sandbox.js";
import { type Meter, type Span, trace } from "./telemetry.js";
import type { JobProgress, Processor, WorkerOptions } from "./types.js";

/** The processor as it is called; undefined: there is none. */
export function processOf<Data, Result, Name extends string>(
  processor: Processor<Data, Result, Name> | string | URL | null | undefined,
  sandbox: Sandbox | undefined,
): Process | undefined {
  if (sandbox !== undefined) return (active) => sandbox.run(active);
  if (typeof processor !== "function") return undefined;
  return ({ job }, signal) =>
    processor(job as Job<Data, Result, Name>, job.token as string, signal as AbortSignal);
}

interface Tracing {
  queue: string;
  id: string;
  opts: WorkerOptions;
}

/** The same in a span of its own, which continues the trace of whoever added the job. */
export function traced(process: Process | undefined, { queue, id, opts }: Tracing): typeof process {
  const { telemetry } = opts;
  if (telemetry === undefined || process === undefined) return process;
  return (active, signal) => {
    const { job } = active;
    const from = job.opts.telemetry?.metadata;
    const operation = { kind: SpanKind.CONSUMER, queue, name: "process", destination: queue, from };
    return trace(telemetry, operation, async (span) => {
      span.setAttributes({
        [TelemetryAttributes.WorkerId]: id,
        [TelemetryAttributes.WorkerName]: opts.name,
        [TelemetryAttributes.JobId]: job.id,
        [TelemetryAttributes.JobName]: job.name,
      });
      return spanned(span, job, telemetry.meter, () => process(active, signal));
    });
  };
}

async function spanned(
  span: Span,
  job: Job,
  meter: Meter | undefined,
  work: () => unknown,
): Promise<unknown> {
  const begun = performance.now();
  const count = (name: string, state: string): void => {
    const attributes = {
      [TelemetryAttributes.QueueName]: job.queueName,
      [TelemetryAttributes.JobName]: job.name,
      [TelemetryAttributes.JobState]: state,
    };
    meter?.createCounter(name, { description: `Jobs ${state}`, unit: "1" }).add(1, attributes);
    meter
      ?.createHistogram(MetricNames.JobDuration, { description: "Length of attempts", unit: "ms" })
      .record(performance.now() - begun, attributes);
  };
  try {
    let result = await work();
    if (isObservable(result)) {
      // Here, so that the span ends when it does; what is answered is no observable any more.
      const { signal } = job;
      result = await lastOf(result, signal, (value) => job.updateProgress(value as JobProgress));
    }
    span.addEvent("job completed");
    count(MetricNames.JobsCompleted, "completed");
    return result;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    span.addEvent("job failed", { [TelemetryAttributes.JobFailedReason]: message });
    count(MetricNames.JobsFailed, "failed");
    throw error;
  }
}

/** Limits and retention belong to the queue: a worker's options are written there when it opens. */
export async function applyQueueOptions(
  connection: Connection,
  queue: string,
  { limiter, group, removeOnComplete, removeOnFail }: WorkerOptions,
  durability: number,
): Promise<void> {
  if (limiter !== undefined) {
    await changeLimit(connection, { queue }, rateOf(limiter), durability);
  }
  if (group !== undefined) {
    const { concurrency, limit } = group;
    const change = {
      ...(concurrency !== undefined && { concurrency }),
      ...(limit !== undefined && rateOf(limit)),
    };
    await changeLimit(connection, { queue, eachGroup: true }, change, durability);
  }
  if (removeOnComplete === undefined && removeOnFail === undefined) return;
  const completed = keepOf("removeOnComplete", removeOnComplete);
  const failed = keepOf("removeOnFail", removeOnFail);
  await connection.call((engine) =>
    engine.setRetention(queue, ...completed, ...failed, durability),
  );
}

function rateOf({ max, duration }: { max: number; duration: number }): {
  count: number;
  periodMs: number;
} {
  return { count: max, periodMs: duration };
}

/** NaN: the rule stays. */
function keepOf(name: string, keep: WorkerOptions["removeOnComplete"]): [number, number] {
  return keep === undefined ? [NaN, NaN] : keepNumbers(`new Worker: ${name}`, keep);
}
