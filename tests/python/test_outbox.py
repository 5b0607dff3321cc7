"""The outbox: jobs that belong to a transaction of another database, moved exactly once whatever dies when."""

from __future__ import annotations

import datetime as dt
import json
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from millrace import Dedup, Millrace
from millrace.errors import InvalidArgument
from millrace.outbox import Outbox
from worker_support import until

STEPS = ["begin", "enqueue", "mark", "commit mark", "release", "delete", "commit delete", "end"]


class Killed(BaseException):
    """As if the process had died: nothing catches it."""


class NumericCursor(sqlite3.Cursor):
    """Takes a sequence for `:1`, as drivers of this style do, and as SQLite's own no longer does."""

    def execute(self, sql: str, parameters: Any = ()) -> NumericCursor:
        if ":1" in sql:
            parameters = {str(i): value for i, value in enumerate(parameters, start=1)}
        return super().execute(sql, parameters)


class Numeric(sqlite3.Connection):
    def cursor(self) -> NumericCursor:  # type: ignore[override]
        return super().cursor(NumericCursor)


class Other:
    """The user's own database, with an order and a job for it in one transaction."""

    def __init__(self, path: Path, app: Millrace, **outbox_options: Any) -> None:
        self.path = path
        numeric = outbox_options.get("paramstyle") == "numeric"
        self.factory = Numeric if numeric else sqlite3.Connection
        self.app = app
        self.outbox = Outbox(app, **outbox_options)
        with closing(self.connect()) as connection, connection:
            connection.execute("CREATE TABLE orders (item TEXT)")
            self.outbox.create_table(connection)
            self.outbox.create_table(connection)  # again: nothing happens

    def connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=30, factory=self.factory)

    def order(self, *items: str, fail: bool = False) -> list[str]:
        ship = self.app.tasks["ship"]
        connection = self.connect()
        ids = []
        for item in items:
            connection.execute("INSERT INTO orders VALUES (?)", (item,))
            ids.append(self.outbox.add(connection, ship.s(item)).id)
        connection.rollback() if fail else connection.commit()
        connection.close()
        return ids

    def rows(self) -> list[Any]:
        connection = self.connect()
        rows = connection.execute("SELECT state, job, error FROM millrace_outbox").fetchall()
        connection.close()
        return rows


def jobs_of(app: Millrace) -> list[str]:
    """What has been enqueued, in order."""
    jobs = app.engine.list_jobs("default", "ready", limit=1000)
    return [json.loads(job.spec.data)["item"] for job in jobs]


def keys_held(other: Other, ids: list[str]) -> list[str]:
    return [each for each in ids if other.app.dedup.holder(f"outbox/default/{each}") is not None]


@pytest.fixture
def other(app: Millrace, tmp_path: Path) -> Other:
    @app.task(name="ship")
    def ship(item: str) -> str:
        return item

    return Other(tmp_path / "other.db", app)


def test_rows_are_moved_in_their_order(app: Millrace, other: Other) -> None:
    ids = other.order("a", "b") + other.order("c")
    assert other.order("never", fail=True)
    assert jobs_of(app) == []
    assert other.outbox.relay(other.connect) == 3
    assert jobs_of(app) == ["a", "b", "c"]
    assert [app.AsyncResult(each).state for each in ids] == ["PENDING"] * 3
    assert other.rows() == []
    assert keys_held(other, ids) == []
    assert other.outbox.relay(other.connect) == 0


def test_many_rows_go_in_batches(app: Millrace, other: Other) -> None:
    other.outbox = Outbox(app, batch=3)
    other.order(*(str(number) for number in range(10)))
    assert other.outbox.relay(other.connect) == 10
    assert jobs_of(app) == [str(number) for number in range(10)]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("gone", [False, True], ids=["waiting", "gone"])
def test_a_relay_that_dies_at_any_step_moves_each_row_once(
    app: Millrace, other: Other, step: str, gone: bool
) -> None:
    ids = other.order("a", "b")
    reached = []

    def die(name: str) -> None:
        reached.append(name)
        if name == step:
            raise Killed

    with pytest.raises(Killed):
        Outbox(app, on_step=die).relay(other.connect)
    assert reached == STEPS[: STEPS.index(step) + 1]
    first = len(jobs_of(app))
    if gone:  # the jobs have been run and forgotten meanwhile
        app.purge()
    assert Outbox(app, batch=1).relay(other.connect) in (0, 2)
    assert first + len(jobs_of(app)) - (0 if gone else first) == 2
    assert other.rows() == []
    assert keys_held(other, ids) == []


def test_options_travel(app: Millrace, other: Other) -> None:
    ship = app.tasks["ship"]
    due = dt.datetime(2100, 1, 1, tzinfo=dt.timezone.utc)
    connection = other.connect()
    full = ship.prepare(["ü"], eta=due, priority=3, headers={"a": "b"}, group="g", lifo=True)
    result = other.outbox.add(connection, full)
    later = other.outbox.add(connection, ship.prepare(["x"], countdown=3600, expires=7200))
    own = other.outbox.add(connection, ship.prepare(["x"], task_id="mine"))
    connection.commit()
    connection.close()
    assert own.id == "mine"
    before_ms = app.engine.now_ms()
    other.outbox.relay(other.connect)
    info = result.details()
    assert json.loads(info.spec.data) == {"item": "ü"}
    assert (info.due_at_ms, info.spec.priority, info.spec.group) == (due.timestamp() * 1000, 3, "g")
    assert json.loads(info.spec.headers) == {"a": "b"}
    assert later.details().due_at_ms <= before_ms + 3_600_000
    assert own.details().state == "ready"


