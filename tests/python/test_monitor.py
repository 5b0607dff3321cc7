"""Celery's monitors: `app.events.Receiver`, `State`, `Dispatcher`, cameras."""

import threading
import time
from typing import ClassVar

import pytest
from millrace import Reject
from millrace.contrib.testing.worker import start_worker
from millrace.errors import InvalidArgument
from millrace.events import Event, EventDispatcher, EventReceiver
from millrace.events.snapshot import Polaroid, evcam
from millrace.events.state import State, Worker, heartbeat_expires
from worker_support import PATIENCE_S


def watch(app, until_type, count=1):
    """A receiver that follows in a thread; joining gives all events until so many of a type have come."""
    seen = []
    receiver = app.events.Receiver(handlers={"*": seen.append}).start()

    def run():
        left = count
        for event in receiver.itercapture(timeout=PATIENCE_S):
            left -= event["type"] == until_type
            if not left:
                return

    thread = threading.Thread(target=run)
    thread.start()

    def join():
        thread.join(PATIENCE_S)
        receiver.close()
        assert not thread.is_alive()
        return seen

    return join


def of(events, kind):
    return [each for each in events if each["type"] == kind]


def test_the_life_of_a_task(app):
    @app.task(name="add")
    def add(x, y):
        return x + y

    with start_worker(app, hostname="w1@h"):
        join = watch(app, "task-succeeded")
        result = add.delay(1, y=2)
        events = join()
    kinds = [each["type"] for each in events if each.get("uuid") == result.id]
    assert kinds == ["task-sent", "task-received", "task-started", "task-succeeded"]
    sent, received, started, succeeded = [e for e in events if e.get("uuid") == result.id]
    assert sent["name"] == "add"
    assert sent["kwargs"] == "{'x': 1, 'y': 2}"
    assert sent["routing_key"] == sent["queue"] == "default"
    assert sent["root_id"] == result.id
    assert received["hostname"] == started["hostname"] == succeeded["hostname"] == "w1@h"
    assert received["retries"] == 0
    assert succeeded["result"] == "3"
    assert succeeded["runtime"] >= 0
    assert sent["timestamp"] <= succeeded["timestamp"]
    assert sent["clock"] < succeeded["clock"]


def test_what_goes_wrong(app):
    @app.task(name="bad", autoretry_for=(ValueError,), max_retries=1, default_retry_delay=0)
    def bad():
        raise ValueError("no")

    @app.task(name="refuse")
    def refuse():
        raise Reject("not mine")

    with start_worker(app):
        join = watch(app, "task-rejected")
        failed = bad.delay()
        failed.get(PATIENCE_S, propagate=False)
        revoked = bad.apply_async(countdown=600)
        revoked.revoke()
        refuse.delay()
        events = join()
    (retried,) = of(events, "task-retried")
    (ended,) = of(events, "task-failed")
    assert retried["uuid"] == ended["uuid"] == failed.id
    assert ended["exception"] == "ValueError('no')"
    assert "Traceback" in ended["traceback"]
    (gone,) = of(events, "task-revoked")
    assert (gone["uuid"], gone["terminated"], gone["expired"]) == (revoked.id, False, False)
    assert of(events, "task-rejected")[0]["requeue"] is False


def test_workers_come_and_go(app):
    with start_worker(app, hostname="w1@h"):
        receiver = app.events.Receiver()
        stream = receiver.itercapture(timeout=PATIENCE_S)
        online = next(stream)
        assert (online["type"], online["hostname"]) == ("worker-online", "w1@h")
        assert online["pid"] > 0
        assert online["sw_ident"] == "millrace-python"
        assert [e["type"] for e in receiver._look_at_workers()] == ["worker-heartbeat"]
    assert [e["type"] for e in receiver._look_at_workers()] == ["worker-offline"]
    receiver.wakeup_workers()
    receiver.close()


def test_custom_events_of_a_task_and_of_a_dispatcher(app):
    @app.task(name="work", bind=True)
    def work(self):
        self.send_event("task-shipped", parcel=7)

    join = watch(app, "shop-closed")
    with start_worker(app):
        result = work.delay()
        result.get(PATIENCE_S)
    with app.events.default_dispatcher(hostname="till") as dispatcher:
        dispatcher.disable()
        dispatcher.send("shop-lost")
        dispatcher.enable()
        dispatcher.flush()
        dispatcher.send("shop-closed", at=18)
    events = join()
    (shipped,) = of(events, "task-shipped")
    assert (shipped["uuid"], shipped["parcel"]) == (result.id, 7)
    (closed,) = of(events, "shop-closed")
    assert (closed["hostname"], closed["at"]) == ("till", 18)
    assert not of(events, "shop-lost")
    only = app.events.Dispatcher(groups=["task"])
    only.send("shop-lost")
    assert isinstance(only, EventDispatcher)


