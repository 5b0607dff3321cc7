// A handle of the shape of better-sqlite3's on a real SQLite database, for a Node that has none: Python's module in a
// process of its own, asked through two pipes that block.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { SqliteHandle } from "millrace";

const SERVER = `
import json, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
db.row_factory = sqlite3.Row
answers = open(sys.argv[3], "w")
for line in open(sys.argv[2]):
    sql, given = json.loads(line)
    parameters = [int(each["int"]) if isinstance(each, dict) else each for each in given]
    try:
        rows = [dict(row) for row in db.execute(sql, parameters).fetchall()]
        answers.write(json.dumps({"rows": rows}) + "\\n")
    except Exception as error:
        answers.write(json.dumps({"error": str(error)}) + "\\n")
    answers.flush()
`;

export class PipedSqlite implements SqliteHandle {
  readonly #folder = mkdtempSync(join(tmpdir(), "millrace-sqlite-"));
  readonly #child: ChildProcess;
  readonly #questions: number;
  readonly #answers: number;

  constructor(path: string) {
    const [questions, answers] = [join(this.#folder, "questions"), join(this.#folder, "answers")];
    execFileSync("mkfifo", [questions, answers]);
    this.#child = spawn("python3", ["-c", SERVER, path, questions, answers], { stdio: "inherit" });
    // In the order in which the other side opens them: each open waits for the other end.
    this.#answers = openSync(answers, "r");
    this.#questions = openSync(questions, "w");
  }

  exec(sql: string): void {
    this.#ask(sql, []);
  }

  prepare(sql: string): ReturnType<SqliteHandle["prepare"]> {
    const ask = (...parameters: (string | number | bigint)[]): unknown[] => {
      return this.#ask(sql, parameters);
    };
    return { all: ask, run: ask };
  }

  close(): void {
    closeSync(this.#questions);
    closeSync(this.#answers);
    this.#child.kill();
    rmSync(this.#folder, { recursive: true });
  }

  #ask(sql: string, parameters: (string | number | bigint)[]): unknown[] {
    const plain = parameters.map((each) => (typeof each === "bigint" ? { int: `${each}` } : each));
    writeSync(this.#questions, `${JSON.stringify([sql, plain])}\n`);
    let text = "";
    const chunk = Buffer.alloc(65_536);
    while (!text.endsWith("\n")) {
      const length = readSync(this.#answers, chunk);
      if (length === 0) throw new Error("the SQLite process has ended");
      text += chunk.toString("utf8", 0, length);
    }
    const { rows, error } = JSON.parse(text) as { rows?: unknown[]; error?: string };
    if (error !== undefined) throw new Error(error);
    return rows ?? [];
  }
}
