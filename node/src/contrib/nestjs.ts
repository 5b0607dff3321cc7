// A module for NestJS, shaped as @nestjs/bullmq is: queues and flow producers to inject, workers and readers of events
// as decorated providers.
//
//   @Module({ imports: [MillraceModule.forRoot({ store: "jobs.db" }), MillraceModule.registerQueue({ name: "mail" })] })
//
//   @Processor("mail")
//   class Mailer extends WorkerHost {
//     async process(job: Job) { ... }
//   }
import {
  type DynamicModule,
  Inject,
  type ModuleMetadata,
  type Provider,
  SetMetadata,
} from "@nestjs/common";
import { DiscoveryModule, DiscoveryService, MetadataScanner } from "@nestjs/core";

import { show } from "../check.js";
import { invalidArgument } from "../errors.js";
import { FlowProducer, type FlowProducerOptions } from "../flow-producer.js";
import type { Job } from "../job.js";
import { QueueEvents, type QueueEventsListener as EventMap } from "../queue-events.js";
import { Queue } from "../queue.js";
import type {
  DefaultJobOptions,
  QueueEventsOptions,
  QueueOptions,
  StoreOption,
  WorkerOptions,
} from "../types.js";
import { Worker, type WorkerListener } from "../worker.js";
import {
  type AsyncOptions,
  type Dependencies,
  type QueueProcessor,
  type Resolved,
  processorAndOptions,
  resolved,
} from "./nestjs-options.js";

export type { AsyncOptions, QueueProcessor } from "./nestjs-options.js";

/** What holds for all queues, workers and readers of a configuration. */
export interface MillraceRootOptions extends StoreOption {
  defaultJobOptions?: DefaultJobOptions;
  durability?: QueueOptions["durability"];
}

/** Of @nestjs/bullmq, without effect: there is no connection to share or to cut. */
interface WithoutEffect {
  sharedConnection?: boolean;
  forceDisconnectOnShutdown?: boolean;
}

export interface RegisterQueueOptions extends QueueOptions, WithoutEffect {
  /** Default: "default". */
  name?: string;
  /** Which forRoot() it belongs to; default: the one without a name. */
  configKey?: string;
  /** Workers of the queue that need no class, such as files of sandboxed processors. */
  processors?: QueueProcessor[];
}
export interface RegisterFlowProducerOptions extends FlowProducerOptions, WithoutEffect {
  name?: string;
  configKey?: string;
}

interface Named {
  name?: string;
  configKey?: string;
}
export type RootAsyncOptions = AsyncOptions<MillraceRootOptions, "createSharedConfiguration">;
export type RegisterQueueAsyncOptions = Named &
  AsyncOptions<RegisterQueueOptions, "createRegisterQueueOptions">;
export type RegisterFlowProducerAsyncOptions = Named &
  AsyncOptions<RegisterFlowProducerOptions, "createRegisterQueueOptions">;

/** What `@Processor()` may be given in place of a name: a queue, and whose `forRoot` it has. */
export interface ProcessorOptions {
  name: string;
  configKey?: string;
}

const PROCESSOR = "millrace:processor";
const WORKER_EVENT = "millrace:worker-event";
const EVENTS = "millrace:queue-events";
const QUEUE_EVENT = "millrace:queue-event";

interface ProcessorMetadata extends ProcessorOptions {
  options: WorkerOptions;
}
interface EventsMetadata {
  queueName: string;
  configKey?: string;
  options: QueueEventsOptions;
}

export function getSharedConfigToken(configKey?: string): string {
  return configKey === undefined ? "MillraceOptions" : `MillraceOptions_${configKey}`;
}
export function getQueueToken(name = "default"): string {
  return `MillraceQueue_${name}`;
}
export function getFlowProducerToken(name = "default"): string {
  return `MillraceFlowProducer_${name}`;
}

/** A constructor's parameter that is the queue of this name. */
export const InjectQueue = (name?: string): ParameterDecorator & PropertyDecorator =>
  Inject(getQueueToken(name));
export const InjectFlowProducer = (name?: string): ParameterDecorator & PropertyDecorator =>
  Inject(getFlowProducerToken(name));

/** A provider, extending WorkerHost, that works on a queue. */
export function Processor(
  queue: string | ProcessorOptions,
  options: WorkerOptions = {},
): ClassDecorator {
  const named = typeof queue === "string" ? { name: queue } : queue;
  const metadata: ProcessorMetadata = { ...named, options };
  return SetMetadata(PROCESSOR, metadata);
}