def test_receiver_handlers_limit_and_timeout(app):
    sent, others = [], []
    receiver = app.events.Receiver(
        app.connection(), handlers={"a-b": sent.append, "*": others.append}
    ).start()
    assert isinstance(receiver, EventReceiver)
    dispatcher = app.events.Dispatcher()
    dispatcher.send("a-b", n=1)
    dispatcher.send("c-d", n=2)
    receiver.capture(limit=2, timeout=PATIENCE_S, wakeup=False)
    assert [e["n"] for e in sent] == [1]
    assert [e["n"] for e in others] == [2]
    assert receiver.event_from_message({"type": "x-y"}) == ("x-y", {"type": "x-y"})
    with pytest.raises(TimeoutError, match="no event"):
        receiver.capture(timeout=0.01, wakeup=False)
    receiver.should_stop = True
    receiver.capture()
    with pytest.raises(InvalidArgument, match="app"):
        EventReceiver()
    with pytest.raises(InvalidArgument, match="app"):
        EventDispatcher()
    assert Event("x", a=1)["a"] == 1


def test_state_is_what_a_monitor_knows(app):
    joined, left, heard = [], [], []
    state = app.events.State(
        callback=lambda _, event: heard.append(event["type"]),
        on_node_join=joined.append,
        on_node_leave=left.append,
    )
    assert isinstance(state, State)
    now = time.time()

    def tell(kind, **fields):
        state.event({"type": kind, "timestamp": now + len(heard) / 1000, **fields})

    tell("worker-online", hostname="w1", pid=5, freq=60, sw_ident="x")
    tell("task-sent", uuid="a", name="add", args="(1,)", kwargs="{}", hostname="client")
    tell("task-received", uuid="a", name="add", hostname="w1")
    tell("task-started", uuid="a", hostname="w1")
    tell("task-succeeded", uuid="a", result="2", runtime=0.5, hostname="w1")
    tell("task-sent", uuid="b", name="mul", parent_id="a", root_id="a", hostname="client")
    tell("task-failed", uuid="c", name="add", exception="E()", traceback="T", hostname="w2")
    task = state.tasks["a"]
    assert (task.name, task.state, task.ready, task.worker.hostname) == (
        "add",
        "SUCCESS",
        True,
        "w1",
    )
    assert (task.result, task.runtime, task.args) == ("2", 0.5, "(1,)")
    assert task.info(extra=["state"]) == {
        "args": "(1,)", "kwargs": "{}", "result": "2", "runtime": 0.5, "state": "SUCCESS",
    }  # fmt: skip
    assert task.info(["result"]) == {"result": "2"}
    assert task.sent < task.received < task.started < task.succeeded
    assert state.tasks["b"].parent is task
    assert state.tasks["b"].root is task
    assert state.tasks["b"].origin == "client"
    assert state.tasks["c"].as_dict()["traceback"] == "T"
    assert [uuid for uuid, _ in state.tasks_by_type("add")] == ["c", "a"]
    assert [uuid for uuid, _ in state.tasks_by_worker("w1")] == ["a"]
    assert [uuid for uuid, _ in state.tasks_by_time(limit=1)] == ["c"]
    assert [uuid for uuid, _ in state.tasks_by_timestamp(reverse=False)] == ["a", "b", "c"]
    assert [uuid for uuid, _ in state.itertasks(limit=2)] == ["a", "b"]
    assert state.task_types() == ["add", "mul"]
    assert [w.hostname for w in state.alive_workers()] == ["w1"]
    assert (state.event_count, state.task_count) == (7, 2)
    assert heard[0] == "worker-online"
    tell("worker-offline", hostname="w1")
    assert list(state.alive_workers()) == []
    assert [w.hostname for w in left] == ["w1"]
    assert joined[0].id == "w1.5"
    assert joined[0].status_string == "OFFLINE"
    state.clear_tasks(ready=False)
    assert list(state.tasks) == ["b"]
    with state.freeze_while():
        state.clear()
    assert (state.event_count, len(state.tasks), len(state.workers)) == (0, 0, 0)
    assert heartbeat_expires(100, 60) == 220
    assert not Worker("x").alive


def test_a_state_forgets_the_oldest():
    state = State(max_tasks_in_memory=2, max_workers_in_memory=1)
    for uuid in "abc":
        state.event({"type": "task-sent", "uuid": uuid, "timestamp": 1.0})
    for name in ("v", "w"):
        state.get_or_create_worker(name)
    assert list(state.tasks) == ["b", "c"]
    assert list(state.workers) == ["w"]
    assert state.event({"type": "shop-closed"}) is None


def test_a_late_event_does_not_undo_a_newer_one():
    state = State()
    state.event({"type": "task-succeeded", "uuid": "a", "timestamp": 5.0, "result": "1"})
    state.event({"type": "task-started", "uuid": "a", "timestamp": 4.0, "name": "add"})
    assert (state.tasks["a"].state, state.tasks["a"].name) == ("SUCCESS", "add")


class Counter(Polaroid):
    clear_after = True
    shots: ClassVar[list[int]] = []

    def on_shutter(self, state):
        self.shots.append(state.event_count)


def test_cameras(app):
    Counter.shots.clear()
    state = app.events.State()
    state.event({"type": "task-sent", "uuid": "a", "timestamp": 1.0})
    with Counter(state, freq=3600, app=app):
        pass
    assert Counter.shots == [1]
    assert state.event_count == 0
    slow = Counter(state, freq=3600, maxrate="1/h", app=app)
    slow.shutter()
    slow.shutter()
    assert Counter.shots == [1, 0]
    evcam(Counter, freq=3600, app=app, timeout=0.01)
    assert len(Counter.shots) == 3
    with pytest.raises(InvalidArgument, match="camera"):
        evcam("nowhere:Camera", app=app)
