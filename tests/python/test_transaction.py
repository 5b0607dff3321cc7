"""Transactions: jobs and the user's own tables in one commit."""

# ruff: noqa: PT012, SIM117 - what raises is a whole block

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from millrace import Millrace
from millrace.errors import (
    Closed,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Timeout,
    WrongState,
)
from millrace.testing import Harness

CREATE = "CREATE TABLE IF NOT EXISTS app_orders (id INTEGER PRIMARY KEY, item TEXT UNIQUE, n)"
INSERT = "INSERT INTO app_orders (item, n) VALUES (?, ?)"


@pytest.fixture
def shop(app: Millrace) -> Iterator[Millrace]:

    @app.task(name="ship")
    def ship(item: str) -> str:
        return item

    @app.task(name="ship_in")
    def ship_in(item: str, tx: str) -> str:
        return item + tx

    with Harness(app) as harness:
        app.run_all = harness.run_all  # type: ignore[attr-defined]
        with app.transaction() as tx:
            tx.execute(CREATE)
        yield app


def items(app: Millrace) -> list[Any]:
    with app.transaction() as tx:
        return [row[0] for row in tx.execute("SELECT item FROM app_orders ORDER BY id")]


def test_jobs_and_rows_are_committed_together(shop: Millrace) -> None:
    ship = shop.tasks["ship"]
    with shop.transaction() as tx:
        rows = tx.execute(INSERT, ["lamp", None])
        assert (rows.rowcount, rows.lastrowid) == (1, 1)
        delayed = ship.delay("lamp", tx=tx)
        applied = ship.apply_async(["lamp"], tx=tx)
        added = tx.enqueue(ship.s("lamp"))
        assert len(tx.enqueue_many([ship.s("lamp"), ship.s("lamp")])) == 2
        assert shop.counts().ready == 0
    assert items(shop) == ["lamp"]
    assert shop.counts().ready == 5
    assert len({delayed.id, applied.id, added.id}) == 3
    assert delayed.state == "PENDING"


def test_an_exception_rolls_back(shop: Millrace) -> None:
    with pytest.raises(ZeroDivisionError), shop.transaction() as tx:
        tx.execute(INSERT, ["lamp", 1])
        result = shop.tasks["ship"].delay("lamp", tx=tx)
        raise ZeroDivisionError
    assert items(shop) == []
    assert shop.counts().ready == 0
    with pytest.raises(NotFound):
        result.details()


def test_a_block_can_end_early(shop: Millrace) -> None:
    with shop.transaction() as tx:
        tx.execute(INSERT, ["lamp", 1])
        tx.rollback()
        with pytest.raises(Closed, match="has ended"):
            tx.execute("SELECT 1")
    assert items(shop) == []


def test_values_come_back_as_they_went(shop: Millrace) -> None:
    with shop.transaction() as tx:
        values = ["ü\0x", -(2**63), 2**63 - 1, 0.5, b"\xff\0", None, True]
        rows = tx.execute("SELECT ?, ?, ?, ?, ?, ?, ? AS last", values)
        assert rows.one() == ("ü\0x", -(2**63), 2**63 - 1, 0.5, b"\xff\0", None, 1)
        assert rows.columns[-1] == "last"
        assert tx.executemany(INSERT, [["a", 1], ["b", 2]]) == 2
        assert list(tx.execute("SELECT n FROM app_orders")) == [(1,), (2,)]
        with pytest.raises(InvalidArgument, match=r"parameters\[0\] does not fit into 64 bits"):
            tx.execute("SELECT ?", [2**63])
        with pytest.raises(TypeError, match=r"parameters\[0\] must be a str, int"):
            tx.execute("SELECT ?", [object()])  # type: ignore[list-item]
        with pytest.raises(TypeError, match="parameters must be a tuple or a list, not str"):
            tx.execute("SELECT ?", "a")


def test_a_failed_statement_leaves_the_transaction_usable(shop: Millrace) -> None:
    with shop.transaction() as tx:
        tx.execute(INSERT, ["lamp", 1])
        with pytest.raises(InvalidArgument, match="UNIQUE"):
            tx.execute(INSERT, ["lamp", 1])
        with pytest.raises(PermissionDenied, match="the table jobs"):
            tx.execute("DELETE FROM jobs")
    assert items(shop) == ["lamp"]