/** A method of a Processor that is called on an event of its worker. */
export const OnWorkerEvent = (event: keyof WorkerListener): MethodDecorator =>
  SetMetadata(WORKER_EVENT, event);

/** A provider, extending QueueEventsHost, that hears what happens in a queue, in any process. */
export function QueueEventsListener(
  queueName: string,
  { configKey, ...options }: QueueEventsOptions & { configKey?: string } = {},
): ClassDecorator {
  const metadata: EventsMetadata = { queueName, options };
  if (configKey !== undefined) metadata.configKey = configKey;
  return SetMetadata(EVENTS, metadata);
}

/** A method of a QueueEventsListener that is called on an event of the queue. */
export const OnQueueEvent = (event: keyof EventMap): MethodDecorator =>
  SetMetadata(QUEUE_EVENT, event);

/** What a Processor extends. */
export abstract class WorkerHost<T extends Worker = Worker> {
  #worker: T | undefined;

  /** There from the start of the application on. */
  get worker(): T {
    if (this.#worker === undefined) {
      throw new Error(
        'the worker is made when the application has started: use "await app.init()"',
      );
    }
    return this.#worker;
  }
  /** @internal */
  set worker(worker: T) {
    this.#worker = worker;
  }

  abstract process(job: Job, token?: string, signal?: AbortSignal): Promise<unknown>;
}

/** What a QueueEventsListener extends. */
export abstract class QueueEventsHost<T extends QueueEvents = QueueEvents> {
  #queueEvents: T | undefined;

  get queueEvents(): T {
    if (this.#queueEvents === undefined) {
      throw new Error(
        'the reader is made when the application has started: use "await app.init()"',
      );
    }
    return this.#queueEvents;
  }
  /** @internal */
  set queueEvents(queueEvents: T) {
    this.#queueEvents = queueEvents;
  }
}

interface Closable {
  close(): Promise<void>;
}

/** Makes workers and readers for the decorated providers of one forRoot() when the application starts, and closes them when it ends. */
class Explorer {
  readonly #open: Closable[] = [];

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly configKey: string | undefined,
    private readonly root: MillraceRootOptions,
  ) {}

  /** Listeners first: they hear of all that the processors do, and of what the application adds when it has started. */
  async onApplicationBootstrap(): Promise<void> {
    const listening = this.#decorated<EventsMetadata>(EVENTS).map(([host, name, metadata]) =>
      this.#listen(host, name, metadata),
    );
    // One whose store cannot be opened emits an error.
    await Promise.all(listening.map((events) => events.waitUntilReady().catch(() => undefined)));
    for (const [host, name, metadata] of this.#decorated<ProcessorMetadata>(PROCESSOR))
      this.#work(host, name, metadata);
  }

  /** The providers of this configuration whose classes have such metadata. */
  #decorated<T extends { configKey?: string | undefined }>(
    key: string,
  ): [host: object, className: string, metadata: T][] {
    const found: [object, string, T][] = [];
    for (const { instance, metatype } of this.discovery.getProviders()) {
      if (instance === null || typeof instance !== "object" || !metatype) continue;
      const metadata = metadataOf<T>(key, metatype);
      if (metadata !== undefined && metadata.configKey === this.configKey)
        found.push([instance as object, metatype.name, metadata]);
    }
    return found;
  }

  #work(host: object, className: string, metadata: ProcessorMetadata): void {
    if (!(host instanceof WorkerHost)) {
      throw invalidArgument(
        `@Processor(${show(metadata.name)}): ${className} must extend WorkerHost`,
      );
    }
    const { store, durability } = this.root;
    const worker = new Worker(
      metadata.name,
      (job: Job, token: string, signal: AbortSignal) => host.process(job, token, signal),
      { ...defined({ store, durability }), ...metadata.options },
    );
    this.#open.push(worker);
    host.worker = worker;
    this.#connect(host, WORKER_EVENT, (event, listener) =>
      worker.on(event as "completed", listener),
    );
  }

  #listen(host: object, className: string, metadata: EventsMetadata): QueueEvents {
    if (!(host instanceof QueueEventsHost)) {
      const queue = show(metadata.queueName);
      throw invalidArgument(
        `@QueueEventsListener(${queue}): ${className} must extend QueueEventsHost`,
      );
    }
    const { store } = this.root;
    const events = new QueueEvents(metadata.queueName, {
      ...defined({ store }),
      ...metadata.options,
    });
    this.#open.push(events);
    host.queueEvents = events;
    this.#connect(host, QUEUE_EVENT, (event, listener) =>
      events.on(event as "completed", listener),
    );
    return events;
  }

  #connect(host: object, key: string, on: (event: string, listener: () => void) => void): void {
    const prototype = Object.getPrototypeOf(host) as object;
    for (const name of this.scanner.getAllMethodNames(prototype)) {
      const method = (host as Record<string, unknown>)[name] as (...args: unknown[]) => unknown;
      const event = metadataOf<string>(key, method);
      if (event !== undefined) on(event, (...args: unknown[]) => void method.apply(host, args));
    }
  }

  /** Workers finish what runs. */
  async onModuleDestroy(): Promise<void> {
    await Promise.all(this.#open.splice(0).map((each) => each.close()));
  }
}

