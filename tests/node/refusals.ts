// Wrong arguments, one case each: the message names the argument, what was given and what is accepted, and nothing is
// written.
import assert from "node:assert/strict";
import { after, before, it } from "node:test";

import { type Job, MillraceError, Queue, type Store, openStore } from "millrace";

export type Case = [
  what: string,
  call: (queue: Queue, job: Job, store: Store) => unknown,
  message: string,
];

/* eslint-disable @typescript-eslint/no-explicit-any -- the point is to pass what the types forbid */
export const any = (value: unknown): any => value;

/** Plays the cases on a store in memory, with a queue "q" that holds one job. */
export function refuse(cases: Case[]): { store: () => Store } {
  let store: Store;
  let queue: Queue;
  let job: Job;
  before(async () => {
    store = await openStore(":memory:");
    queue = new Queue("q", { store });
    job = await queue.add("n", {});
  });
  after(async () => {
    await queue.close();
    await store.close();
  });
  for (const [what, call, message] of cases) {
    it(what, async () => {
      await assert.rejects(
        async () => call(queue, job, store),
        (error: MillraceError) => {
          assert.equal(error.message, message);
          assert.ok(error instanceof MillraceError);
          assert.equal(error.code, "invalid_argument");
          return true;
        },
      );
      assert.equal(await queue.count(), 1, "nothing was written");
    });
  }
  return { store: () => store };
}
