"""Tasks in Python, enqueued, awaited and followed from Node."""

import threading
from typing import Any

import pytest
from millrace import Millrace
from node_side import NodeError, NodeSide
from worker_support import PATIENCE_S, running, until


class PaymentError(Exception):
    pass


def error_of(node: NodeSide, job_id: str) -> dict[str, Any]:
    with pytest.raises(NodeError) as caught:
        node.result(job_id)
    assert caught.value.body["class"] == "RemoteError"
    assert caught.value.body["jobId"] == job_id
    return caught.value.body


def test_data_is_bound_to_parameters_by_name(app: Millrace, node: NodeSide) -> None:
    @app.task(name="resize")
    def resize(url: str, width: int = 1) -> dict[str, Any]:
        return {"url": url, "width": width, "größe": None}

    with running(app):
        job = node.add("resize", {"url": "a.png", "width": 5})
        assert node.result(job) == {"url": "a.png", "width": 5, "größe": None}
        assert node.result(node.add("resize", {"url": "b.png"}))["width"] == 1
    assert node.job(job)["state"] == "completed"
    assert node.job(job)["returnvalue"]["url"] == "a.png"


def test_arguments_by_position_travel_as_args(app: Millrace, node: NodeSide) -> None:
    @app.task(name="total")
    def total(*numbers: int, scale: int = 1) -> int:
        return scale * sum(numbers)

    with running(app):
        assert node.result(node.add("total", {"$args": [1, 2, 3]})) == 6
        assert node.result(node.add("total", {"$args": [1, 2], "$kwargs": {"scale": 10}})) == 30
        assert app.send_task("total", (4, 5)).get(PATIENCE_S) == 9


def test_an_error_arrives_with_type_message_stack_and_data(app: Millrace, node: NodeSide) -> None:
    @app.task(name="pay")
    def pay(amount: int) -> None:
        if amount < 0:
            raise ValueError("no amount ☂")
        raise PaymentError("declined", 402)

    with running(app):
        error = error_of(node, node.add("pay", {"amount": -1}))
        assert error["type"] == "ValueError"
        assert error["message"] == "no amount ☂"
        assert "in pay" in error["remoteStack"]
        error = error_of(node, node.add("pay", {"amount": 1}))
        assert error["type"].endswith("PaymentError")
        assert error["data"] == {"args": ["declined", 402]}


def test_wrong_arguments_fail_the_job_and_name_the_parameter(app: Millrace, node: NodeSide) -> None:
    @app.task(name="resize")
    def resize(url: str) -> None: ...

    with running(app):
        error = error_of(node, node.add("resize", {"uri": "a.png"}))
        assert error["type"] == "TypeError"
        assert "ur" in error["message"]


def test_an_unknown_task_fails_its_job_and_the_worker_goes_on(
    app: Millrace, node: NodeSide
) -> None:
    @app.task(name="known")
    def known() -> str:
        return "done"

    with running(app):
        unknown, following = node.add("unknown", {}, attempts=5), node.add("known", {})
        error = error_of(node, unknown)
        assert error["type"] == "NotRegistered"
        assert "unknown" in error["message"]
        assert node.result(following) == "done"


def test_headers_and_options_arrive(app: Millrace, node: NodeSide) -> None:
    @app.task(name="request", bind=True)
    def request(self: Any) -> dict[str, Any]:
        return {"headers": self.request.headers, "id": self.request.id, "of": self.request.priority}

    with running(app):
        job = node.add("request", {}, jobId="mine", headers={"trace": "00-é"}, priority=7)
        assert node.result(job) == {"headers": {"trace": "00-é"}, "id": "mine", "of": 7}
    with pytest.raises(NodeError) as caught:
        node.add("request", {}, headers={"trace": 1})
    assert caught.value.body["code"] == "invalid_argument"
    assert "headers" in caught.value.body["message"]


def test_priorities_of_both_languages_are_one_order(app: Millrace, node: NodeSide) -> None:
    order: list[str] = []

    @app.task(name="note")
    def note(name: str) -> None:
        order.append(name)

    note.apply_async(("python 5",), priority=5)
    node.add("note", {"name": "node 2"}, priority=2)
    note.apply_async(("python 0",))
    node.add("note", {"name": "node 5"}, priority=5)
    note.apply_async(("python -1",), priority=-1)
    node.add("note", {"name": "node lifo"}, lifo=True)
    with running(app, concurrency=1):
        until(lambda: len(order) == 6)
    assert order == ["python -1", "node lifo", "python 0", "node 2", "python 5", "node 5"]


