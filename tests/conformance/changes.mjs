// Changes to single jobs, to what is known about them and to what they wait for, for the runner on the addon; `this`
// is the runner.
import { readMetrics } from "../../node/dist/esm/wire-model.js";
import { Reader } from "../../node/dist/esm/wire.js";
import { moment, STATES } from "./values.mjs";

const BY_THE_STORE = -1;
const CANCELS = ["cancelled", "requested", "finished", "unknown"];

const kept = (step) => [step.keep_attempts_started ?? false, step.keep_attempts_made ?? false];

export const changeOperations = {
  async cancel_jobs({ jobs, reason = "" }) {
    const refs = jobs.flatMap((job) => this.ref({ job }));
    return [...(await this.engine.cancelJobs(refs, reason, BY_THE_STORE))].map(
      (digit) => CANCELS[digit],
    );
  },
  redrive(step) {
    return this.engine.redrive(...this.ref(step), ...kept(step), BY_THE_STORE);
  },
  redrive_many(step) {
    const { queue = "q", state = "failed", name = "", limit = 0 } = step;
    const query = [queue, STATES.indexOf(state), name, moment(step.before_at_ms), limit];
    return this.engine.redriveMany(...query, ...kept(step), BY_THE_STORE);
  },
  update(step) {
    const { data, priority = NaN, lifo, delay_ms = NaN, in_state } = step;
    const due = step.due_at_ms === undefined ? NaN : moment(step.due_at_ms);
    const state = in_state === undefined ? 0 : STATES.indexOf(in_state);
    const last = lifo === undefined ? NaN : Number(lifo);
    const numbers = Float64Array.of(priority, last, due, delay_ms, state);
    const text = data === undefined ? undefined : JSON.stringify(data);
    return this.engine.updateJob(...this.ref(step), text, numbers, BY_THE_STORE);
  },
  add_log(step) {
    return this.engine.addLog(...this.ref(step), step.line, BY_THE_STORE);
  },
  clear_logs(step) {
    return this.engine.clearLogs(...this.ref(step), step.keep ?? 0, BY_THE_STORE);
  },
  publish_event(step) {
    const { queue = "q", name = "n", data } = step;
    const text = data === undefined ? "" : JSON.stringify(data);
    const job = step.job === undefined ? "" : this.ref(step)[0];
    return this.engine.publishEvent(queue, name, text, job, BY_THE_STORE);
  },
  trim_events({ queue = "q", keep }) {
    return this.engine.trimEvents(queue, keep, BY_THE_STORE);
  },
  async remove_dependency(step) {
    const refs = [...this.ref(step), ...this.ref({ job: step.depends_on })];
    return (await this.engine.removeDependency(...refs, BY_THE_STORE)) !== 0;
  },
  remove_unprocessed(step) {
    return this.engine.removeUnprocessed(...this.ref(step), BY_THE_STORE);
  },
  async dependents(step) {
    const { offset = 0, limit = 1000 } = step;
    const packed = await this.engine.dependents(...this.ref(step), offset, limit);
    const dependents = new Reader(packed).list((each) => [this.nameOf(each.text()), each.text()]);
    return dependents.flat();
  },
  async metrics({ queue = "q", state = "completed", start = 0, end = -1 }) {
    const packed = await this.engine.readMetrics(queue, STATES.indexOf(state), start, end);
    return readMetrics(new Reader(packed));
  },
};
