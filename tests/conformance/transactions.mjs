// The user's own transactions in the scenarios, for the runner on the addon; `this` is the runner.
import { readAdded } from "../../node/dist/esm/wire-reports.js";
import { Reader } from "../../node/dist/esm/wire.js";
import { packJobs } from "./jobs.mjs";

const BY_THE_STORE = -1;

export const transactionOperations = {
  begin({ timeout_ms = 20_000 }) {
    this.transaction = this.engine.begin(timeout_ms, BY_THE_STORE);
  },
  async execute({ sql, parameters = [] }) {
    const { columns, rows, changes } = await this.transaction.execute(sql, parameters);
    return { columns, rows, changes };
  },
  async tx_enqueue({ jobs }) {
    const { numbers, text } = packJobs(this, jobs);
    const packed = await this.transaction.enqueue(Float64Array.from(numbers), text);
    return new Reader(packed).list(readAdded).map((ack, i) => this.acknowledged(jobs[i], ack));
  },
  commit() {
    return this.transaction.commit();
  },
  rollback() {
    return this.transaction.rollback();
  },
};
