"""The outbox over PostgreSQL: a server of the tests' own on the loopback interface, and psycopg."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from millrace import Millrace
from millrace.outbox import Outbox
from postgresql_server import Server, running

psycopg = pytest.importorskip("psycopg")

STEPS = ["begin", "enqueue", "mark", "commit mark", "release", "delete", "commit delete", "end"]


class Killed(BaseException):
    """As if the process had died."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as made:
        yield made


@pytest.fixture
def connect(server: Server) -> Iterator[Any]:
    def made() -> Any:
        return psycopg.connect(server.dsn)

    yield made
    with made() as connection:
        connection.execute("DROP TABLE IF EXISTS millrace_outbox, orders")


def order(app: Millrace, connect: Any, *items: str) -> list[str]:
    ids = []
    with connect() as connection:
        outbox = Outbox(app)
        connection.execute("CREATE TABLE IF NOT EXISTS orders (item TEXT)")
        outbox.create_table(connection)
        for item in items:
            connection.execute("INSERT INTO orders VALUES (%s)", (item,))
            ids.append(outbox.add(connection, app.tasks["ship"].s(item)).id)
    return ids


def items_of(app: Millrace) -> list[str]:
    jobs = app.engine.list_jobs("default", "ready", limit=1000)
    return [json.loads(job.spec.data)["item"] for job in jobs]


def left(connect: Any) -> int:
    with connect() as connection:
        return int(connection.execute("SELECT count(*) FROM millrace_outbox").fetchone()[0])


@pytest.fixture(autouse=True)
def ship(app: Millrace) -> None:
    @app.task(name="ship")
    def ship(item: str) -> str:
        return item


@pytest.mark.parametrize("step", STEPS)
def test_a_relay_that_dies_at_any_step_moves_each_row_once(
    app: Millrace, connect: Any, step: str
) -> None:
    ids = order(app, connect, "a", "b")
    connections: list[Any] = []

    def die(name: str) -> None:
        if name == step:
            connections[0].close()  # as the kernel would
            raise Killed

    def remembered() -> Any:
        connections.append(connect())
        return connections[0]

    with pytest.raises(Killed):
        Outbox(app, on_step=die).relay(remembered)
    first = len(items_of(app))
    app.purge()
    Outbox(app).relay(connect)
    assert first + len(items_of(app)) == 2
    assert left(connect) == 0
    assert all(app.dedup.holder(f"outbox/default/{each}") is None for each in ids)


def test_a_rolled_back_transaction_leaves_no_job(app: Millrace, connect: Any) -> None:
    order(app, connect)
    connection = connect()
    Outbox(app).add(connection, app.tasks["ship"].s("never"))
    connection.rollback()
    connection.close()
    assert Outbox(app).relay(connect) == 0


def test_relays_side_by_side_move_each_row_once(app: Millrace, connect: Any) -> None:
    expected = [f"{number:02}" for number in range(60)]
    order(app, connect, *expected)
    moved: list[int] = []

    def relay() -> None:
        moved.append(Outbox(app, batch=7).relay(connect))

    threads = [threading.Thread(target=relay) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    Outbox(app).relay(connect)  # one may have passed over what another one held, and ended
    assert sorted(items_of(app)) == expected
    assert left(connect) == 0
