// Steps about limits and groups, for the runner on the Node addon.
import { packLimit, readGroup, readLimit } from "../../node/dist/esm/wire-model.js";
import { Reader } from "../../node/dist/esm/wire.js";
import { since } from "./values.mjs";

const BY_THE_STORE = -1;
const SCOPES = ["", "store", "queue", "task", "group"];

function limitOf(step) {
  const ofQueue = step.scope === "queue" || step.scope === "group";
  return packLimit({
    ...{ scope: SCOPES.indexOf(step.scope), queue: step.queue ?? (ofQueue ? "q" : "") },
    ...{ task: step.task ?? "", group: step.group ?? "", concurrency: step.concurrency ?? 0 },
    ...{ count: step.rate_count ?? 0, periodMs: step.rate_period_ms ?? 0 },
    maxSize: step.max_size ?? 0,
  });
}

/** Called with the runner as `this`. */
export const limitSteps = {
  set_limit(step) {
    return this.engine.setLimit(...limitOf(step), BY_THE_STORE);
  },
  throttle(step) {
    return this.engine.throttle(...limitOf(step), BY_THE_STORE, step.ms);
  },
  async limits() {
    const limits = new Reader(await this.engine.listLimits()).list(readLimit);
    return limits.map(({ scope, count, periodMs, maxSize, limitedUntil, ...same }) => ({
      ...{ ...same, scope: SCOPES[scope], rate_count: count, rate_period_ms: periodMs },
      ...{ max_size: maxSize, limited_until_at_ms: since(limitedUntil) },
    }));
  },
  pause_group({ queue = "q", group, paused = true }) {
    return this.engine.pauseGroup(queue, group, paused, BY_THE_STORE);
  },
  async groups({ queue = "q", after = "", limit = 1000 }) {
    const groups = new Reader(await this.engine.listGroups(queue, after, limit)).list(readGroup);
    return groups.map(({ id, paused, ready, active }) => ({ group: id, paused, ready, active }));
  },
};
