// One measurement of one Node library, chosen by --lib and --mode; the code is the same for every library: a
// lib_*.mjs file gives openQueue() and what else it has. Prints one line of JSON.
import { options } from "./common.mjs";

const args = options();
const lib = await import(`./lib_${args.lib.replaceAll("-", "_")}.mjs`);

/** Only as many files are loaded as the mode needs: a worker's memory is measured, too. */
async function modeOf(name) {
  for (const file of ["working", "adding", "timing", "flows"]) {
    const { [name]: mode } = await import(`./modes_${file}.mjs`);
    if (mode) return mode;
  }
  throw new Error(`there is no mode ${name}`);
}

const mode = await modeOf(args.mode);
await mode(lib, args);
if (args.mode !== "worker") process.exit(0);
