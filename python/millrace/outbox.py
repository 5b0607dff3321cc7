"""The outbox: jobs that belong to a transaction of another database, your own SQLite file or PostgreSQL.

A job that is enqueued beside a transaction of another database exists although the transaction failed, or is missing
although it was committed. So `outbox.add` writes it into a table of that database, in your transaction, and a relay
moves each row into the queue exactly once, whatever dies when.

    outbox = Outbox(app)
    with psycopg.connect(...) as connection:
        connection.execute(...)                                   # your own rows
        outbox.add(connection, ship.s("lamp"))                    # and a job, or neither
    outbox.run(lambda: psycopg.connect(...), interval=0.5)        # in one process or in several
"""

from __future__ import annotations

import base64
import json
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from millrace import _core, options
from millrace.errors import InvalidArgument, MillraceError
from millrace.log import logger
from millrace.outbox_sql import Statements
from millrace.prepared import as_prepared
from millrace.result import AsyncResult

if TYPE_CHECKING:
    from millrace.app import Millrace
    from millrace.options import Seconds
    from millrace.prepared import JobLike

R = TypeVar("R")

ROWS_MAX: Final = 10_000

# What of a job is kept in a row, beside its name, queue and data. Relative times become absolute.
_FIELDS = (
    *("headers", "due_at_ms", "expires_at_ms", "priority", "lifo", "max_crashes", "time_limit_ms"),
    *("soft_time_limit_ms", "keep_logs", "keep_completed", "keep_failed", "group", "delivery"),
    "sealing",
)
_RETRY = ("max_attempts", "backoff", "delay_ms", "max_ms", "jitter")


class Connection(Protocol):
    """What the outbox uses of a DB-API connection (PEP 249)."""

    def cursor(self) -> Any:
        """A new cursor."""

    def commit(self) -> Any:
        """Commits."""

    def rollback(self) -> Any:
        """Rolls back."""

    def close(self) -> Any:
        """Closes."""


Connect = Callable[[], Connection]


