// The verbs, their arguments and options, and the help that names them.
import { parseArgs } from "node:util";

import { type Args, UsageError, type Verb } from "./verbs.js";
import * as verbs from "./verbs.js";

interface Option {
  type: "string" | "boolean";
  help: string;
}

export interface Command {
  /** Undefined: it does not work on a store by a single call. */
  run: Verb | undefined;
  summary: string;
  /** Names of positional arguments; one that ends in "?" may be missing. */
  positional: readonly string[];
  options: Readonly<Record<string, Option>>;
}

const JSON_OPTION: Option = { type: "boolean", help: "answer with JSON" };
const COMMON = {
  store: { type: "string", help: "the store's file; default: MILLRACE_STORE" },
  json: JSON_OPTION,
} as const;
const WHERE: Option = { type: "string", help: "where it is, if several queues have this id" };
const YES = {
  yes: { type: "boolean", help: "do not ask" },
  force: { type: "boolean", help: "the same" },
} as const;
const SELECTION = {
  all: { type: "boolean", help: "all of them" },
  name: { type: "string", help: "all of this name" },
  queue: { type: "string", help: "all of this queue; with an id: where it is" },
  ...YES,
} as const;

function command(
  run: Verb,
  summary: string,
  positional: readonly string[] = [],
  options: Record<string, Option> = {},
): Command {
  return { run, summary, positional, options: { ...options, ...COMMON } };
}

export const COMMANDS: Readonly<Record<string, Command>> = {
  inspect: command(verbs.inspect, "show queues and workers, or one job", [], {
    job: { type: "string", help: "the id of a job to show in full" },
    queue: { type: "string", help: "only this queue; with --job: where it is" },
  }),
  "dead list": command(verbs.deadList, "list dead letters, the newest first", [], {
    queue: { type: "string", help: "only of this queue" },
    name: { type: "string", help: "only of this name" },
    limit: { type: "string", help: "at most so many; default 100" },
  }),
  "dead show": command(verbs.deadShow, "show a dead letter in full", ["id"], { queue: WHERE }),
  "dead retry": command(verbs.deadRetry, "run dead letters again", ["id?"], SELECTION),
  "dead remove": command(verbs.deadRemove, "delete dead letters", ["id?"], SELECTION),
  purge: command(verbs.purge, "delete the jobs that wait in a queue", ["queue"], {
    scheduled: { type: "boolean", help: "those with a later due time too" },
    ...YES,
  }),
  pause: command(verbs.pause, "start no job of a queue until it is resumed", ["queue"]),
  resume: command(verbs.resume, "start a paused queue's jobs again", ["queue"]),
  cancel: command(verbs.cancel, "cancel a waiting job, tell a running one", ["id"], {
    queue: WHERE,
    reason: { type: "string", help: "kept with the job" },
  }),
  doctor: command(verbs.doctor, "check file, locks and invariants; print versions", [], {
    repair: { type: "boolean", help: "mend what can be mended" },
  }),
  backup: command(verbs.backup, "write a consistent copy while in use", ["destination"]),
  bench: {
    run: undefined,
    summary: "measure this engine on this machine's disk",
    positional: [],
    options: {
      out: { type: "string", help: "write the JSON to this file too" },
      dir: { type: "string", help: "measure in this folder; default: the current one" },
      durability: {
        type: "string",
        help: "memory, process or power; default: process and power",
      },
      runs: { type: "string", help: "medians of so many; default 3" },
      jobs: { type: "string", help: "jobs a measurement; default 5000" },
      store: { type: "string", help: "measure in a folder beside this store; it is not opened" },
      json: JSON_OPTION,
    },
  },
};

export interface Parsed {
  name: string;
  command: Command;
  values: Readonly<Record<string, string | boolean | undefined>>;
  positionals: string[];
  help: boolean;
}

function findCommand(given: string[]): [name: string, rest: string[]] {
  const [first = "", second = ""] = given;
  if (first === "dead") return [`dead ${second}`, given.slice(2)];
  return [first, given.slice(1)];
}

