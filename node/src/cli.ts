#!/usr/bin/env node
// The command `millrace`. The same verbs and answers as the Python package's; what they say comes from the core.
import { main } from "./cli/main.js";

main(process.argv.slice(2)).then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
);
