// Processors that answer an observable: its values are the job's progress, the last one its result.

/** What RxJS's Observable and its kin have. */
export interface Subscribable<T> {
  subscribe(observer: {
    next: (value: T) => void;
    error: (error: unknown) => void;
    complete: () => void;
  }): { unsubscribe(): void } | undefined;
}

export function isObservable(value: unknown): value is Subscribable<unknown> {
  if (typeof value !== "object" || value === null) return false;
  try {
    return typeof (value as Partial<Subscribable<unknown>>).subscribe === "function";
  } catch {
    return false; // a getter of the user's that throws: its result will be refused
  }
}

/**
 * Subscribes, and resolves with the last value when it completes. `onNext` gets each value; if that fails, so does the
 * whole. When the signal fires the subscription ends, and its reason is what the job failed of.
 */
export function lastOf(
  observable: Subscribable<unknown>,
  signal: AbortSignal,
  onNext: (value: unknown) => Promise<unknown>,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    let last: unknown;
    let open = true;
    let subscription = undefined as { unsubscribe(): void } | undefined;
    const end = (settle: () => void): void => {
      open = false;
      signal.removeEventListener("abort", onAbort);
      settle();
    };
    const fail = (error: Error): void => {
      if (!open) return;
      end(() => reject(error));
      subscription?.unsubscribe();
    };
    const onAbort = (): void => fail(signal.reason as Error);
    signal.addEventListener("abort", onAbort);
    subscription = observable.subscribe({
      next: (value) => {
        if (!open) return;
        last = value;
        onNext(value).catch((error: unknown) => fail(error as Error));
      },
      error: (error) => fail(error as Error),
      complete: () => {
        if (open) end(() => resolve(last));
      },
    });
    // It may have failed, or the signal have fired, before there was a subscription to end.
    if (signal.aborted) fail(signal.reason as Error);
    if (!open) subscription?.unsubscribe();
  });
}
