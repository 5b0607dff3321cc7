#!/usr/bin/env python3
"""Turns core/sql into C++: named statements become constants, migrations entries of kMigrations.

A file core/sql/jobs.sql holds statements in this form; each becomes a constant, this one
`millrace::sql::jobs::kInsertJob`:

    -- name: insert_job
    -- Inserts a job's body. in: ...; out: none; changes: jobs; index: rowid
    INSERT INTO jobs (...) VALUES (...);

The comment under the name is the statement's contract and must say `in:`, and `out:` or
`changes:` (or both), with `index:` where one is used. The build fails on a statement without name
or contract, on a name used twice in a file, and on a statement of more than 40 lines. Files
core/sql/migrations/NNNN_name.sql are whole scripts, numbered from 0001 without gaps.

Only the standard library, because it runs inside users' builds.
"""

from __future__ import annotations

import argparse
import re
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path

MAX_STATEMENT_LINES = 40
CONTRACT_WORDS = ("in:",)  # always; and at least one of:
CONTRACT_EFFECTS = ("out:", "changes:")
NAME_LINE = re.compile(r"^-- name:\s*(?P<name>\S*)\s*$")
SNAKE_CASE = re.compile(r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$")
MIGRATION_FILE = re.compile(r"^(?P<version>\d{4})_(?P<name>[a-z0-9_]+)\.sql$")
RAW_STRING_END = ')sql"'


class SqlError(Exception):
    """A rule of core/sql is broken; the message starts with file:line."""


@dataclass(frozen=True)
class Statement:
    """One named statement: its name, where it starts, its contract comment and its text."""

    name: str
    line: int
    contract: str
    text: str


@dataclass(frozen=True)
class Migration:
    """One migration script."""

    version: int
    name: str
    text: str


def parse_statements(source: str, path: str) -> list[Statement]:
    """Splits a file into its named statements; raises SqlError at the first broken rule."""
    blocks: list[tuple[str, int, list[str]]] = []
    for number, line in enumerate(source.splitlines(), start=1):
        match = NAME_LINE.match(line)
        if match:
            blocks.append((match["name"], number, []))
        elif blocks:
            blocks[-1][2].append(line)
        elif line.strip() and not line.lstrip().startswith("--"):
            raise SqlError(f"{path}:{number}: statement without a '-- name:' line above it")
    statements = [_parse_block(name, number, lines, path) for name, number, lines in blocks]
    seen: dict[str, int] = {}
    for statement in statements:
        if statement.name in seen:
            first = seen[statement.name]
            raise SqlError(
                f"{path}:{statement.line}: name '{statement.name}' is already used in line {first}"
            )
        seen[statement.name] = statement.line
    return statements


def _parse_block(name: str, number: int, lines: list[str], path: str) -> Statement:
    where = f"{path}:{number}"
    if not SNAKE_CASE.match(name):
        raise SqlError(f"{where}: name '{name}' is not in lower_snake_case")
    comments = 0
    while comments < len(lines) and lines[comments].startswith("--"):
        comments += 1
    contract = " ".join(line[2:].strip() for line in lines[:comments])
    missing = [word for word in CONTRACT_WORDS if word not in contract]
    if not any(word in contract for word in CONTRACT_EFFECTS):
        missing.append(" or ".join(CONTRACT_EFFECTS))
    if missing:
        raise SqlError(f"{where}: the contract comment of '{name}' lacks {', '.join(missing)}")
    body = lines[comments:]
    while body and (not body[-1].strip() or body[-1].startswith("--")):
        body.pop()  # blank lines, and comments that introduce the next section
    while body and not body[0].strip():
        body.pop(0)
    if not body:
        raise SqlError(f"{where}: '{name}' has no statement")
    if len(body) > MAX_STATEMENT_LINES:
        raise SqlError(
            f"{where}: '{name}' has {len(body)} lines; at most {MAX_STATEMENT_LINES} are allowed"
        )
    text = "\n".join(body)
    _check_single_statement(text, name, where)
    return Statement(name, number, contract, text)


def _check_single_statement(text: str, name: str, where: str) -> None:
    if not sqlite3.complete_statement(text):
        raise SqlError(f"{where}: '{name}' does not end with ';'")
    for index, character in enumerate(text):
        if (
            character == ";"
            and sqlite3.complete_statement(text[: index + 1])
            and text[index + 1 :].strip()
        ):
            raise SqlError(f"{where}: '{name}' holds more than one statement")
    if RAW_STRING_END in text:
        raise SqlError(f"{where}: '{name}' contains {RAW_STRING_END}, which cannot be embedded")


def read_migrations(folder: Path) -> list[Migration]:
    """Reads the migration scripts in order; raises SqlError on a bad name or a gap."""
    migrations: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        match = MIGRATION_FILE.match(path.name)
        if not match:
            raise SqlError(f"{path}:1: a migration is called NNNN_name.sql, in lower case")
        expected = len(migrations) + 1
        if int(match["version"]) != expected:
            raise SqlError(
                f"{path}:1: expected migration {expected:04d}; "
                "numbers start at 0001 and have no gaps"
            )
        text = path.read_text(encoding="utf-8")
        if RAW_STRING_END in text:
            raise SqlError(f"{path}:1: contains {RAW_STRING_END}, which cannot be embedded")
        migrations.append(Migration(expected, match["name"], text))
    return migrations


def constant_name(name: str) -> str:
    """insert_job -> kInsertJob."""
    return "k" + "".join(part.capitalize() for part in name.split("_"))


def render_header(files: dict[str, list[Statement]], migrations: list[Migration]) -> str:
    """The text of sql_statements.h."""
    out = [
        "// Generated from core/sql by tools/embed_sql.py. Do not edit.",
        "#ifndef MILLRACE_SQL_STATEMENTS_H_",
        "#define MILLRACE_SQL_STATEMENTS_H_",
        "",
        "#include <array>",
        "",
        "namespace millrace::sql {",
        "",
        "// One step of the schema: brings `user_version` from version - 1 to version.",
        "struct Migration {",
        "  int version;",
        "  const char* name;",
        "  const char* text;",
        "};",
        "",
        f"extern const std::array<Migration, {len(migrations)}> kMigrations;",
    ]
    for namespace, statements in files.items():
        out += ["", f"namespace {namespace} {{"]
        for statement in statements:
            out += ["", f"// {statement.contract}"]
            constant = constant_name(statement.name)
            out.append(f'inline constexpr const char* {constant} = R"sql({statement.text})sql";')
        out += ["", f"}}  // namespace {namespace}"]
    out += ["", "}  // namespace millrace::sql", "", "#endif  // MILLRACE_SQL_STATEMENTS_H_", ""]
    return "\n".join(out)


def render_source(migrations: list[Migration]) -> str:
    """The text of sql_statements.cc."""
    out = [
        "// Generated from core/sql by tools/embed_sql.py. Do not edit.",
        '#include "sql_statements.h"',
        "",
        "namespace millrace::sql {",
        "",
        f"const std::array<Migration, {len(migrations)}> kMigrations = {{{{",
    ]
    for migration in migrations:
        out.append(f'    {{{migration.version}, "{migration.name}", R"sql({migration.text})sql"}},')
    out += ["}};", "", "}  // namespace millrace::sql", ""]
    return "\n".join(out)


def write_if_changed(path: Path, text: str) -> None:
    """Keeps the old time stamp when nothing changed, so that nothing is recompiled."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sql", type=Path, required=True, help="the folder core/sql")
    parser.add_argument(
        "--out", type=Path, help="where sql_statements.h and .cc go; without it, only check"
    )
    options = parser.parse_args(arguments)
    try:
        files = {
            path.stem: parse_statements(path.read_text(encoding="utf-8"), str(path))
            for path in sorted(options.sql.glob("*.sql"))
        }
        for stem in files:
            if not SNAKE_CASE.match(stem):
                raise SqlError(
                    f"{options.sql / stem}.sql:1: a statement file is called lower_snake_case.sql"
                )
        migrations = read_migrations(options.sql / "migrations")
    except SqlError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        write_if_changed(options.out / "sql_statements.h", render_header(files, migrations))
        write_if_changed(options.out / "sql_statements.cc", render_source(migrations))
    return 0


if __name__ == "__main__":
    sys.exit(main())
