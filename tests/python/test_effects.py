"""A task's effects as one: `with self.transaction()`."""

# ruff: noqa: PT012 - what raises is a whole block

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from millrace import Millrace
from millrace.errors import NotFound
from millrace.testing import Harness


@pytest.fixture
def shop(app: Millrace) -> Iterator[Millrace]:

    @app.task(name="ship")
    def ship(item: str) -> str:
        return item

    with Harness(app) as harness:
        app.run_all = harness.run_all  # type: ignore[attr-defined]
        yield app


def test_effects_come_with_the_jobs_success(shop: Millrace) -> None:
    ids: list[str | None] = []

    @shop.task(bind=True)
    def order(self: Any, item: str, how: str) -> str:
        with self.transaction() as tx:
            ids.append(tx.enqueue(shop.tasks["ship"].s(item)).id)
            ids.append(shop.tasks["ship"].delay(item, tx=tx).id)
            tx.update_state(meta={"ordered": item})
            assert shop.counts().ready == 0
        if how == "fail":
            raise RuntimeError("no")
        if how == "discard":
            with pytest.raises(ZeroDivisionError), self.transaction() as tx:
                tx.enqueue(shop.tasks["ship"].s("never"))
                raise ZeroDivisionError
        return item

    failed = order.delay("lamp", "fail")
    shop.run_all()
    assert failed.state == "FAILURE"
    assert shop.counts().completed == 0
    done = order.delay("desk", "discard")
    shop.run_all()
    assert done.get(timeout=10) == "desk"
    assert shop.counts().completed == 3
    for job_id in ids[2:]:
        assert job_id is not None
        assert shop.AsyncResult(job_id).get(timeout=10) == "desk"
    with pytest.raises(NotFound):
        shop.AsyncResult(str(ids[0])).details()


def test_effects_left_open_or_nested_are_refused(shop: Millrace) -> None:
    @shop.task(bind=True)
    def unclosed(self: Any) -> None:
        self.transaction().__enter__().enqueue(shop.tasks["ship"].s("x"))

    @shop.task(bind=True)
    def nested(self: Any) -> None:
        with self.transaction(), self.transaction():
            pass

    results = [unclosed.delay(), nested.delay()]
    shop.run_all()
    for result, message in zip(results, ("left a transaction open", "inside another"), strict=True):
        with pytest.raises(Exception, match=message):
            result.get(timeout=10)
    with pytest.raises(RuntimeError, match="has no job"):
        nested()
    assert shop.counts().completed == 0


def test_effects_are_for_jobs_that_complete(shop: Millrace) -> None:
    @shop.task(bind=True)
    def replaced(self: Any) -> None:
        with self.transaction() as tx:
            tx.enqueue(shop.tasks["ship"].s("x"))
        raise self.replace(shop.tasks["ship"].s("y"))

    result = replaced.delay()
    shop.run_all()
    with pytest.raises(Exception, match="goes with the job's completion"):
        result.get(timeout=10)


def test_flows_go_with_the_jobs_success(shop: Millrace) -> None:
    ship = shop.tasks["ship"]

    @shop.task(bind=True)
    def order(self: Any) -> None:
        with self.transaction() as tx:
            tx.enqueue(ship.s("alone"))
            flow = shop.flow()
            first = flow.add(ship.s("a"))
            flow.add(ship.s("b"), after=first)
            tx.enqueue_flow(flow)
            tx.enqueue_flow(flow)

    order.delay()
    assert shop.run_all() == 6
    assert shop.counts().completed == 6
