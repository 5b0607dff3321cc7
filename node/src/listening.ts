// Keeps the process alive while somebody listens to an emitter, and no longer.
import { EventEmitter } from "node:events";

import { hold, letGo } from "./hub.js";

/** These do not say that somebody waits for something to come. */
const QUIET = new Set<string | symbol>(["error", "newListener", "removeListener"]);

export class Listening {
  readonly #emitter: EventEmitter;
  readonly #wanted: (listening: boolean) => boolean;
  readonly #look = (): void => {
    this.#looks = false;
    this.update();
  };
  #looks = false;
  #holding = false;

  /** `wanted`: whether to keep it alive, given whether anybody listens. update() must follow when its answer changes. */
  constructor(emitter: EventEmitter, wanted: (listening: boolean) => boolean) {
    this.#emitter = emitter;
    this.#wanted = wanted;
    this.attach();
  }

  /** Again after removeAllListeners(), which takes these too. */
  attach(): void {
    // A listener is there only after this event, and many may come in one tick.
    const changed = (): void => {
      if (!this.#looks) process.nextTick(this.#look);
      this.#looks = true;
    };
    // Whatever a subclass makes of on().
    EventEmitter.prototype.on.call(this.#emitter, "newListener", changed);
    EventEmitter.prototype.on.call(this.#emitter, "removeListener", changed);
  }

  update(): void {
    const listening = this.#emitter.eventNames().some((name) => !QUIET.has(name));
    const wanted = this.#wanted(listening);
    if (wanted === this.#holding) return;
    this.#holding = wanted;
    if (wanted) hold();
    else letGo();
  }
}
