// What BullMQ refuses as a name or an id. Its sentences are kept: programs compare them.
import { checkKnownOptions, checkObject, show } from "./check.js";
import { invalidArgument } from "./errors.js";
import { checkStrategy } from "./repeat-strategy.js";

/** Names of queues are joined to ids by a colon, as in the keys of job.getChildrenValues(). */
export function checkQueueName(what: string, name: string): void {
  if (!name.includes(":")) return;
  throw invalidArgument(`${what}: Queue name cannot contain :, not ${show(name)}`);
}

/** An id of the user's own must not look like one that BullMQ makes, nor be ambiguous behind a queue's name. */
export function checkJobId(what: string, id: string): void {
  if (id === "0" || id.startsWith("0:")) {
    throw invalidArgument(`${what}: JobId cannot be '0' or start with '0:', not ${show(id)}`);
  }
  if (isInteger(id)) {
    throw invalidArgument(`${what}: Custom Id cannot be integers, not ${show(id)}`);
  }
  // With two colons it is the id of a repeatable job of old.
  if (id.includes(":") && id.split(":").length !== 3) {
    throw invalidArgument(`${what}: Custom Id cannot contain :, not ${show(id)}`);
  }
}

function isInteger(id: string): boolean {
  return String(Number.parseInt(id, 10)) === id;
}

const REPEAT_SETTINGS = new Set(["repeatKeyHashAlgorithm", "repeatStrategy"]);

/** The option `settings` of a queue. */
export function checkRepeatSettings(what: string, settings: unknown): void {
  if (settings === undefined) return;
  checkObject(what, settings);
  checkKnownOptions(what, settings, REPEAT_SETTINGS);
  checkStrategy(what, settings["repeatStrategy"]);
}