function metadataOf<T>(key: string, target: object): T | undefined {
  // Nest itself needs reflect-metadata, and keeps what its decorators say by it.
  const reflect = Reflect as unknown as { getMetadata(key: string, target: object): unknown };
  return reflect.getMetadata(key, target) as T | undefined;
}

function defined<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as { [K in keyof T]: Exclude<T[K], undefined> };
}

/** Workers that were made with a queue: they end before it. */
const workersOf = new WeakMap<Closable, Worker[]>();

/** Closes what Nest made by a factory, when the application ends: its own classes could have hooks, ours do not. */
class Closer {
  constructor(private readonly what: Closable) {}
  async onApplicationShutdown(): Promise<void> {
    await this.#close();
  }
  async onModuleDestroy(): Promise<void> {
    await this.#close();
  }
  async #close(): Promise<void> {
    await Promise.all((workersOf.get(this.what) ?? []).map((worker) => worker.close()));
    await this.what.close();
  }
}

const EXPLORER = "MillraceExplorer";

/** Gives Nest its queues, flow producers and workers: `forRoot` names the store, `registerQueue` a queue. */
export class MillraceModule {
  /** Options for all queues of the application. With a key: for those that name it as their `configKey`. */
  static forRoot(configKey: string, options: MillraceRootOptions): DynamicModule;
  static forRoot(options: MillraceRootOptions): DynamicModule;
  static forRoot(
    first: string | MillraceRootOptions,
    second: MillraceRootOptions = {},
  ): DynamicModule {
    const [key, options] = typeof first === "string" ? [first, second] : [undefined, first];
    return root([{ provide: getSharedConfigToken(key), useValue: options }], key, []);
  }

  static forRootAsync(configKey: string, options: RootAsyncOptions): DynamicModule;
  static forRootAsync(options: RootAsyncOptions): DynamicModule;
  static forRootAsync(
    first: string | RootAsyncOptions,
    second: RootAsyncOptions = {},
  ): DynamicModule {
    const [key, options] = typeof first === "string" ? [first, second] : [undefined, first];
    const { useFactory, inject, imports, providers } = resolved(
      "MillraceModule.forRootAsync",
      options,
      "createSharedConfiguration",
    );
    const provide = getSharedConfigToken(key);
    return root([...providers, { provide, useFactory, inject }], key, imports);
  }

  /** Queues to inject by `@InjectQueue(name)`. */
  static registerQueue(...queues: RegisterQueueOptions[]): DynamicModule {
    return registered(
      QueuesModule,
      queues.map((own) => [own, plain(own)]),
      queueProvider,
    );
  }
  static registerQueueAsync(...queues: RegisterQueueAsyncOptions[]): DynamicModule {
    const what = "MillraceModule.registerQueueAsync";
    return registered(
      QueuesModule,
      queues.map((own) => [own, resolved(what, own, "createRegisterQueueOptions")]),
      queueProvider,
    );
  }

