// Which sandbox gets the next job: not one that was killed, though what it had sent before still comes.
import assert from "node:assert/strict";
import { it } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

import { Sandbox } from "../../node/dist/esm/sandbox.js";

const FILE = fileURLToPath(new URL("fixtures/sandbox/tells-and-ends.mjs", import.meta.url));

/** A job in the hands of a worker, as far as a sandbox looks at it. */
function running(name, updateProgress) {
  return {
    signal: new AbortController().signal,
    job: { id: name, token: "1", toJSON: () => ({ id: name, name, data: {} }), updateProgress },
  };
}

for (const useWorkerThreads of [false, true]) {
  it(`${useWorkerThreads ? "threads" : "processes"}`, async () => {
    const sandbox = new Sandbox(pathToFileURL(FILE).href, { useWorkerThreads });
    const alive = setInterval(() => undefined, 1000); // sandboxes keep no process so
    try {
      const first = running("first", () => {
        // Its answer lies in the channel when its time is up.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
        first.onAbort("hard", new Error("time is up"));
      });
      const answered = await sandbox.run(first).catch(({ message }) => message);
      assert.match(answered, /^ended$|^Unexpected exit/);
      assert.equal(await sandbox.run(running("second")), "ended");
    } finally {
      await sandbox.close(true);
      clearInterval(alive);
    }
  });
}
