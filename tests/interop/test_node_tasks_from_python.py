"""Tasks in Node, enqueued, awaited and followed from Python."""

import asyncio
from typing import Any

import pytest
from millrace import Millrace, RemoteError, TaskRevokedError
from millrace.events import event_data
from node_side import NodeSide
from worker_support import PATIENCE_S, until


@pytest.fixture
def node(node: NodeSide) -> NodeSide:
    node.call("work", queue="default")
    return node


def test_keyword_arguments_are_the_data(app: Millrace, node: NodeSide) -> None:
    assert app.send_task("add", kwargs={"x": 1, "y": 2}).get(PATIENCE_S) == 3
    assert app.send_task("echo").get(PATIENCE_S) == {}
    assert app.send_task("echo", (1, "ü"), {"k": None}).get(PATIENCE_S) == {
        "$args": [1, "ü"],
        "$kwargs": {"k": None},
    }


def test_a_declared_task_binds_its_arguments(app: Millrace, node: NodeSide) -> None:
    @app.task(name="add")
    def add(x: int, y: int) -> int:
        raise NotImplementedError

    assert add.delay(2, 40).get(PATIENCE_S) == 42
    assert add.apply_async((1,), {"y": 1}).get(PATIENCE_S) == 2
    with pytest.raises(TypeError, match="'x'"):
        add.delay(y=1)  # type: ignore[call-arg]


def test_many_are_awaited_from_asyncio(app: Millrace, node: NodeSide) -> None:
    async def main() -> list[Any]:
        jobs = [await app.aio.send_task("add", kwargs={"x": n, "y": n}) for n in range(20)]
        return await asyncio.gather(*(job.aget(PATIENCE_S) for job in jobs))

    assert asyncio.run(main()) == [2 * n for n in range(20)]
    app.close()


def test_an_error_is_the_local_class_where_there_is_one(app: Millrace, node: NodeSide) -> None:
    job = app.send_task("raise", kwargs={"type": "TypeError", "message": "wrong ☂"})
    with pytest.raises(TypeError, match="wrong ☂") as caught:
        job.get(PATIENCE_S)
    assert "node-side.mjs" in str(caught.value.__cause__)
    assert job.state == "FAILURE"
    assert job.traceback is not None
    assert "node-side.mjs" in job.traceback


def test_any_other_error_is_a_remote_error(app: Millrace, node: NodeSide) -> None:
    job = app.send_task("raise", kwargs={"type": "RangeError", "message": "too far"})
    with pytest.raises(RemoteError) as caught:
        job.get(PATIENCE_S)
    error = caught.value
    assert (error.type, error.message, error.data) == ("RangeError", "too far", None)
    assert "node-side.mjs" in error.stack
    job = app.send_task("raise", kwargs={"type": "payment", "message": "declined"})
    with pytest.raises(RemoteError) as caught:
        job.get(PATIENCE_S)
    assert caught.value.type == "PaymentError"
    assert caught.value.data == {"code": 402}


def test_a_registered_error_is_raised_as_itself(app: Millrace, node: NodeSide) -> None:
    @app.register_error
    class PaymentError(Exception):
        pass

    job = app.send_task("raise", kwargs={"type": "payment", "message": "declined"})
    with pytest.raises(PaymentError, match="declined"):
        job.get(PATIENCE_S)


def test_headers_arrive(app: Millrace, node: NodeSide) -> None:
    job = app.send_task("request", headers={"trace": "00-é"})
    expected = {"headers": {"trace": "00-é"}, "name": "request", "attemptsMade": 0}
    assert job.get(PATIENCE_S) == expected


def test_progress_and_events_are_followed_and_resumed(app: Millrace, node: NodeSide) -> None:
    with app.events(types=["progress", "completed"]) as events:
        job = app.send_task("report")
        seen = [events.next(PATIENCE_S) for _ in range(4)]
    assert all(event is not None and event.job_id == job.id for event in seen)
    assert [event_data(e) for e in seen[:3] if e] == [{"percent": p} for p in (25, 50, 100)]
    assert job.get(PATIENCE_S) == "reported"
    assert job.logs() == ["half ☂ way"]
    after = seen[1].id if seen[1] else ""
    with app.events(after=after, types=["progress", "completed"]) as events:
        again = [events.next(PATIENCE_S) for _ in range(2)]
    assert [e.id for e in again if e] == [e.id for e in seen[2:] if e]


def test_a_running_job_is_cancelled_by_its_abort_signal(app: Millrace, node: NodeSide) -> None:
    with app.events(types=["progress"]) as events:
        job = app.send_task("hang")
        assert events.next(PATIENCE_S) is not None
    assert job.revoke(reason="not ☂ needed") == "requested"
    with pytest.raises(TaskRevokedError, match="not ☂ needed"):
        job.get(PATIENCE_S)
    assert job.state == "REVOKED"
    assert node.job(job.id)["state"] == "cancelled"
    assert app.send_task("add", kwargs={"x": 1, "y": 1}).get(PATIENCE_S) == 2


def test_an_unknown_task_fails_its_job_and_the_worker_goes_on(
    app: Millrace, node: NodeSide
) -> None:
    with pytest.raises(TypeError):  # the processor's own: a Worker in Node is one function
        app.send_task("unknown").get(PATIENCE_S)
    assert app.send_task("add", kwargs={"x": 1, "y": 1}).get(PATIENCE_S) == 2


@pytest.mark.parametrize(
    "text",
    ['日本語 😀 \u0001 " \\ \u2028', "", "x" * (1 << 20), "😀" * (1 << 18)],
    ids=["unicode", "empty", "1 MiB", "1 MiB of emoji"],
)
def test_texts_come_back_as_they_went(app: Millrace, node: NodeSide, text: str) -> None:
    assert app.send_task("echo", kwargs={"text": text}).get(PATIENCE_S) == {"text": text}


def test_numbers_and_nesting_come_back_as_they_went(app: Millrace, node: NodeSide) -> None:
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    data = {
        "int": 2**53 - 1,
        "float": 0.1,
        "small": -1e-7,
        "none": None,
        "list": [[], {}],
        "deep": deep,
    }
    assert app.send_task("echo", kwargs=data).get(PATIENCE_S) == data


def test_dead_letters_are_redriven_from_python(app: Millrace, node: NodeSide) -> None:
    jobs = [app.send_task("flaky") for _ in range(3)]
    for job in jobs:
        with pytest.raises(RemoteError, match="not repaired yet"):
            job.get(PATIENCE_S)
    node.call("repair")
    app.engine.redrive(jobs[0].id)
    assert node.result(jobs[0].id) == "works now"
    assert app.engine.redrive_many("default") == 2
    until(lambda: app.counts().completed == 3)
    assert [app.AsyncResult(job.id).get(PATIENCE_S) for job in jobs] == ["works now"] * 3


def test_a_job_is_promised_what_it_was_asked_for(app: Millrace, node: NodeSide) -> None:
    for level in ("memory", "process", "power"):
        job = app.send_task("add", kwargs={"x": 1, "y": 1}, durability=level)
        assert job.durability == level
        assert job.get(PATIENCE_S) == 2


def test_priorities_from_python_hold_in_node(app: Millrace, node: NodeSide) -> None:
    app.pause("ordered")
    for number, priority in enumerate((5, 0, -1, 5, 2)):
        app.send_task("see", kwargs={"n": number}, queue="ordered", priority=priority)
    node.call("work", queue="ordered", concurrency=1)
    app.resume("ordered")
    until(lambda: app.counts("ordered").completed == 5)
    assert node.call("seen") == [2, 1, 4, 0, 3]
