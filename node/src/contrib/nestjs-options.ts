// Options of the Nest module that are found out when the application starts, as Nest's own modules take them.
import type {
  InjectionToken,
  ModuleMetadata,
  OptionalFactoryDependency,
  Provider,
  Type,
} from "@nestjs/common";

import { invalidArgument } from "../errors.js";
import type { Processor, WorkerOptions } from "../types.js";

export type Dependencies = (InjectionToken | OptionalFactoryDependency)[];

/** One of useFactory, useClass and useExisting; the classes answer the options by the method `Method`. */
export interface AsyncOptions<T, Method extends string = string> extends Pick<
  ModuleMetadata,
  "imports"
> {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- what is injected is the user's
  useFactory?: (...args: any[]) => T | Promise<T>;
  /** Of useFactory. */
  inject?: Dependencies;
  useClass?: Type<Record<Method, () => T | Promise<T>>>;
  useExisting?: Type<Record<Method, () => T | Promise<T>>>;
  extraProviders?: Provider[];
}

/** The same with a factory, and the providers that it needs. */
export interface Resolved<T> {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- what is injected is the user's
  useFactory: (...args: any[]) => T | Promise<T>;
  inject: Dependencies;
  imports: NonNullable<ModuleMetadata["imports"]>;
  providers: Provider[];
}

export function resolved<T, Method extends string>(
  what: string,
  options: AsyncOptions<T, Method>,
  method: Method,
): Resolved<T> {
  const { useFactory, useClass, useExisting, inject = [], imports = [] } = options;
  const providers = [...(options.extraProviders ?? [])];
  if (useFactory !== undefined) return { useFactory, inject, imports, providers };
  const factory = useExisting ?? useClass;
  if (factory === undefined) {
    throw invalidArgument(`${what}: give useFactory, useClass or useExisting`);
  }
  if (useClass !== undefined) providers.push({ provide: useClass, useClass });
  return {
    useFactory: (made: Record<Method, () => T | Promise<T>>) => made[method](),
    inject: [factory],
    imports,
    providers,
  };
}

/** A processor of registerQueue(): a function, the file of a sandboxed one, or either with a worker's options. */
export type QueueProcessor =
  | Processor
  | string
  | URL
  | (WorkerOptions & { callback: Processor })
  | (WorkerOptions & { path: string | URL });

export function processorAndOptions(
  given: QueueProcessor,
): [processor: Processor | string | URL, options: WorkerOptions] {
  if (typeof given !== "object" || given instanceof URL) return [given, {}];
  if ("callback" in given) {
    const { callback, ...options } = given;
    return [callback, options];
  }
  const { path, ...options } = given;
  return [path, options];
}
