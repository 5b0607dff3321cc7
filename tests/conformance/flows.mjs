// The scenarios' operations on flows, for the runner on the addon; `this` is the runner.
import { POLICIES } from "../../node/dist/esm/job-model.js";
import { readDependencies } from "../../node/dist/esm/wire-model.js";
import { Reader } from "../../node/dist/esm/wire.js";
import { STATES, parsed } from "./values.mjs";

export function shownDependency(runner, { id, queue, name, policy, state, done, result, error }) {
  return {
    ...{ id: runner.nameOf(id), queue, name, policy: POLICIES[policy], state: STATES[state], done },
    ...{ result: parsed(result), error: parsed(error) },
  };
}

export const flowOperations = {
  async dependencies(step) {
    const { states = [], offset = 0, limit = 1000 } = step;
    const bits = states.reduce((all, state) => all | (1 << STATES.indexOf(state)), 0);
    const packed = await this.engine.dependencies(...this.ref(step), bits, offset, limit);
    const { total, pending, dependencies } = readDependencies(new Reader(packed));
    const shown = dependencies.map((each) => shownDependency(this, each));
    return { total, pending, dependencies: shown };
  },
  async flow(step) {
    const { depth = 1000, children = 1000 } = step;
    return JSON.parse(await this.engine.flowJson(...this.ref(step), depth, children));
  },
};