  /** Flow producers to inject by `@InjectFlowProducer(name)`. */
  static registerFlowProducer(...producers: RegisterFlowProducerOptions[]): DynamicModule {
    return registered(
      FlowsModule,
      producers.map((own) => [own, plain(own)]),
      flowProvider,
    );
  }
  static registerFlowProducerAsync(
    ...producers: RegisterFlowProducerAsyncOptions[]
  ): DynamicModule {
    const what = "MillraceModule.registerFlowProducerAsync";
    return registered(
      FlowsModule,
      producers.map((own) => [own, resolved(what, own, "createRegisterQueueOptions")]),
      flowProvider,
    );
  }
}

/** The name that @nestjs/bullmq gives it: nothing but the import has to change. */
export { MillraceModule as BullModule };

class QueuesModule {}
class FlowsModule {}

function plain<T>(options: T): Resolved<T> {
  return { useFactory: () => options, inject: [], imports: [], providers: [] };
}

function registered<T>(
  module: new () => object,
  all: [Named, Resolved<T>][],
  provider: (named: Named, options: Resolved<T>) => Provider[],
): DynamicModule {
  const own = all.flatMap(([named, options]) => provider(named, options));
  const others = all.flatMap(([, options]) => options.providers);
  const imports = all.flatMap(([, options]) => options.imports);
  return { module, imports, providers: [...others, ...own], exports: own };
}

function queueProvider(
  { name = "default", configKey }: Named,
  { useFactory, inject }: Resolved<RegisterQueueOptions>,
): Provider[] {
  const make = async (shared: MillraceRootOptions, ...args: unknown[]): Promise<Queue> => {
    const { processors = [], ...own } = ownOptions(await useFactory(...args));
    const { store, durability, defaultJobOptions } = shared;
    const options = { ...defined({ store, durability, defaultJobOptions }), ...own };
    const queue = new Queue(name, options);
    const host = defined({ store: options.store, durability: options.durability });
    workersOf.set(
      queue,
      processors.map((given) => {
        const [processor, workerOptions] = processorAndOptions(given);
        return new Worker(name, processor, { ...host, ...workerOptions });
      }),
    );
    return queue;
  };
  return closedProvider(getQueueToken(name), configKey, inject, make);
}

function flowProvider(
  { name, configKey }: Named,
  { useFactory, inject }: Resolved<RegisterFlowProducerOptions>,
): Provider[] {
  const make = async (shared: MillraceRootOptions, ...args: unknown[]): Promise<FlowProducer> => {
    const { store, durability } = shared;
    const own = ownOptions(await useFactory(...args));
    return new FlowProducer({ ...defined({ store, durability }), ...own });
  };
  return closedProvider(getFlowProducerToken(name), configKey, inject, make);
}

const NEST_OPTIONS = new Set([
  "name",
  "configKey",
  "sharedConnection",
  "forceDisconnectOnShutdown",
]);

/** Without what is Nest's. */
function ownOptions<T extends Named & WithoutEffect>(
  options: T,
): Omit<T, keyof Named | keyof WithoutEffect> {
  const own = Object.entries(options).filter(([name]) => !NEST_OPTIONS.has(name));
  return Object.fromEntries(own) as unknown as T;
}

/** A provider, and one that closes it with the application. */
function closedProvider(
  token: string,
  configKey: string | undefined,
  inject: Dependencies,
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- what is injected is the user's
  make: (...args: any[]) => Closable | Promise<Closable>,
): Provider[] {
  const shared = { token: getSharedConfigToken(configKey), optional: configKey === undefined };
  return [
    {
      provide: token,
      useFactory: (config: MillraceRootOptions | undefined, ...args: unknown[]) =>
        make(config ?? {}, ...args),
      inject: [shared, ...inject],
    },
    {
      provide: `${token}_closer`,
      useFactory: (what: Closable) => new Closer(what),
      inject: [token],
    },
  ];
}

function root(
  providers: Provider[],
  configKey: string | undefined,
  imports: NonNullable<ModuleMetadata["imports"]>,
): DynamicModule {
  const token = getSharedConfigToken(configKey);
  const explorer: Provider = {
    provide: configKey === undefined ? EXPLORER : `${EXPLORER}_${configKey}`,
    useFactory: (
      discovery: DiscoveryService,
      scanner: MetadataScanner,
      options: MillraceRootOptions,
    ) => new Explorer(discovery, scanner, configKey, options),
    inject: [DiscoveryService, MetadataScanner, token],
  };
  return {
    module: MillraceModule,
    global: true,
    imports: [DiscoveryModule, ...imports],
    providers: [...providers, explorer],
    exports: providers,
  };
}
