"""The tables of names: every claim has its test, and the documents show what the tables say."""

from __future__ import annotations

import json
from collections.abc import Iterator

import names as tables

from .tree import Finding, Tree


def check(tree: Tree) -> Iterator[Finding]:
    """Rows without a test that exists, and documents that are not what tools/names.py would write."""
    for table in tables.TABLES:
        source, document = tables.source(table), tables.document(table)
        if source not in tree.path_set:
            continue
        try:
            rows = tables.rows(tree.text(source))
        except ValueError as error:
            yield Finding(source, 1, str(error))
            continue
        for name, message in tables.problems(rows, lambda path: _text(tree, path)):
            yield Finding(source, _line(tree, source, name), message)
        try:
            text = _text(tree, document) or ""
            is_stale = tables.with_tables(text, rows) != text
        except ValueError as error:
            yield Finding(document, 1, str(error))
            continue
        if is_stale:
            yield Finding(document, 1, "the tables are stale: run tools/names.py --write")


def _text(tree: Tree, path: str) -> str | None:
    return tree.text(path) if path in tree.path_set else None


def _line(tree: Tree, source: str, name: str) -> int:
    key = json.dumps(name, ensure_ascii=False)
    for number, line in enumerate(tree.lines(source), start=1):
        if line.startswith(f"{key} ="):
            return number
    return 1