function checkPositionals(name: string, found: Command, given: string[]): void {
  const least = found.positional.filter((each) => !each.endsWith("?")).length;
  if (given.length < least)
    throw new UsageError(`${name}: ${found.positional[0] ?? ""} is missing`);
  const extra = given[found.positional.length];
  if (extra !== undefined) throw new UsageError(`${name}: unexpected argument '${extra}'`);
}

/** Throws UsageError. */
export function parse(given: string[]): Parsed {
  const [name, rest] = findCommand(given);
  const found = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (found === undefined) {
    if (name === "worker") {
      throw new UsageError(
        "worker runs Python tasks; in Node make a Worker in a program of your own",
      );
    }
    const known = Object.keys(COMMANDS).join(", ");
    throw new UsageError(
      name === "" ? `no verb; known are ${known}` : `unknown verb '${name}'; known are ${known}`,
    );
  }
  let parsed;
  try {
    const options = { ...found.options, help: { type: "boolean", short: "h" } as const };
    parsed = parseArgs({ args: rest, options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(`${name}: ${(error as Error).message}`);
  }
  const values = parsed.values as Record<string, string | boolean | undefined>;
  const help = values["help"] === true;
  if (!help) {
    checkPositionals(name, found, parsed.positionals);
    for (const text of [...Object.entries(values), ...parsed.positionals.entries()]) {
      if (text[1] === "" && text[0] !== "reason") {
        const what =
          typeof text[0] === "number" ? (found.positional[text[0]] ?? "") : `--${text[0]}`;
        throw new UsageError(`${name}: ${what} must not be empty`);
      }
    }
  }
  return { name, command: found, values, positionals: parsed.positionals, help };
}

/** An option that is a whole number. */
export function wholeNumber(
  parsed: Parsed,
  option: string,
  least: number,
  most: number,
  other: number,
): number {
  const given = parsed.values[option];
  if (given === undefined) return other;
  const number = /^\d+$/.test(String(given)) ? Number(given) : NaN;
  if (!(number >= least && number <= most)) {
    const bound = `must be a whole number from ${least} to ${most}`;
    throw new UsageError(`${parsed.name}: --${option} ${bound}, not '${String(given)}'`);
  }
  return number;
}

/** What the verb is called with. */
export function toArgs(parsed: Parsed): Args {
  const { values, positionals } = parsed;
  const positional = (name: string): string | undefined => {
    const index = parsed.command.positional.findIndex((each) => each.replace("?", "") === name);
    return index < 0 ? undefined : positionals[index];
  };
  const text = (name: string): string | undefined => values[name] as string | undefined;
  return {
    id: positional("id"),
    queue: positional("queue") ?? text("queue") ?? "",
    name: text("name") ?? "",
    job: text("job"),
    reason: text("reason") ?? "",
    destination: positional("destination") ?? "",
    limit: wholeNumber(parsed, "limit", 1, 10_000, 100),
    all: values["all"] === true,
    scheduled: values["scheduled"] === true,
    repair: values["repair"] === true,
    yes: values["yes"] === true || values["force"] === true,
  };
}

/** How to call one verb, or all of them. */
export function usage(name?: string): string[] {
  const found = name === undefined ? undefined : COMMANDS[name];
  if (name === undefined || found === undefined) {
    const width = Math.max(...Object.keys(COMMANDS).map((each) => each.length));
    return [
      "usage: millrace VERB [options]",
      "",
      ...Object.entries(COMMANDS).map(([verb, each]) => `  ${verb.padEnd(width)}  ${each.summary}`),
      "",
      "Exit status: 0 good news, 1 bad news (not found, a fault, too late), 2 wrong usage.",
    ];
  }
  const places = found.positional.map((each) =>
    each.endsWith("?") ? `[${each.slice(0, -1)}]` : each,
  );
  const flags = Object.entries(found.options).map(
    ([option, { type, help }]) =>
      `  ${`--${option}${type === "string" ? ` ${option.toUpperCase()}` : ""}`.padEnd(24)}  ${help}`,
  );
  return [
    ["usage: millrace", name, ...places, "[options]"].join(" "),
    "",
    found.summary,
    "",
    ...flags,
  ];
}
