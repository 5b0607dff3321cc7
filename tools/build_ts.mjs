// Compiles node/src twice, to ES modules and to CommonJS, into node/dist. With --tests, tests/**/*.ts into
// build/node-tests instead. Files that differ between the two module systems are .cts (always CommonJS, importable from both).
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const require = createRequire(import.meta.url);

function compile(project) {
  const tsc = join(dirname(require.resolve("typescript/package.json")), "bin", "tsc");
  execFileSync(process.execPath, [tsc, "--project", join(root, "node", project)], {
    stdio: "inherit",
  });
}

function hasTypeScript(folder) {
  return (
    existsSync(folder) &&
    readdirSync(folder, { recursive: true }).some((name) => /\.[mc]?ts$/.test(name))
  );
}

function compileLibrary() {
  if (!hasTypeScript(join(root, "node", "src"))) {
    throw new Error("node/src has no TypeScript sources");
  }
  compile("tsconfig.esm.json");
  compile("tsconfig.cjs.json");
  // Everything in dist/cjs is CommonJS although the package itself is "type": "module".
  mkdirSync(join(root, "node", "dist", "cjs"), { recursive: true });
  writeFileSync(join(root, "node", "dist", "cjs", "package.json"), '{ "type": "commonjs" }\n');
}

function compileTests() {
  // A test whose source is gone must not run from what was compiled before.
  rmSync(join(root, "build", "node-tests"), { recursive: true, force: true });
  if (hasTypeScript(join(root, "tests"))) compile("tsconfig.tests.json");
}

try {
  if (process.argv.includes("--tests")) compileTests();
  else compileLibrary();
} catch (error) {
  if (error.status === undefined) console.error(String(error.message ?? error));
  process.exit(error.status ?? 1);
}
