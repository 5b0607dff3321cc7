"""No statement of the core goes over a whole table, but for those that are named here with a reason."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import embed_sql
import pytest

SQL = Path(__file__).resolve().parents[2] / "core" / "sql"
# They look at everything: that is what they are for.
WHOLE = {"admin", "doctor", "repair"}
# As few rows as there are slots and processes.
FEW = {"active", "a", "processes", "sessions", "s"}
ALLOWED = {
    "counters.list_all_counters": {"task_counters"},  # every row is an answer
    "flows.list_dependents": {"d"},  # the rows of a subquery
    "limits.load_limits": {"limits"},  # every row is an answer, once for each change
    "limits.list_limits": {"l", "o"},  # the same
    "limits.queues_with_ready": {"q"},  # whom to wake when the store's limit opens
    "process.select_sessions": {"q"},  # a JSON array
    "read.list_queue_counts": {"q"},  # every row is an answer
    "read.list_queue_ids": {"queues"},  # every row is an answer
    "schedule.orphan_jobs": {"j"},  # for doctor
    "transaction.count_foreign_objects": {"sqlite_schema"},
    "transaction.find_object": {"sqlite_schema"},
}


def scanned(database: sqlite3.Connection, text: str) -> set[str]:
    """The tables, or their names in the statement, that it goes over."""
    count = max((int(n) for n in re.findall(r"\?(\d+)", text)), default=0)
    values = {
        str(n): None for n in range(1, count + 1)
    }  # a numbered parameter's name is its number
    plan = database.execute(f"EXPLAIN QUERY PLAN {text}", values)
    found = (re.match(r"SCAN (?!CONSTANT ROW|\(|\d)(\w+)", row[3]) for row in plan)
    return {match.group(1) for match in found if match}


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        yield connection


def test_statements_find_their_rows_by_an_index(database: sqlite3.Connection) -> None:
    for migration in embed_sql.read_migrations(SQL / "migrations"):
        database.executescript(migration.text)
    wrong: dict[str, set[str]] = {}
    looked_at = 0
    for path in sorted(SQL.glob("*.sql")):
        if path.stem in WHOLE:
            continue
        for statement in embed_sql.parse_statements(path.read_text(encoding="utf-8"), str(path)):
            name = f"{path.stem}.{statement.name}"
            looked_at += 1
            tables = scanned(database, statement.text) - FEW - ALLOWED.get(name, set())
            if tables:
                wrong[name] = tables
    assert wrong == {}
    assert looked_at > 200
    # The look itself can fail.
    old = "SELECT task FROM task_counters WHERE ?1 = 0 OR queue_id = ?1 ORDER BY queue_id, task"
    assert scanned(database, old) == {"task_counters"}
