"""Canvases of Python with tasks that only Node knows."""

from typing import Any

import pytest
from millrace import Millrace, Signature, chain, chord, group
from millrace.errors import ChordError
from node_side import NodeSide
from worker_support import PATIENCE_S, running, until


def in_node(app: Millrace, name: str, **data: Any) -> Signature[Any]:
    return app.signature(name, kwargs=data, queue="default")


def define_numbers(app: Millrace) -> Any:
    @app.task(name="plus", queue="numbers")
    def plus(n: int, by: int) -> int:
        return n + by

    return plus


def test_a_node_task_in_the_middle_of_a_chain(app: Millrace, node: NodeSide) -> None:
    plus = define_numbers(app)
    node.call("work", queue="default")
    with running(app, queues=["numbers"]):
        result = chain(plus.s(1, 1), in_node(app, "sumOfChildren", more=10), plus.s(100)).delay()
        assert result.get(PATIENCE_S) == 112
        assert result.parent.get(PATIENCE_S) == 12


def test_node_tasks_in_the_header_and_as_the_body_of_a_chord(app: Millrace, node: NodeSide) -> None:
    plus = define_numbers(app)
    node.call("work", queue="default")
    header = group(in_node(app, "add", x=1, y=2), plus.s(3, 4))
    with running(app, queues=["numbers"]):
        assert chord(header, in_node(app, "sumOfChildren")).delay().get(PATIENCE_S) == 10
        mixed = chord(header, in_node(app, "sumOfChildren")) | plus.s(5)
        assert mixed.delay().get(PATIENCE_S) == 15


def test_the_error_of_a_node_task_in_a_canvas(app: Millrace, node: NodeSide) -> None:
    plus = define_numbers(app)
    node.call("work", queue="default")
    bad = in_node(app, "raise", type="TypeError", message="wrong")
    seen: list[Any] = []

    @app.task(name="told", queue="numbers")
    def told(request: Any, error: Exception, trace: str) -> None:
        seen.append((request.task, request.kwargs, type(error), "wrong" in trace))

    with running(app, queues=["numbers"]):
        with pytest.raises(TypeError, match="wrong"):
            chain(bad, plus.s(1)).delay().get(PATIENCE_S)
        result = chord([bad.clone().on_error(told.s()), plus.s(1, 1)], plus.s(1)).delay()
        with pytest.raises(ChordError, match="wrong"):
            result.get(PATIENCE_S)
        until(lambda: seen)
    assert seen == [("raise", {"type": "TypeError", "message": "wrong"}, TypeError, True)]
    assert isinstance(result.result.__cause__, TypeError)
