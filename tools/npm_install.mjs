// The package's install script: builds the addon with CMake, unless a prebuilt one for this platform is here and loads.
// In a clone (`npm install PATH` links it and installs none of its dependencies) it also compiles the TypeScript.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, renameSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const require = createRequire(import.meta.url);

/** This platform's name in node/prebuilds, such as linux-x64 or linux-x64-musl. */
function platformName() {
  const glibc = process.report.getReport().header.glibcVersionRuntime;
  const libc = process.platform === "linux" && !glibc ? "-musl" : "";
  return `${process.platform}-${process.arch}${libc}`;
}

function loads(file) {
  if (!existsSync(file)) return false;
  try {
    require(file);
    return true;
  } catch (error) {
    console.error(`millrace: ${file} does not load here (${error.message}); building it instead`);
    return false;
  }
}

function run(program, args) {
  try {
    execFileSync(program, args, { cwd: root, stdio: "inherit" });
  } catch (error) {
    if (error.code === "ENOENT") {
      throw new Error(
        `${program} was not found. Building millrace needs CMake 3.22, a C++20 compiler, Python 3.10, Boost's ` +
          "headers and libsodium; on Debian: apt-get install cmake g++ python3 libboost-dev libsodium-dev",
      );
    }
    throw error;
  }
}

function resolves(name) {
  try {
    require.resolve(name);
    return true;
  } catch {
    return false;
  }
}

/** Dependencies of a clone: npm links a folder without installing what it needs. */
function installDependencies(names) {
  if (names.every(resolves) || !existsSync(join(root, "package-lock.json"))) return;
  // npm ci would obey the flags of the npm that called us (such as --omit=dev or --prefix), hence the clean environment.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(
      ([key]) =>
        !/^npm_config_(local_prefix|prefix|omit|production|global|include|install_links|ignore_scripts)$/i.test(
          key,
        ),
    ),
  );
  env.NODE_ENV = "development";
  execFileSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
    cwd: root,
    stdio: "inherit",
    env,
  });
}

function buildAddon() {
  const build = join(root, "build", `npm-${platformName()}`);
  run("cmake", ["-S", root, "-B", build, "-DCMAKE_BUILD_TYPE=Release", "-DMILLRACE_NODE=ON"]);
  const jobs = String(availableParallelism());
  run("cmake", ["--build", build, "--target", "millrace_node", "--parallel", jobs]);
  const target = join(root, "node", "native", "millrace.node");
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(join(build, "bindings", "node", "millrace.node"), `${target}.new`);
  renameSync(`${target}.new`, target); // at once: a running process may have the old one mapped
}

try {
  const inClone = existsSync(join(root, "node", "src"));
  if (!loads(join(root, "node", "prebuilds", platformName(), "millrace.node"))) {
    installDependencies(["node-addon-api", "node-api-headers"]);
    buildAddon();
  }
  if (inClone) {
    installDependencies(["typescript"]);
    run(process.execPath, [join(root, "tools", "build_ts.mjs")]);
  }
} catch (error) {
  console.error(`millrace: ${error.message}`);
  process.exit(1);
}