def test_what_the_outbox_cannot_keep_is_refused(app: Millrace, other: Other) -> None:
    ship = app.tasks["ship"]
    connection = other.connect()
    with pytest.raises(InvalidArgument, match="waits for other jobs"):
        other.outbox.add(connection, ship.prepare(["x"], after="some-id"))
    with pytest.raises(InvalidArgument, match="deduplication key"):
        other.outbox.add(connection, ship.prepare(["x"], dedup=Dedup("k")))
    with pytest.raises(TypeError, match=r"made by task\.s"):
        other.outbox.add(connection, "ship")  # type: ignore[arg-type]
    connection.close()
    for options, message in (
        ({"source": "a/b"}, "no slash"),
        ({"table": "a; b"}, "letters, digits"),
        ({"batch": 0}, "batch"),
        ({"batch": 20_000}, "batch is 20000; 1 to 10000"),
    ):
        with pytest.raises(InvalidArgument, match=message):
            Outbox(app, **options)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="interval must be above 0"):
        other.outbox.run(other.connect, interval=0)
    with pytest.raises(InvalidArgument, match="paramstyle 'x' is unknown"):
        Outbox(app, paramstyle="x").relay(other.connect)


def test_a_row_that_is_no_job_keeps_no_other_waiting(app: Millrace, other: Other) -> None:
    other.order("a")
    with closing(other.connect()) as connection, connection:
        insert = "INSERT INTO millrace_outbox (id, added_at_ns, state, job) VALUES (?, ?, 'new', ?)"
        connection.execute(insert, ("x", 1, "no JSON"))
        connection.execute(insert, ("y", 2, json.dumps({"queue": "q\n", "name": "n", "data": "1"})))
        connection.execute(insert, ("z", 3, "[]"))
    other.order("b")
    assert other.outbox.relay(other.connect) == 2
    assert jobs_of(app) == ["a", "b"]
    rows = other.rows()
    assert [row[0] for row in rows] == ["refused"] * 3
    assert "queue" in rows[1][2]


@pytest.mark.parametrize("style", ["qmark", "named", "numeric"])
def test_parameter_styles(app: Millrace, tmp_path: Path, style: str) -> None:
    @app.task(name="ship")
    def ship(item: str) -> str:
        return item

    other = Other(tmp_path / "styled.db", app, paramstyle=style)
    other.order("a")
    assert other.outbox.relay(other.connect) == 1


def test_a_connection_of_a_class_of_ones_own_is_of_its_driver(app: Millrace, other: Other) -> None:
    class Connection(sqlite3.Connection):
        pass

    other.factory = Connection
    other.order("a")
    assert other.outbox.relay(other.connect) == 1


def test_relays_side_by_side_move_each_row_once(app: Millrace, other: Other) -> None:
    other.order(*(str(number) for number in range(60)))
    moved: list[int] = []

    def relay() -> None:
        moved.append(Outbox(app, batch=7).relay(other.connect))

    threads = [threading.Thread(target=relay) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(moved) == 60
    assert sorted(jobs_of(app), key=int) == [str(number) for number in range(60)]
    assert other.rows() == []


def test_run_goes_on_after_an_error(app: Millrace, other: Other) -> None:
    other.order("a")
    stop = threading.Event()
    calls = []

    def connect() -> sqlite3.Connection:
        calls.append(1)
        if len(calls) == 1:
            raise sqlite3.OperationalError("away")
        if len(calls) == 3:
            stop.set()
        return other.connect()

    other.outbox.run(connect, interval=0.001, stop=stop)
    assert jobs_of(app) == ["a"]


RELAY = textwrap.dedent(
    """
    import sqlite3, sys
    from millrace import Millrace
    from millrace.outbox import Outbox

    app = Millrace("relay", store=sys.argv[1], durability="process")
    print("ready", flush=True)
    Outbox(app, batch=5).run(lambda: sqlite3.connect(sys.argv[2], timeout=30), interval=0.001)
    """
)


def test_relays_that_are_killed_move_each_row_once(app: Millrace, other: Other) -> None:
    expected: list[str] = []
    ids: list[str] = []
    for round_number in range(6):
        items = [f"{round_number}-{number}" for number in range(25)]
        expected += items
        ids += other.order(*items)
        before = app.counts().ready
        child = subprocess.Popen(
            [sys.executable, "-c", RELAY, app.store, str(other.path)], stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        until(lambda before=before: app.counts().ready > before)  # in the middle of its work
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    other.outbox.relay(other.connect)
    assert sorted(jobs_of(app)) == sorted(expected)
    assert other.rows() == []
    assert keys_held(other, ids) == []
