"""Flows whose jobs run in both languages."""

from typing import Any

import pytest
from millrace import After, DependencyFailed, Millrace
from node_side import NodeError, NodeSide
from worker_support import PATIENCE_S, running


def define_numbers(app: Millrace) -> None:
    @app.task(name="square", queue="numbers")
    def square(n: int) -> int:
        if n < 0:
            raise ValueError(f"{n} is negative")
        return n * n


def test_children_in_python_and_the_parent_in_node(app: Millrace, node: NodeSide) -> None:
    define_numbers(app)
    node.call("work", queue="default")
    children: list[dict[str, Any]] = [
        {"name": "square", "queueName": "numbers", "data": {"n": n}, "opts": {"as": f"of {n}"}}
        for n in (2, 3)
    ]
    failing = {"name": "square", "queueName": "numbers", "data": {"n": -1}}
    failing["opts"] = {"as": "bad", "ignoreDependencyOnFailure": True}
    flow = {"name": "collect", "children": [*children, failing]}
    added = node.call("addFlow", queue="default", flow=flow)
    tree = node.call("tree", queue="default", id=added["id"])
    assert tree["state"] == "waiting-children"
    assert [child["id"] for child in tree["children"]] == added["children"]
    with running(app, queues=["numbers"]):
        assert node.result(added["id"]) == {
            "values": {"of 2": 4, "of 3": 9},
            "failed": {"bad": "-1 is negative"},
        }


def test_children_in_node_and_the_parent_in_python(app: Millrace, node: NodeSide) -> None:
    @app.task(name="total", queue="numbers", bind=True)
    def total(self: Any) -> dict[str, Any]:
        waited = self.dependencies()
        return {"sum": waited["left"].result + waited["right"].result, "all": waited.results()}

    node.call("work", queue="default")
    flow = app.flow()
    left = flow.add(app.signature("add", kwargs={"x": 1, "y": 2}), name="left")
    right = flow.add(app.signature("add", kwargs={"x": 3, "y": 4}), name="right")
    end = flow.add(total.s(), after=[left, right])
    with running(app, queues=["numbers"]):
        results = flow.enqueue()
        assert results[end].get(PATIENCE_S) == {"sum": 10, "all": [3, 7]}
    assert [
        each["state"] for each in node.call("tree", queue="numbers", id=results[end].id)["children"]
    ] == [
        "completed",
        "completed",
    ]


def test_a_failure_in_node_fails_what_waits_in_python(app: Millrace, node: NodeSide) -> None:
    @app.task(name="after", queue="numbers")
    def after() -> str:
        return "must not run"

    node.call("work", queue="default")
    flow = app.flow()
    bad = flow.add(app.signature("raise", kwargs={"type": "TypeError", "message": "wrong"}))
    end = flow.add(after.s(), after=After(bad, policy="fail"))
    with running(app, queues=["numbers"]), pytest.raises(DependencyFailed, match="wrong"):
        flow.enqueue()[end].get(PATIENCE_S)


def test_a_failure_in_python_fails_what_waits_in_node(app: Millrace, node: NodeSide) -> None:
    define_numbers(app)
    node.call("work", queue="default")
    child = {"name": "square", "queueName": "numbers", "data": {"n": -5}}
    child["opts"] = {"failParentOnFailure": True}
    added = node.call("addFlow", queue="default", flow={"name": "collect", "children": [child]})
    with running(app, queues=["numbers"]), pytest.raises(NodeError) as caught:
        node.result(added["id"])
    assert caught.value.body["type"] == "DependencyFailed"
    assert caught.value.body["data"]["error"]["type"] == "ValueError"


def test_a_node_job_waits_for_children_that_it_added_for_python(
    app: Millrace, node: NodeSide
) -> None:
    define_numbers(app)
    node.call("work", queue="default")
    with running(app, queues=["numbers"]):
        job = node.add("delegate", {"numbers": [2, 3]})
        assert node.result(job) == {"of 2": 4, "of 3": 9}
