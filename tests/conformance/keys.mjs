// Deduplication keys, checkpoints and counters of the scenarios, for the runner on the addon; `this` is the runner.
import { Reader } from "../../node/dist/esm/wire.js";
import { readCounters } from "../../node/dist/esm/wire-model.js";

const BY_THE_STORE = -1;

export const keyOperations = {
  checkpoint(step) {
    const { told, token } = this.lease(step);
    told.session.checkpoint(token, JSON.stringify(step.value));
  },
  async dedup_holder({ queue = "q", key }) {
    const holder = await this.engine.dedupHolder(queue, key);
    return holder === "" ? null : this.nameOf(holder);
  },
  async release_dedup({ queue = "q", key }) {
    return (await this.engine.releaseDedup(queue, key, BY_THE_STORE)) !== 0;
  },
  async counters({ queue = "" }) {
    return new Reader(await this.engine.counters(queue)).list(readCounters);
  },
};
