"""The outbox's statements for the user's own database, in the parameter style of its driver."""

# ruff: noqa: S608 - the table's name is checked to be an identifier, all values are parameters

from __future__ import annotations

import dataclasses
import functools
from typing import Any

from millrace.errors import InvalidArgument

_MARKS = {"qmark": "?", "format": "%s", "pyformat": "%s", "numeric": ":{n}", "named": ":p{n}"}


@dataclasses.dataclass(frozen=True)
class Statements:
    """What the outbox says to one kind of database."""

    sqlite: bool
    create: str
    insert: str  # id, added_at_ns, job
    unsent: str
    sent: str
    mark: str  # id
    refuse: str  # error, id
    delete: str  # id

    # SQLite's drivers begin no transaction before they read, or begin one that may be refused when it writes; which of
    # their ways to commit has an effect depends on how the connection was opened. So SQL does it for them.

    def start(self, connection: Any, cursor: Any) -> None:
        """Begins a transaction in which nobody else changes the rows that are read."""
        if self.sqlite:
            if getattr(connection, "in_transaction", False):
                cursor.execute("COMMIT")
            cursor.execute("BEGIN IMMEDIATE")

    def finish(self, connection: Any, cursor: Any) -> None:
        """Commits it."""
        if self.sqlite:
            cursor.execute("COMMIT")
        else:
            connection.commit()

    def give_up(self, connection: Any, cursor: Any) -> None:
        """Rolls it back."""
        if self.sqlite:
            cursor.execute("ROLLBACK")
        else:
            connection.rollback()

    @staticmethod
    @functools.cache
    def of(module: str, paramstyle: str, table: str, batch: int) -> Statements:
        """The statements for connections of a DB-API module."""
        if paramstyle not in _MARKS:
            raise InvalidArgument(
                f"paramstyle {paramstyle!r} is unknown; accepted are {', '.join(sorted(_MARKS))}"
            )
        p1, p2, p3 = (_MARKS[paramstyle].format(n=n) for n in (1, 2, 3))
        sqlite = module in ("sqlite3", "pysqlite3", "apsw")
        lock = "" if sqlite else " FOR UPDATE SKIP LOCKED"
        rows = f"SELECT id, job FROM {table} WHERE state = "
        order = f" ORDER BY added_at_ns, id LIMIT {batch}{lock}"
        return Statements(
            sqlite=sqlite,
            create=f"CREATE TABLE IF NOT EXISTS {table} (id VARCHAR(255) PRIMARY KEY, "
            "added_at_ns BIGINT NOT NULL, state VARCHAR(10) NOT NULL, job TEXT NOT NULL, error TEXT)",
            insert=f"INSERT INTO {table} (id, added_at_ns, job, state) "
            f"VALUES ({p1}, {p2}, {p3}, 'new')",
            unsent=f"{rows}'new'{order}",
            sent=f"{rows}'sent'{order}",
            mark=f"UPDATE {table} SET state = 'sent' WHERE id = {p1}",
            refuse=f"UPDATE {table} SET state = 'refused', error = {p1} WHERE id = {p2}",
            delete=f"DELETE FROM {table} WHERE id = {p1}",
        )
