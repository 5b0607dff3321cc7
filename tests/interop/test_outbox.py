"""The outbox of both languages on one PostgreSQL table: rows of one are moved by relays of the other."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from millrace import Millrace
from millrace.outbox import Outbox
from postgresql_server import Server, running

psycopg = pytest.importorskip("psycopg")

SCRIPT = Path(__file__).parent / "outbox-side.mjs"
STEPS = ["begin", "enqueue", "mark", "commit mark", "release", "delete", "commit delete", "end"]
NODE_STEPS = STEPS[:-1]


class Killed(BaseException):
    """As if the process had died."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as made:
        yield made


class Shop:
    """An application with an outbox in a database that it shares with Node processes."""

    def __init__(self, app: Millrace, server: Server) -> None:
        self.app = app
        self.server = server

        @app.task(name="ship")
        def ship(item: str) -> str:
            return item

        self.ship = ship

    def connect(self) -> Any:
        return psycopg.connect(self.server.dsn)

    def start_node(self, what: str, **given: Any) -> subprocess.Popen[str]:
        command = json.dumps({"do": what, **given})
        return subprocess.Popen(
            ["node", str(SCRIPT), str(self.app.store), self.server.url, command],
            stdout=subprocess.PIPE,
            text=True,
        )

    def node(self, what: str, **given: Any) -> Any:
        process = self.start_node(what, **given)
        answer, _ = process.communicate()
        assert process.returncode == 0
        return json.loads(answer)

    def add(self, *items: str) -> list[str]:
        with self.connect() as connection:
            outbox = Outbox(self.app)
            outbox.create_table(connection)
            return [outbox.add(connection, self.ship.s(item)).id for item in items]

    def add_in_node(self, *items: str) -> list[str]:
        ids: list[str] = self.node("add", jobs=[{"data": {"item": item}} for item in items])
        return ids

    def items(self) -> list[str]:
        jobs = self.app.engine.list_jobs("default", "ready", limit=1000)
        return [json.loads(job.spec.data)["item"] for job in jobs]

    def left(self) -> int:
        with self.connect() as connection:
            count = connection.execute("SELECT count(*) FROM millrace_outbox").fetchone()
        return int(count[0])


@pytest.fixture
def shop(app: Millrace, server: Server) -> Iterator[Shop]:
    made = Shop(app, server)
    yield made
    with made.connect() as connection:
        connection.execute("DROP TABLE IF EXISTS millrace_outbox, orders")


def test_node_moves_rows_in_their_order_by_pg(shop: Shop) -> None:
    ids = shop.add_in_node("a", "b") + shop.add_in_node("c")
    shop.node("add", jobs=[{"data": {"item": "never"}}], rollback=True)
    assert shop.items() == []
    assert shop.node("relay", pool=True) == 3
    assert shop.items() == ["a", "b", "c"]
    assert [shop.app.engine.get_job(each).state for each in ids] == ["ready"] * 3
    assert shop.left() == 0
    assert shop.node("relay") == 0
    with shop.connect() as connection:
        rows = connection.execute("SELECT item FROM orders ORDER BY item").fetchall()
    assert rows == [("a",), ("b",), ("c",)]


def test_rows_of_one_language_are_moved_by_the_other(shop: Shop) -> None:
    """With their options, in the order in which they were added."""
    opts = {
        "attempts": 3,
        "backoff": {"type": "exponential", "delay": 100},
        "priority": 7,
        "headers": {"trace": "t"},
        "group": {"id": "g"},
    }
    (of_node,) = shop.node("add", jobs=[{"data": {"item": "n"}, "opts": opts}])
    with shop.connect() as connection:
        job = shop.ship.prepare(["p"], priority=7, headers={"trace": "t"}, group="g")
        of_python = Outbox(shop.app).add(connection, job).id
    assert shop.node("relay", batch=1) == 2
    (again,) = shop.node("add", jobs=[{"data": {"item": "n"}, "opts": opts}])
    assert Outbox(shop.app).relay(shop.connect) == 1
    specs = [shop.app.engine.get_job(each).spec for each in (of_node, of_python, again)]
    assert [json.loads(spec.data) for spec in specs] == [{"item": each} for each in "npn"]
    for spec in specs:
        assert (spec.priority, spec.group) == (7, "g")
        assert json.loads(spec.headers) == {"trace": "t"}
    assert specs[0].retry.max_attempts == specs[2].retry.max_attempts == 3
    assert specs[0].retry.backoff == specs[2].retry.backoff == "exponential"
    assert shop.left() == 0


@pytest.mark.parametrize("step", NODE_STEPS)
def test_what_a_killed_node_relay_leaves_is_moved_once(shop: Shop, step: str) -> None:
    ids = [*shop.add_in_node("a"), *shop.add("b")]
    killed = shop.start_node("relay", dieAt=step)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    first = shop.items()
    shop.app.purge()
    Outbox(shop.app).relay(shop.connect)
    assert sorted(first + shop.items()) == ["a", "b"]
    assert shop.left() == 0
    assert all(shop.app.dedup.holder(f"outbox/default/{each}") is None for each in ids)


@pytest.mark.parametrize("step", ["mark", "commit mark", "release", "commit delete"])
def test_what_a_killed_python_relay_leaves_is_moved_once(shop: Shop, step: str) -> None:
    ids = [*shop.add_in_node("a"), *shop.add("b")]
    connections: list[Any] = []

    def die(name: str) -> None:
        if name == step:
            connections[0].close()  # as the kernel would
            raise Killed

    def remembered() -> Any:
        connections.append(shop.connect())
        return connections[0]

    with pytest.raises(Killed):
        Outbox(shop.app, on_step=die).relay(remembered)
    first = shop.items()
    shop.app.purge()
    shop.node("relay")
    assert sorted(first + shop.items()) == ["a", "b"]
    assert shop.left() == 0
    assert all(shop.app.dedup.holder(f"outbox/default/{each}") is None for each in ids)


def test_relays_of_both_languages_side_by_side_move_each_row_once(shop: Shop) -> None:
    expected = [f"{number:02}" for number in range(60)]
    shop.add_in_node(*expected[:30])
    shop.add(*expected[30:])
    relays = [shop.start_node("relay", batch=7) for _ in range(2)]
    threads = [
        threading.Thread(target=lambda: Outbox(shop.app, batch=5).relay(shop.connect))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for relay in relays:
        relay.communicate()
        assert relay.returncode == 0
    Outbox(shop.app).relay(shop.connect)  # one may have passed over what another one held
    assert sorted(shop.items()) == expected
    assert shop.left() == 0
