// EventEmitter with typed events, and with an answer to listeners that throw.
import { EventEmitter } from "node:events";

// `any` here is the type of "some arguments" in a constraint; no value is ever typed by it.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Listener = (...args: any[]) => void;
type ArgumentsOf<L> = L extends (...args: infer A) => void ? A : never;

/** Listeners is an interface of event names and the functions that hear them. */
export class TypedEmitter<
  Listeners extends { [E in keyof Listeners]: Listener },
> extends EventEmitter {
  override on<E extends keyof Listeners & string>(event: E, listener: Listeners[E]): this {
    return super.on(event, listener);
  }
  override once<E extends keyof Listeners & string>(event: E, listener: Listeners[E]): this {
    return super.once(event, listener);
  }
  override off<E extends keyof Listeners & string>(event: E, listener: Listeners[E]): this {
    return super.off(event, listener);
  }

  /**
   * Emits an event. What a listener throws is emitted as "error"; an error that nobody listens to becomes a process
   * warning: a broken listener must not stop a worker, nor stay unseen.
   */
  override emit<E extends keyof Listeners & string>(
    event: E,
    ...args: ArgumentsOf<Listeners[E]>
  ): boolean {
    try {
      if (event !== "error" || this.listenerCount("error") > 0) return super.emit(event, ...args);
      warn(args[0]);
    } catch (error) {
      if (event !== "error" && this.listenerCount("error") > 0) {
        try {
          return super.emit("error", error);
        } catch (second) {
          warn(second);
        }
      } else {
        warn(error);
      }
    }
    return false;
  }
}

function warn(error: unknown): void {
  process.emitWarning(
    error instanceof Error ? (error.stack ?? error.message) : String(error),
    "MillraceWarning",
  );
}
