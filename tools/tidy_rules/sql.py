"""SQL lives in core/sql, each statement with its contract; see tools/embed_sql.py."""

from __future__ import annotations

import re
from collections.abc import Iterator

import embed_sql

from .tree import Finding, Tree

STATEMENT = re.compile(
    r"""["'`(]\s*(?:SELECT\s.+\sFROM\s|INSERT\s+(?:OR\s+\w+\s+)?INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s"""
    r"""|CREATE\s+(?:UNIQUE\s+)?(?:TABLE|INDEX|TRIGGER|VIEW)\s|DROP\s+(?:TABLE|INDEX)\s|ALTER\s+TABLE\s|WITH\s+\w+.*\sAS\s*\()"""
)


# The outbox speaks to the user's own database, of which core/sql knows nothing.
OTHER_DATABASES = ("python/millrace/outbox_sql.py", "node/src/outbox-sql.ts")


def check_contracts(tree: Tree) -> Iterator[Finding]:
    """Names, contracts and lengths: what the build checks, reported here for all files at once."""
    for path in tree.under("core/sql/", suffixes=(".sql",)):
        if path.startswith("core/sql/migrations/"):
            continue
        try:
            embed_sql.parse_statements(tree.text(path), path)
        except embed_sql.SqlError as error:
            yield Finding(path, 1, str(error))


def check_placement(tree: Tree) -> Iterator[Finding]:
    """No statement in a string of the program; PRAGMA and BEGIN are the connection's business."""
    suffixes = (".h", ".cc", ".py", ".ts", ".cts")
    for path in tree.under(
        "core/src/", "core/include/", "bindings/", "python/", "node/src/", suffixes=suffixes
    ):
        if path in OTHER_DATABASES:
            continue
        for number, line in enumerate(tree.lines(path), start=1):
            asks_sqlite = path.startswith("core/src/store/") and "sqlite_schema" in line
            if STATEMENT.search(line) and not asks_sqlite:
                yield Finding(path, number, "SQL text belongs in core/sql/*.sql")
