// The outbox's statements for the user's own database, and the handles that run them.
import { show } from "./check.js";
import { invalidArgument } from "./errors.js";

/** A handle of better-sqlite3, node:sqlite or another library of that shape: calls return when they are done. */
export interface SqliteHandle {
  exec(sql: string): unknown;
  prepare(sql: string): {
    all(...parameters: (string | number | bigint)[]): unknown[];
    run(...parameters: (string | number | bigint)[]): unknown;
  };
  close?(): unknown;
}

/** A client of `pg`, or one of its pool. */
export interface PostgresClient {
  query(sql: string, parameters?: unknown[]): Promise<{ rows: unknown[] }>;
  end?(): Promise<unknown>;
  release?(): unknown;
}

export type OutboxDatabase = SqliteHandle | PostgresClient;

export function isSqlite(db: OutboxDatabase): db is SqliteHandle {
  return "prepare" in db && typeof db.prepare === "function";
}

export function checkDatabase(what: string, db: unknown): asserts db is OutboxDatabase {
  const handle = db as Partial<SqliteHandle & PostgresClient> | null | undefined;
  if (typeof handle?.prepare === "function" || typeof handle?.query === "function") return;
  throw invalidArgument(
    `${what} must be a client of pg, or a handle of better-sqlite3 or node:sqlite, not ${show(db)}`,
  );
}

export interface Statements {
  begin: string;
  create: string;
  insert: string; // id, added_at_ns, job
  unsent: string;
  sent: string;
  mark: string; // id
  refuse: string; // error, id
  remove: string; // id
}

export function statements(sqlite: boolean, table: string, batch: number): Statements {
  const [p1, p2, p3] = sqlite ? ["?", "?", "?"] : ["$1", "$2", "$3"];
  // The rows stay locked until they are marked, so that no other relay holds an old view of them.
  const lock = sqlite ? "" : " FOR UPDATE SKIP LOCKED";
  const rows = `SELECT id, job FROM ${table} WHERE state = `;
  const order = ` ORDER BY added_at_ns, id LIMIT ${batch}${lock}`;
  return {
    begin: sqlite ? "BEGIN IMMEDIATE" : "BEGIN",
    create:
      `CREATE TABLE IF NOT EXISTS ${table} (id VARCHAR(255) PRIMARY KEY, ` +
      "added_at_ns BIGINT NOT NULL, state VARCHAR(10) NOT NULL, job TEXT NOT NULL, error TEXT)",
    insert: `INSERT INTO ${table} (id, added_at_ns, job, state) VALUES (${p1}, ${p2}, ${p3}, 'new')`,
    unsent: `${rows}'new'${order}`,
    sent: `${rows}'sent'${order}`,
    mark: `UPDATE ${table} SET state = 'sent' WHERE id = ${p1}`,
    refuse: `UPDATE ${table} SET state = 'refused', error = ${p1} WHERE id = ${p2}`,
    remove: `DELETE FROM ${table} WHERE id = ${p1}`,
  };
}

/** Runs a statement: at once on SQLite, as a promise on PostgreSQL. */
export function run(
  db: OutboxDatabase,
  sql: string,
  parameters: (string | bigint)[] = [],
): unknown[] | Promise<unknown[]> {
  if (!isSqlite(db)) return db.query(sql, parameters).then(({ rows }) => rows);
  if (sql.startsWith("SELECT")) return db.prepare(sql).all(...parameters);
  if (parameters.length === 0) db.exec(sql);
  else db.prepare(sql).run(...parameters);
  return [];
}

export async function close(db: OutboxDatabase): Promise<void> {
  if (isSqlite(db)) db.close?.();
  else if (typeof db.release === "function") db.release();
  else await db.end?.();
}
