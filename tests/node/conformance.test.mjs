// The scenarios of tests/conformance against the addon.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { ScenarioRunner } from "../conformance/runner.mjs";
import { difference, expand } from "../conformance/values.mjs";

const folder = fileURLToPath(new URL("../conformance/scenarios", import.meta.url));
let played = 0;

for (const file of readdirSync(folder)
  .filter((name) => name.endsWith(".json"))
  .sort()) {
  for (const scenario of JSON.parse(readFileSync(join(folder, file), "utf8")).scenarios) {
    test(`${file}: ${scenario.name}`, async (t) => {
      played++;
      const stores = mkdtempSync(join(tmpdir(), "millrace-"));
      t.after(() => rmSync(stores, { recursive: true, force: true }));
      const runner = await ScenarioRunner.open(join(stores, "jobs.db"), scenario.store ?? {});
      try {
        for (const [number, step] of scenario.steps.entries()) {
          try {
            await runner.play(expand(step), difference);
          } catch (error) {
            const text = JSON.stringify(step).slice(0, 300);
            throw new Error(`step ${number}, ${text}: ${error.message}`, { cause: error });
          }
        }
      } finally {
        await runner.close();
      }
    });
  }
}

test("there are scenarios", () => assert.ok(played >= 20));
