// Which queues are Millrace's own. Python has the same rule in `python/millrace/queue_names.py`.

const INTERNAL_PREFIX = "millrace.";

/** Whether a queue is Millrace's own, such as those that carry commands to workers: listings leave it out. */
export function isInternalQueue(name: string): boolean {
  return name.startsWith(INTERNAL_PREFIX);
}
