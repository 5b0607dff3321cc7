#!/usr/bin/env python3
"""The names of Celery and BullMQ, what became of each here, and which test shows it.

tests/names/celery.toml and bullmq.toml have a line for each name, below the heading of its section:

    "Task.delay" = { grade = "A", status = "same", test = "tests/python/names/test_task.py::test_delay" }

grade   A: nearly every project uses it, B: common, C: rare
status  same | different (the note says how) | ignored (accepted, without effect) | absent (the note
        says why, and what to do instead) | todo (not yet)
test    "path::name", or a list of them. Python: a function, `test_x` or `TestX::test_y`. Node: the
        title of a test, or what stands before its colon. `[value]` at the end names a case of a
        parametrised test; it must stand in the file.
note    Markdown for the reader of the documentation

--write puts the tables into docs/celery.md and docs/bullmq.md. --fill celery changes rows from lines
of the standard input, `name TAB status TAB test TAB note`, and writes. `make tidy` runs the checks.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import tomllib  # type: ignore[import-not-found,unused-ignore]  # since 3.11, which .venv has

ROOT = Path(__file__).resolve().parent.parent
TABLES = ("celery", "bullmq")
GRADES = ("A", "B", "C")
STATUSES = {
    "same": "same",
    "different": "different",
    "ignored": "accepted, no effect",
    "absent": "not here",
    "todo": "not yet",
}
NEEDS_TEST = ("same", "different", "ignored")
NEEDS_NOTE = ("different", "absent")
BEGIN = "<!-- made by tools/names.py: begin -->"
END = "<!-- made by tools/names.py: end -->"

Read = Callable[[str], str | None]
"""The text of a file by its path from the root; None if there is none."""


@dataclass(frozen=True)
class Row:
    """One name."""

    section: str
    name: str
    grade: str
    status: str
    tests: tuple[str, ...]
    note: str


def source(table: str) -> str:
    return f"tests/names/{table}.toml"


def document(table: str) -> str:
    return f"docs/{table}.md"


def rows(text: str) -> list[Row]:
    """The rows of a table; raises ValueError for one with unknown keys or values."""
    found = []
    for section, names in tomllib.loads(text).items():
        for name, cell in names.items():
            unknown = set(cell) - {"grade", "status", "test", "note"}
            if unknown:
                raise ValueError(f"'{name}' has unknown keys: {', '.join(sorted(unknown))}")
            if cell.get("grade") not in GRADES or cell.get("status") not in STATUSES:
                raise ValueError(f"'{name}' has an unknown grade or status")
            tests = cell.get("test", [])
            tests = (tests,) if isinstance(tests, str) else tuple(tests)
            found.append(
                Row(section, name, cell["grade"], cell["status"], tests, cell.get("note", ""))
            )
    return found


# --- Checks -----------------------------------------------------------------------------------------


def problems(table: list[Row], read: Read) -> Iterator[tuple[str, str]]:
    """Name and message of every row that claims what no test shows."""
    known = cache(lambda path: test_names(path, read(path)))
    for row in table:
        if row.status in NEEDS_TEST and not row.tests:
            yield row.name, f"'{row.name}' is '{row.status}' and names no test"
        if row.status in NEEDS_NOTE and not row.note:
            yield row.name, f"'{row.name}' is '{row.status}' and has no note"
        for test in row.tests:
            path, _, name = test.partition("::")
            case = re.search(r"\[(.+)\]$", name)
            plain = name[: case.start()] if case else name
            if plain not in known(path):
                yield row.name, f"'{row.name}': there is no test '{test}'"
            elif case and not re.search(rf"(?<!\w){re.escape(case[1])}(?!\w)", read(path) or ""):
                yield row.name, f"'{row.name}': '{path}' has no case '{case[1]}'"


def test_names(path: str, text: str | None) -> set[str]:
    """What a row may call the tests of a file."""
    if text is None:
        return set()
    return python_tests(text) if path.endswith(".py") else node_tests(text)


def python_tests(text: str) -> set[str]:
    found: set[str] = set()
    for node in ast.parse(text).body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        for each in inside:
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
                found.add(prefix + each.name)
    return {name for name in found if name.rpartition("::")[2].startswith("test")}


def node_tests(text: str) -> set[str]:
    titles = re.findall(r"""\b(?:test|it)\(\s*(["'`])((?:(?!\1).)+)\1""", text)
    return {title for _, title in titles} | {title.split(":")[0] for _, title in titles}


# --- The documents ----------------------------------------------------------------------------------


def rendered(table: list[Row]) -> str:
    """The part of the document that is made of the rows."""
    lines = [BEGIN, ""]
    for section in dict.fromkeys(row.section for row in table):
        here = [row for row in table if row.section == section]
        missing = sum(row.status == "todo" for row in here)
        lines += [f"### {section}", ""]
        if missing:
            lines += [f"Not yet here: {missing} of {len(here)}.", ""]
        lines += ["| name | here | remarks | shown by |", "|---|---|---|---|"]
        lines += [_line(row) for row in here]
        lines.append("")
    return "\n".join([*lines, END])


def _line(row: Row) -> str:
    cells = [f"`{row.name}`", STATUSES[row.status], row.note, _links(row.tests)]
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _links(tests: tuple[str, ...]) -> str:
    paths = dict.fromkeys(test.partition("::")[0] for test in tests)
    return ", ".join(f"[{Path(path).name.split('.')[0]}](../{path})" for path in paths)


def with_tables(text: str, table: list[Row]) -> str:
    """The document with the tables as they should be; raises ValueError if it has no place for them."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"no lines '{BEGIN}' and '{END}'")
    return before + rendered(table) + after


# --- The command line -------------------------------------------------------------------------------


def filled(text: str, changes: dict[str, tuple[str, str, str]]) -> str:
    """A table's text with other status, test and note for some names."""
    lines = text.splitlines(keepends=True)
    left = dict(changes)
    for index, line in enumerate(lines):
        match = re.match(r'("(?:[^"\\]|\\.)*") = \{ grade = "(\w)"', line)
        if not match or json.loads(match[1]) not in left:
            continue
        status, test, note = left.pop(json.loads(match[1]))
        cell = f'grade = "{match[2]}", status = "{status}"'
        tests = test.split()
        if tests:
            cell += f", test = {json.dumps(tests if len(tests) > 1 else tests[0])}"
        if note:
            cell += f", note = {json.dumps(note, ensure_ascii=False)}"
        lines[index] = f"{match[1]} = {{ {cell} }}\n"
    if left:
        raise SystemExit(f"no such names: {', '.join(left)}")
    return "".join(lines)


def _changes(lines: Iterator[str]) -> dict[str, tuple[str, str, str]]:
    changes = {}
    for line in lines:
        if line.strip():
            name, status, test, note = (*line.rstrip("\n").split("\t"), "", "", "")[:4]
            changes[name] = (status, test.strip(), note.strip())
    return changes


def _read(path: str) -> str | None:
    file = ROOT / path
    return file.read_text(encoding="utf-8") if file.is_file() else None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the tables into docs")
    parser.add_argument("--fill", choices=TABLES, help="change rows from the standard input")
    parser.add_argument("--todo", choices=TABLES, help="print the names that are not yet here")
    options = parser.parse_args(arguments)
    if options.fill:
        path = ROOT / source(options.fill)
        path.write_text(filled(path.read_text(encoding="utf-8"), _changes(iter(sys.stdin))))
    failed = False
    for name in TABLES:
        table = rows((ROOT / source(name)).read_text(encoding="utf-8"))
        for _, message in problems(table, _read):
            print(f"{source(name)}: {message}")
            failed = True
        if options.write or options.fill:
            path = ROOT / document(name)
            path.write_text(with_tables(path.read_text(encoding="utf-8"), table))
        if options.todo == name:
            print("\n".join(f"{row.section}: {row.name}" for row in table if row.status == "todo"))
        counts = Counter(row.status for row in table)
        print(f"{name}: {len(table)} names;", ", ".join(f"{counts[s]} {s}" for s in STATUSES))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
