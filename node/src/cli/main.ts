// Runs a verb and prints its answer. Exit status: 0 good news, 1 bad news, 2 wrong usage.
import { MillraceError } from "../errors.js";
import { native } from "../native.cjs";
import { openStore } from "../store.js";
import { type Parsed, parse, toArgs, usage } from "./args.js";
import { clean } from "./text.js";
import { type Answer, Declined, UsageError, type Verb } from "./verbs.js";

const GOOD = 0;
const BAD = 1;
const USAGE = 2;

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Says what went wrong: to programs where they look for the answer. */
function report(error: unknown, asJson: boolean): number {
  if (error instanceof UsageError) {
    console.error(`millrace: ${clean(error.message)}`);
    return USAGE;
  }
  if (error instanceof Declined) {
    console.error("nothing was changed");
    return BAD;
  }
  if (!(error instanceof MillraceError)) throw error;
  const { code, message } = error;
  if (asJson) print(JSON.stringify({ error: { code, message } }));
  else console.error(`millrace: ${code}: ${clean(message)}`);
  return code === "invalid_argument" ? USAGE : BAD;
}

async function runVerb(verb: Verb, parsed: Parsed): Promise<Answer> {
  const args = toArgs(parsed);
  const path = (parsed.values["store"] as string | undefined) ?? process.env["MILLRACE_STORE"];
  if (path === undefined || path === "")
    throw new UsageError("no store: pass --store or set MILLRACE_STORE");
  const store = await openStore(path, { create: false });
  try {
    return await verb(store, args);
  } finally {
    await store.close();
  }
}

/** The command line without the program's name; answers the exit status. */
export async function main(given: string[]): Promise<number> {
  // The reader has seen enough, as `head` does.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(BAD);
    throw error;
  });
  const [first] = given;
  if (first === "--version") {
    print(`millrace ${native.version} (SQLite ${native.sqliteVersion})`);
    return GOOD;
  }
  if (first === undefined || first === "--help" || first === "-h") {
    for (const line of usage()) print(line);
    return first === undefined ? USAGE : GOOD;
  }
  if (first === "bench-worker") {
    const { runBenchWorker } = await import("./bench-jobs.js");
    return runBenchWorker(given.slice(1));
  }
  let asJson = false;
  try {
    const parsed = parse(given);
    if (parsed.help) {
      for (const line of usage(parsed.name)) print(line);
      return GOOD;
    }
    asJson = parsed.values["json"] === true;
    if (parsed.command.run === undefined) {
      const { runBench } = await import("./bench.js");
      return await runBench(parsed);
    }
    const answer = await runVerb(parsed.command.run, parsed);
    print(asJson ? answer.json : answer.lines.join("\n"));
    return answer.good ? GOOD : BAD;
  } catch (error) {
    return report(error, asJson);
  }
}