@pytest.mark.parametrize(
    "text",
    ['日本語 😀 \u0001 " \\ \u2028', "", "x" * (1 << 20), "ü" * (1 << 19)],
    ids=["unicode", "empty", "1 MiB", "1 MiB of umlauts"],
)
def test_texts_come_back_as_they_went(app: Millrace, node: NodeSide, text: str) -> None:
    @app.task(name="echo")
    def echo(text: str) -> dict[str, Any]:
        return {"text": text, "length": len(text)}

    with running(app):
        answer = node.result(node.add("echo", {"text": text}))
    assert answer == {"text": text, "length": len(text)}


def test_progress_and_events_are_followed_and_resumed(app: Millrace, node: NodeSide) -> None:
    @app.task(name="report", bind=True)
    def report(self: Any) -> str:
        for percent in (25, 50, 100):
            self.update_state(meta={"percent": percent})
        return "reported"

    following = node.begin("events", queue="default", until="completed")
    job = node.add("report", {})
    with running(app):
        events = node.end(following)
    assert [e[0] for e in events if e[1].get("jobId") == job] == [
        *("added", "waiting", "active", "progress", "progress", "progress", "completed")
    ]
    percents = [e[1]["data"]["percent"] for e in events if e[0] == "progress"]
    assert percents == [25, 50, 100]
    assert events[-1][1]["returnvalue"] == "reported"
    at_half = next(e[2] for e in events if e[0] == "progress" and e[1]["data"]["percent"] == 50)
    resumed = node.call("events", queue="default", after=at_half, until="completed")
    assert resumed == events[events.index(next(e for e in events if e[2] == at_half)) + 1 :]
    assert node.job(job)["progress"] == {"percent": 100}


def test_a_running_task_is_cancelled(app: Millrace, node: NodeSide) -> None:
    started = threading.Event()
    reasons: list[str | None] = []

    @app.task(name="hang", bind=True)
    def hang(self: Any) -> None:
        started.set()
        until(lambda: self.request.cancelled)
        reasons.append(self.request.cancel_reason)
        raise RuntimeError("stopped half way")

    with running(app):
        job = node.add("hang", {}, attempts=3)
        assert started.wait(PATIENCE_S)
        assert node.call("cancel", queue="default", id=job, reason="not ☂ needed") == "requested"
        error_of(node, job)
    assert node.job(job)["state"] == "cancelled"
    assert reasons == ["not ☂ needed"]


def test_a_waiting_job_is_cancelled(app: Millrace, node: NodeSide) -> None:
    waiting = app.send_task("never")
    assert node.call("cancel", queue="default", id=waiting.id, reason="why") == "cancelled"
    assert waiting.state == "REVOKED"
    assert node.call("cancel", queue="default", id=waiting.id, reason="why") == "finished"


def test_dead_letters_are_retried_from_node(app: Millrace, node: NodeSide) -> None:
    repaired = threading.Event()

    @app.task(name="flaky")
    def flaky() -> str:
        if not repaired.is_set():
            raise RuntimeError("not repaired yet")
        return "works now"

    with running(app):
        jobs = [flaky.delay() for _ in range(3)]
        for job in jobs:
            with pytest.raises(RuntimeError, match="not repaired yet"):
                job.get(PATIENCE_S)
            assert node.job(job.id)["failedReason"] == "not repaired yet"
        repaired.set()
        node.call("retry", queue="default", id=jobs[0].id)
        assert node.result(jobs[0].id) == "works now"
        assert app.counts().failed == 2
        node.call("retryAll", queue="default")
        assert [node.result(job.id) for job in jobs[1:]] == ["works now", "works now"]


@pytest.mark.parametrize("level", ["memory", "process", "power"])
def test_the_durability_reached_is_named(app: Millrace, node: NodeSide, level: str) -> None:
    answer = node.call("add", queue="q", name="n", data={}, opts={"durability": level})
    assert answer["durability"] == level
    assert not answer["existing"]


def test_an_id_of_ones_own_is_one_job_for_both(app: Millrace, node: NodeSide) -> None:
    assert (
        node.call("add", queue="q", name="n", data={}, opts={"jobId": "mine"})["existing"] is False
    )
    again = app.send_task("n", queue="q", task_id="mine")
    assert again.id == "mine"
    assert again.existing
    assert (
        node.call("add", queue="q", name="n", data={}, opts={"jobId": "mine"})["existing"] is True
    )
    assert app.counts("q").ready == 1


def test_an_id_that_was_revoked_before_node_adds_it(app: Millrace, node: NodeSide) -> None:
    ran = []

    @app.task(name="note")
    def note() -> None:
        ran.append(1)

    app.control.revoke("early")
    node.add("note", {}, jobId="early")
    with running(app):
        assert node.result(node.add("note", {})) is None
    assert node.job("early")["state"] == "cancelled"
    assert ran == [1]