def test_what_would_wait_for_itself_is_refused(shop: Millrace) -> None:
    ship = shop.tasks["ship"]
    with shop.transaction() as tx:
        tx.execute(INSERT, ["lamp", 1])
        with pytest.raises(WrongState, match="use the transaction"):
            ship.delay("lamp")
        with pytest.raises(WrongState), shop.transaction():
            pass
    with pytest.raises(WrongState, match="used once"), tx:
        pass
    assert items(shop) == ["lamp"]


def test_other_threads_wait_their_turn(shop: Millrace) -> None:
    done = threading.Event()

    def other() -> None:
        shop.tasks["ship"].delay("other")
        done.set()

    with shop.transaction() as tx:
        tx.execute(INSERT, ["lamp", 1])
        thread = threading.Thread(target=other)
        thread.start()
        assert not done.is_set()
    thread.join()
    assert shop.counts().ready == 1


def test_a_transaction_is_bounded_in_time(shop: Millrace) -> None:
    with pytest.raises(Timeout), shop.transaction(timeout=0.03) as tx:
        tx.execute(INSERT, ["lamp", 1])
        tx.execute(
            "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
        )
    assert items(shop) == []
    with pytest.raises(InvalidArgument, match="timeout_ms is 61000"), shop.transaction(timeout=61):
        pass


def test_tx_is_checked(shop: Millrace, tmp_path: Path) -> None:
    ship = shop.tasks["ship"]
    with Millrace("b", store=tmp_path / "b.db") as other, other.transaction() as tx:
        with pytest.raises(InvalidArgument, match="transaction of"):
            ship.apply_async(["x"], tx=tx)
    with shop.transaction() as tx:
        with pytest.raises(InvalidArgument, match="durability"):
            ship.apply_async(["x"], tx=tx, durability="power")
        with pytest.raises(TypeError, match="tx must be from"):
            ship.apply_async(["x"], tx=1)  # type: ignore[arg-type]
    # A task may have an argument of that name.
    result = shop.tasks["ship_in"].delay("a", tx="b")
    shop.run_all()
    assert result.get(timeout=10) == "ab"


def test_flows_go_into_a_transaction(shop: Millrace) -> None:
    ship = shop.tasks["ship"]
    with shop.transaction() as tx:
        flow = shop.flow()
        flow.add(ship.s("a"))
        flow.add(ship.s("b"))
        tx.enqueue_flow(flow)
    assert shop.counts().ready == 2


def test_the_asynchronous_twin(shop: Millrace) -> None:
    ship = shop.tasks["ship"]

    async def main() -> None:
        async with shop.atransaction() as tx:
            assert (await tx.execute(INSERT, ["lamp", 1])).rowcount == 1
            assert await tx.executemany(INSERT, [["a", 1], ["b", 2]]) == 2
            await ship.aio.delay("lamp", tx=tx)
            await ship.aio.apply_async(["lamp"], tx=tx)
            await tx.enqueue(ship.s("lamp"))
            with pytest.raises(WrongState, match="give it the transaction"):
                await ship.aio.delay("lamp")
            with pytest.raises(WrongState):
                async with shop.atransaction():
                    pass
        with pytest.raises(ZeroDivisionError):
            async with shop.atransaction() as tx:
                await tx.execute(INSERT, ["never", 1])
                raise ZeroDivisionError
        async with shop.atransaction() as tx:
            await tx.execute(INSERT, ["never", 1])
            await tx.rollback()
        await ship.aio.delay("after")

    asyncio.run(main())
    assert items(shop) == ["lamp", "a", "b"]
    assert shop.counts().ready == 4


def test_many_asynchronous_ones_take_turns(shop: Millrace) -> None:
    async def one(number: int) -> None:
        async with shop.atransaction() as tx:
            await tx.execute(INSERT, [f"item {number}", number])
            await asyncio.sleep(0)
            await tx.enqueue(shop.tasks["ship"].s("x"))

    async def main() -> None:
        await asyncio.gather(*(one(number) for number in range(20)))

    asyncio.run(main())
    assert len(items(shop)) == 20
    assert shop.counts().ready == 20
