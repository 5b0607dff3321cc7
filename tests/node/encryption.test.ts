import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";

import { type EncryptionOptions, Queue, QueueEvents, Worker, openStore } from "millrace";

import { newStore } from "./support.js";

const SECRET = "the user's own words";
const key = (id: string): { id: string; secret: Uint8Array } => ({ id, secret: randomBytes(32) });

/** Everything that the store has on disk. */
function bytesOf(path: string): string {
  return [path, `${path}-wal`]
    .map((file) => {
      try {
        return readFileSync(file, "latin1");
      } catch {
        return "";
      }
    })
    .join("");
}

/** One job through its whole life; what is on disk then, while the store is open. */
async function life(path: string, encryption?: EncryptionOptions): Promise<string> {
  await using store = await openStore(path, encryption === undefined ? {} : { encryption });
  await using queue = new Queue("q", { store });
  await using events = new QueueEvents("q", { store });
  await events.waitUntilReady();
  const job = await queue.add("n", { text: SECRET });
  await using worker = new Worker(
    "q",
    async (running: { data: { text: string }; log(row: string): Promise<number> }) => {
      await running.log(`log: ${running.data.text}`);
      return { text: running.data.text };
    },
    { store },
  );
  worker.on("error", (error) => assert.fail(error));
  assert.deepEqual(await job.waitUntilFinished(events), { text: SECRET });
  assert.deepEqual((await queue.getJobLogs(job.id)).logs, [`log: ${SECRET}`]);
  return bytesOf(path);
}

describe("encryption", () => {
  it("hides payloads, logs and results in the file, and nothing is hidden without it", async (t) => {
    assert.ok((await life(newStore(t))).includes(SECRET));
    assert.ok(!(await life(newStore(t), { keys: [key("a")] })).includes(SECRET));
  });

  it("leaves what is only signed readable", async (t) => {
    assert.ok((await life(newStore(t), { keys: [key("a")], mode: "sign" })).includes(SECRET));
  });

  it("opens what an older key has sealed, and not without it", async (t) => {
    const path = newStore(t);
    const [old, fresh] = [key("old"), key("fresh")];
    {
      await using store = await openStore(path, { encryption: { keys: [old] } });
      await using queue = new Queue("q", { store });
      await queue.add("n", { text: SECRET }, { jobId: "sealed" });
    }
    {
      await using store = await openStore(path, { encryption: { keys: [fresh, old] } });
      await using queue = new Queue("q", { store });
      assert.deepEqual((await queue.getJob("sealed"))?.data, { text: SECRET });
    }
    await using store = await openStore(path, { encryption: { keys: [fresh] } });
    await using queue = new Queue("q", { store });
    await assert.rejects(queue.getJob("sealed"), { code: "permission_denied" });
  });

  it("refuses another secret under a known id, and other keys than those in force", async (t) => {
    const path = newStore(t);
    const good = key("a");
    {
      await using store = await openStore(path, { encryption: { keys: [good] } });
      await assert.rejects(openStore(path, { encryption: { keys: [key("b")] } }), {
        code: "invalid_argument",
        message: `store option encryption differs from the one that ${store.path} is already open with in this process`,
      });
    }
    await assert.rejects(openStore(path, { encryption: { keys: [key("a")] } }), {
      code: "invalid_argument",
    });
    const text = Buffer.from(good.secret).toString("base64");
    await using store = await openStore(path, {
      encryption: { keys: [{ id: "a", secret: text }] },
    });
    await store.inspect();
  });

  it("lets a job stay plain", async (t) => {
    const path = newStore(t);
    await using store = await openStore(path, { encryption: { keys: [key("a")] } });
    await using queue = new Queue("q", { store });
    await queue.add("n", { text: SECRET }, { sealing: "none" });
    assert.ok(bytesOf(path).includes(SECRET));
  });
});
