// The package as it is published: what publint and are-the-types-wrong say of it, and that its two module systems share
// one addon.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { publint } from "publint";
import { formatMessage } from "publint/utils";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

describe("the packed package", () => {
  let tarball;
  let manifest;

  before(() => {
    const folder = mkdtempSync(join(tmpdir(), "millrace-pack-"));
    try {
      const args = ["pack", "--ignore-scripts", "--json", "--pack-destination", folder];
      const stdio = ["ignore", "pipe", "ignore"];
      const [{ filename }] = JSON.parse(execFileSync("npm", args, { cwd: root, stdio }));
      tarball = new Uint8Array(readFileSync(join(folder, filename)));
      manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("publint finds nothing", async () => {
    const { messages, pkg } = await publint({ pack: { tarball: tarball.buffer } });
    assert.equal(pkg.name, "millrace");
    assert.deepEqual(
      messages.map((message) => formatMessage(message, pkg)),
      [],
    );
  });

  it("are-the-types-wrong finds nothing, but for sub-paths in the resolution of Node 10", async () => {
    const { problems, entrypoints } = await checkPackage(createPackageFromTarballData(tarball));
    const paths = Object.keys(manifest.exports).filter((path) => !path.endsWith(".json"));
    assert.deepEqual(
      Object.keys(entrypoints).filter((path) => !path.endsWith(".json")),
      paths,
    );
    // Node 10 does not know "exports": there only the main module can be found.
    const others = problems.filter(
      ({ kind, resolutionKind, entrypoint }) =>
        !(kind === "NoResolution" && resolutionKind === "node10" && entrypoint !== "."),
    );
    assert.deepEqual(others, []);
  });

  it("import and require share one addon instance, and so one store", async () => {
    const required = createRequire(import.meta.url)("millrace");
    const imported = await import("millrace");
    assert.notEqual(required.Queue, imported.Queue, "two copies of the JavaScript");
    const store = await imported.openStore(":memory:");
    const addons = Object.keys(createRequire(import.meta.url).cache).filter((path) =>
      path.endsWith("millrace.node"),
    );
    assert.equal(addons.length, 1);
    assert.equal(required.version, imported.version);
    await store.close();
  });
});