class Outbox:
    """Moves jobs from a table of your database into the store of `app`. Thread-safe.

    Args:
        app: Whose store the jobs go to.
        source: Names your database; two databases that feed one store need two names.
        table: Name of the table in your database.
        paramstyle: As the DB-API names it, if it cannot be found out from the connection's module.
        batch: Rows that are moved in one commit.
        on_step: For tests: called with a name before each step of the relay.
    """

    def __init__(
        self,
        app: Millrace,
        *,
        source: str = "default",
        table: str = "millrace_outbox",
        paramstyle: str | None = None,
        batch: int = 100,
        on_step: Callable[[str], None] | None = None,
    ) -> None:
        self.app = app
        self.source = options.check_text("source", source)
        if "/" in source or len(source.encode()) > 100:  # noqa: PLR2004
            raise InvalidArgument(
                f"source must have at most 100 bytes and no slash, not {source!r}"
            )
        if not table.isidentifier() or not table.isascii():
            raise InvalidArgument(f"table must be letters, digits and _, not {table!r}")
        self._table = table
        self._paramstyle = paramstyle
        self._batch = options.check_int("batch", batch, least=1)
        if batch > ROWS_MAX:
            raise InvalidArgument(f"batch is {batch}; 1 to {ROWS_MAX} is accepted")
        self._step = on_step or (lambda _: None)
        self._last_ns = 0
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Outbox {self.source} of {self.app!r}>"

    # --- In your transaction ----------------------------------------------------------------------

    def create_table(self, connection: Connection) -> None:
        """Creates the table if it is missing. Does not commit."""
        self._run(connection.cursor(), self._statements(connection).create)

    def add(self, connection: Connection, job: JobLike[R]) -> AsyncResult[R]:
        """Writes a job, made by `task.s(...)`, as part of the connection's transaction. Does not commit.

        Its id is final. It has no result before the relay has moved it.

        Raises:
            InvalidArgument: It waits for other jobs or has a deduplication key: the relay could not keep that.
        """
        job = as_prepared("job", job)
        spec = job.spec
        if spec.after or spec.parent is not None or spec.join != "run":
            raise InvalidArgument("job waits for other jobs; the outbox takes single ones")
        if spec.dedup.key:
            raise InvalidArgument("job has a deduplication key; the outbox needs its own")
        job_id = spec.id or self.app.engine.new_id()
        row = (job_id, self._next_ns(), _encode(spec, self.app.engine.now_ms()))
        self._run(connection.cursor(), self._statements(connection).insert, row)
        return AsyncResult(job_id, self.app, queue=spec.queue)

    # --- The relay --------------------------------------------------------------------------------

    def relay(self, connect: Connect) -> int:
        """Moves what is there into the queue; answers how many jobs. Any number of processes may do it at once.

        A row that is no job any more (a queue name that is too long, say) stays with its error in the column `error`
        and keeps no other waiting.

        Args:
            connect: Opens a connection of the relay's own, which is closed at the end.
        """
        connection = connect()
        try:
            moved = 0
            while True:
                count, more = self._pass(connection)
                moved += count
                if not more:
                    return moved
        finally:
            connection.close()

    def run(
        self, connect: Connect, *, interval: Seconds, stop: threading.Event | None = None
    ) -> None:
        """Relays again and again until `stop` is set. Your database cannot wake us: it is asked at each interval.

        A database that is away for a while is logged and asked again.
        """
        pause = options.to_ms("interval", interval) / 1000
        if pause <= 0:
            raise InvalidArgument("interval must be above 0")
        ended = stop or threading.Event()
        while not ended.is_set():
            try:
                self.relay(connect)
            except Exception as error:  # noqa: BLE001 - of any driver
                logger.error("The outbox %s could not be relayed: %s", self.source, error)
            ended.wait(pause)

    # Each row takes these steps, and a relay that dies between two of them leaves it to the next one:
    #   enqueued in the store under its key   (again: the key answers, nothing is written)
    #   marked as sent in the other database  (never enqueued again)
    #   its key released
    #   deleted in the other database
    # The rows stay locked from the first step to the second, so that no other relay holds an old view of them when the
    # key goes.
    def _pass(self, connection: Connection) -> tuple[int, bool]:
        statements = self._statements(connection)
        cursor = connection.cursor()
        self._step("begin")
        statements.start(connection, cursor)
        try:
            rows = self._rows(cursor, statements.unsent)
            sent = self._rows(cursor, statements.sent)
            self._step("enqueue")
            moved, refused = self._enqueue(rows)
            self._step("mark")
            for job_id, error in refused:
                self._run(cursor, statements.refuse, (error, job_id))
            for row in moved:
                self._run(cursor, statements.mark, (row[0],))
            self._step("commit mark")
            statements.finish(connection, cursor)
        except BaseException:
            with suppress(Exception):
                statements.give_up(connection, cursor)
            raise
        self._step("release")
        for job_id, job in [*sent, *moved]:
            self._release(job_id, job)
        self._step("delete")
        if sent or moved:
            statements.start(connection, cursor)
            for row in [*sent, *moved]:
                self._run(cursor, statements.delete, (row[0],))
            self._step("commit delete")
            statements.finish(connection, cursor)
        self._step("end")
        return len(moved), max(len(rows), len(sent)) == self._batch

    def _enqueue(
        self, rows: list[tuple[str, str]]
    ) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        specs, good, refused = [], [], []
        for job_id, job in rows:
            try:
                specs.append(self._spec(job_id, job))
                good.append((job_id, job))
            except (MillraceError, ValueError, TypeError, KeyError) as error:
                refused.append((job_id, f"{type(error).__name__}: {error}"))
        if not specs:
            return [], refused
        try:
            self.app.engine.enqueue(specs)
        except ValueError as error:  # one of them is refused: alone, each answers for itself
            if len(good) == 1:
                return [], [*refused, (good[0][0], f"{type(error).__name__}: {error}")]
            moved = []
            for row in good:
                one, wrong = self._enqueue([row])
                moved += one
                refused += wrong
            return moved, refused
        return good, refused

    def _spec(self, job_id: str, job: str) -> _core.JobSpec:
        key = _core.Deduplication(self._key(job_id), mode="throttle", ttl_ms=-1)
        return _decode(job).replace(id=job_id, dedup=key)

    def _key(self, job_id: str) -> str:
        return f"outbox/{self.source}/{job_id}"

    def _release(self, job_id: str, job: str) -> None:
        queue = json.loads(job)["queue"]
        self.app.engine.release_dedup(queue, self._key(job_id))

    # --- The other database -----------------------------------------------------------------------

    def _statements(self, connection: Connection) -> Statements:
        module = _driver(connection)
        style = self._paramstyle or getattr(sys.modules.get(module), "paramstyle", None)
        if style is None:
            raise InvalidArgument(
                f"the paramstyle of {module} is unknown: pass Outbox(..., paramstyle='format')"
            )
        return Statements.of(module, style, self._table, self._batch)

    def _rows(self, cursor: Any, sql: str) -> list[tuple[str, str]]:
        self._run(cursor, sql)
        return [(str(row[0]), str(row[1])) for row in cursor.fetchall()]

    def _run(self, cursor: Any, sql: str, parameters: tuple[Any, ...] = ()) -> None:
        if not parameters:
            cursor.execute(sql)
        elif ":p1" in sql:
            cursor.execute(sql, {f"p{i}": value for i, value in enumerate(parameters, start=1)})
        else:
            cursor.execute(sql, parameters)

    def _next_ns(self) -> int:
        with self._lock:
            self._last_ns = max(self._last_ns + 1, time.time_ns())
            return self._last_ns


def _driver(connection: Connection) -> str:
    """The DB-API module of a connection; of what it inherits from, if its class is the user's own."""
    modules = [each.__module__.partition(".")[0] for each in type(connection).__mro__]
    drivers = (name for name in modules if hasattr(sys.modules.get(name), "paramstyle"))
    return next(drivers, modules[0])


def _encode(spec: _core.JobSpec, now_ms: int) -> str:
    data = spec.data
    row: dict[str, Any] = {
        "queue": spec.queue,
        "name": spec.name,
        "content_type": spec.content_type,
        "data": data if isinstance(data, str) else base64.b64encode(data).decode(),
        "retry": {name: getattr(spec.retry, name) for name in _RETRY},
    }
    usual = _core.JobSpec(spec.queue, spec.name)
    for name in _FIELDS:
        value = getattr(spec, name)
        if value != getattr(usual, name):
            row[name] = value
    if spec.delay_ms:
        row["due_at_ms"] = now_ms + spec.delay_ms
    if spec.expires_in_ms:
        row["expires_at_ms"] = now_ms + spec.expires_in_ms
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def _decode(job: str) -> _core.JobSpec:
    row = json.loads(job)
    if not isinstance(row, dict):
        raise InvalidArgument("the row holds no JSON object")
    fields = {name: row[name] for name in _FIELDS if name in row}
    for name in ("keep_completed", "keep_failed"):
        if fields.get(name) is not None:
            fields[name] = tuple(fields[name])
    content_type = row.get("content_type", "json")
    data = row["data"] if content_type == "json" else base64.b64decode(row["data"])
    if "retry" in row:
        fields["retry"] = _core.RetryPolicy(**row["retry"])
    return _core.JobSpec(row["queue"], row["name"], data=data, content_type=content_type, **fields)
