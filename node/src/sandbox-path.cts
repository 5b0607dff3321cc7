// Where the program of a sandbox lies. Always the ES module: it loads processors of both module systems.
import { join } from "node:path";

export const childFile = join(__dirname, "..", "esm", "sandbox-child.js");
