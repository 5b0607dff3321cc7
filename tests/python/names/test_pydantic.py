"""`@app.task(pydantic=True)`: arguments and results by the type hints."""

import datetime as dt
from typing import Any

import pytest
from millrace import Millrace
from millrace.errors import ImproperlyConfigured
from millrace.testing import Harness
from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator


class Line(BaseModel):
    article: str
    count: int = Field(ge=1)


class Order(BaseModel):
    id: int
    lines: list[Line] = []
    at: dt.datetime | None = None
    note: str = Field("", alias="Note")


class Receipt(BaseModel):
    order_id: int
    total: int


class Checked(BaseModel):
    value: int

    @field_validator("value")
    @classmethod
    def at_least(cls, value: int, info: ValidationInfo) -> int:
        if value < info.context["least"]:
            raise ValueError("too small")
        return value


@pytest.fixture
def app(tmp_path):
    with Millrace("shop", store=tmp_path / "jobs.db", durability="process") as made:
        yield made


def test_models_travel_as_plain_json_and_arrive_as_models(app):
    seen = []

    @app.task(pydantic=True)
    def ship(order: Order, *, times: int = 1) -> Receipt:
        seen.append((order, times))
        return Receipt(order_id=order.id, total=sum(each.count for each in order.lines))

    order = Order(id=1, lines=[Line(article="a", count=2)])
    with Harness(app) as harness:
        results = [ship.delay(order), ship.delay({"id": 2}, times="3")]
        spec = results[0].details().spec
        assert spec.data == (
            '{"order":{"id":1,"lines":[{"article":"a","count":2}],"at":null,"note":""}}'
        )
        harness.run_all()
        assert results[0].get() == {"order_id": 1, "total": 2}
        assert results[1].get() == {"order_id": 2, "total": 0}
        assert seen[0][0] == order
        assert (type(seen[1][0]), seen[1][1]) == (Order, 3)


def test_arguments_that_do_not_fit_fail_the_job(app):
    @app.task(pydantic=True, name="ship")
    def ship(order: Order): ...

    with Harness(app) as harness:
        result = ship.delay({"id": "no number"})
        harness.run_all()
        assert result.state == "FAILURE"
        assert "valid integer" in str(result.result)
    with pytest.raises(ValidationError):
        ship({"id": "no number"})


def test_a_result_that_does_not_fit_fails_the_job(app):
    @app.task(pydantic=True)
    def bad() -> Receipt:
        return {"order_id": 1}

    with Harness(app) as harness:
        result = bad.delay()
        harness.run_all()
        assert "total" in str(result.result)


def test_pydantic_strict_converts_nothing(app):
    @app.task(pydantic=True, pydantic_strict=True)
    def strict(n: int) -> int:
        return n

    assert strict(5) == 5
    with pytest.raises(ValidationError):
        strict("5")


def test_pydantic_context_reaches_validators(app):
    @app.task(pydantic=True, pydantic_context={"least": 10})
    def f(checked: Checked) -> int:
        return checked.value

    assert f({"value": 11}) == 11
    with pytest.raises(ValidationError, match="too small"):
        f({"value": 9})


def test_pydantic_dump_kwargs_say_how_models_are_dumped(app):
    @app.task(pydantic=True, pydantic_dump_kwargs={"by_alias": True, "exclude_none": True})
    def f(order: Order) -> Order:
        return order

    assert f({"id": 1, "Note": "x"}) == {"id": 1, "lines": [], "Note": "x"}
    assert '"Note":"y"' in f.delay(Order(id=1, Note="y")).details().spec.data


def test_bound_and_asynchronous_tasks_and_odd_hints(app):
    class Odd: ...

    @app.task(pydantic=True, bind=True)
    async def f(
        self, order: Order, odd: Odd | None = None, *rest: int, **more: Any
    ) -> list[Receipt]:
        return [Receipt(order_id=order.id, total=len(rest) + len(more))]

    assert f.apply(({"id": 3}, None, 1, 2), {"x": 1}).get() == [{"order_id": 3, "total": 3}]


def test_a_hint_that_cannot_be_resolved_is_told_when_the_task_is_made(app):
    with pytest.raises(ImproperlyConfigured, match="Nowhere"):

        @app.task(pydantic=True)
        def f(order: "Nowhere"): ...  # noqa: F821

    with pytest.raises(TypeError, match="pydantic"):
        app.task(pydantic=1)(lambda: None)
