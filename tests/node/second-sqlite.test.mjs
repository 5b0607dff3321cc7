// Another SQLite in this process opens and closes the store's file while the engine writes: nothing may be lost.
// (POSIX locks of one process are dropped whenever any descriptor of the file is closed; ours are not of that kind.)
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";

import { Queue, Worker } from "millrace";

/** It waits for others, as the rest do by default. */
function patient(database) {
  database.exec("PRAGMA busy_timeout = 5000");
  return database;
}

/** [name, open] of every SQLite that this Node can load. */
async function otherSqlites() {
  const found = [];
  try {
    const { DatabaseSync } = await import("node:sqlite");
    found.push(["node:sqlite", (path) => patient(new DatabaseSync(path))]);
  } catch {
    // Node before 22.5
  }
  try {
    const { default: Database } = await import("better-sqlite3");
    new Database(":memory:").close(); // its own addon may be missing
    found.push(["better-sqlite3", (path) => new Database(path)]);
  } catch {
    // not installed
  }
  return found;
}

const others = await otherSqlites();
it("is looked for", (t) => {
  t.diagnostic(
    `other SQLites: ${others.map(([name]) => name).join(", ") || "none (tests/python has the same test)"}`,
  );
});

for (const [name, open] of others) {
  it(`${name} beside writers loses nothing`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "millrace-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const store = join(folder, "jobs.db");
    const queue = new Queue("q", { store, durability: "process" });
    const worker = new Worker("q", () => 1, { store, durability: "process", concurrency: 10 });
    await queue.waitUntilReady(); // the file is there
    let completed = 0;
    worker.on("completed", () => completed++);
    const ids = [];
    for (let round = 0; round < 300; round++) {
      const adding = Array.from({ length: 20 }, (_, i) => queue.add("n", { i }));
      const other = open(store);
      other.prepare("SELECT count(*) FROM jobs").get();
      other.close();
      ids.push(...(await Promise.all(adding)).map((job) => job.id));
    }
    while (completed < ids.length) await new Promise((resolve) => setImmediate(resolve));
    for (const id of ids) assert.equal(await queue.getJobState(id), "completed");
    await worker.close();
    await queue.close();
  });
}
