// The declarations that users get must compile for them too: in both module systems, without skipLibCheck.
import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const here = dirname(fileURLToPath(import.meta.url));
const build = join(here, "..", "..", "build");

it("types.ts compiles as an ES module and as CommonJS", (t) => {
  // Inside the package, so that its own name finds it.
  const folder = mkdtempSync(join(build, "published-types-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const files = ["mts", "cts"].map((extension) => join(folder, `types.${extension}`));
  for (const file of files) copyFileSync(join(here, "types.ts"), file);
  const program = ts.createProgram(files, {
    strict: true,
    noEmit: true,
    exactOptionalPropertyTypes: true,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    lib: ["lib.es2023.d.ts"],
    types: ["node"],
  });
  const problems = ts.getPreEmitDiagnostics(program).map((each) => {
    const at = each.file === undefined ? "" : `${each.file.fileName}: `;
    return at + ts.flattenDiagnosticMessageText(each.messageText, " ");
  });
  assert.deepEqual(problems, []);
});
