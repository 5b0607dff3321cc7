// The option `telemetry`: BullMQ's interface, so that a bridge such as bullmq-otel can be given.
import { show } from "./check.js";
import { SpanKind, TelemetryAttributes } from "./enums.js";
import { invalidArgument } from "./errors.js";

export type AttributeValue = string | number | boolean | string[] | number[] | boolean[];
export type Attributes = Record<string, AttributeValue | undefined>;

/** A part of a trace. */
export interface Span<Context = unknown> {
  setSpanOnContext(context: Context): Context;
  setAttribute(key: string, value: AttributeValue): void;
  setAttributes(attributes: Attributes): void;
  addEvent(name: string, attributes?: Attributes): void;
  recordException(exception: Error | string, time?: number | Date | [number, number]): void;
  end(): void;
}

/** Starts spans. */
export interface Tracer<Context = unknown> {
  startSpan(name: string, options?: { kind: SpanKind }, context?: Context): Span<Context>;
}

/** Carries the context of a trace to the worker and into the processor. */
export interface ContextManager<Context = unknown> {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as in BullMQ
  with<A extends (...args: any[]) => any>(context: Context, fn: A): ReturnType<A>;
  active(): Context;
  /** A text that travels with a job, from which its worker makes the context again. */
  getMetadata(context: Context): string;
  fromMetadata(activeContext: Context, metadata: string): Context;
}

/** What a metric is. */
export interface MetricOptions {
  description?: string;
  unit?: string;
}
/** Only rises. */
export interface Counter {
  add(value: number, attributes?: Attributes): void;
}
/** A histogram or a gauge. */
export interface Recorder {
  record(value: number, attributes?: Attributes): void;
}
/** Makes the instruments of metrics. */
export interface Meter {
  createCounter(name: string, options?: MetricOptions): Counter;
  createHistogram(name: string, options?: MetricOptions): Recorder;
  createGauge(name: string, options?: MetricOptions): Recorder;
}

/** The option `telemetry` of queues and workers. */
export interface Telemetry {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the bridge's own type
  tracer: Tracer<any>;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the bridge's own type
  contextManager: ContextManager<any>;
  meter?: Meter;
}

export function checkTelemetry(
  what: string,
  value: unknown,
): asserts value is Telemetry | undefined {
  if (value === undefined) return;
  const { tracer, contextManager } = (value ?? {}) as Partial<Telemetry>;
  if (typeof tracer?.startSpan === "function" && typeof contextManager?.with === "function") return;
  throw invalidArgument(`${what} must be {tracer, contextManager, meter?}, not ${show(value)}`);
}

/** What is measured, and for which queue. */
export interface Operation {
  kind: SpanKind;
  queue: string;
  name: string;
  destination: string;
  /** The metadata of the job that is worked on. */
  from?: string | undefined;
}

/**
 * Runs `work` in a span of its own. It is given the span, and the metadata under which others continue the trace.
 */
export async function trace<T>(
  { tracer, contextManager }: Telemetry,
  { kind, queue, name, destination, from }: Operation,
  work: (span: Span, metadata: string) => Promise<T> | T,
): Promise<T> {
  const active: unknown = contextManager.active();
  const parent: unknown =
    from === undefined ? undefined : contextManager.fromMetadata(active, from);
  const span = tracer.startSpan(`${name} ${destination}`, { kind }, parent);
  try {
    span.setAttributes({
      [TelemetryAttributes.QueueName]: queue,
      [TelemetryAttributes.QueueOperation]: name,
    });
    const context: unknown = span.setSpanOnContext(parent ?? active);
    const metadata = contextManager.getMetadata(context);
    return await contextManager.with(context, () => work(span, metadata));
  } catch (error) {
    span.recordException(error instanceof Error ? error : String(error));
    throw error;
  } finally {
    span.end();
  }
}
