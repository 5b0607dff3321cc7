"""When signals are sent, by whom, and with what."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from millrace import Ignore, Millrace, Reject, signals
from millrace.contrib.testing.worker import start_worker
from millrace.testing import Harness


class Heard:
    """What receivers were told, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any, dict[str, Any]]] = []
        self._connected: list[tuple[Any, Any]] = []

    def listen(self, *names: str, sender: Any = None) -> Heard:
        for name in names:

            def receiver(sender: Any, signal: Any, _name: str = name, **kwargs: Any) -> None:
                self.calls.append((_name, sender, kwargs))

            signal = getattr(signals, name)
            signal.connect(receiver, sender=sender)
            self._connected.append((signal, receiver, sender))  # type: ignore[arg-type]
        return self

    def names(self) -> list[str]:
        return [name for name, _, _ in self.calls]

    def only(self, name: str) -> tuple[Any, dict[str, Any]]:
        [(sender, kwargs)] = [(s, k) for n, s, k in self.calls if n == name]
        return sender, kwargs

    def close(self) -> None:
        for signal, receiver, sender in self._connected:  # type: ignore[misc]
            signal.disconnect(receiver, sender=sender)


@pytest.fixture
def heard() -> Iterator[Heard]:
    made = Heard()
    yield made
    made.close()


@pytest.fixture
def harness(app: Millrace) -> Iterator[Harness]:
    with Harness(app) as running:
        yield running


# --- Publishing -------------------------------------------------------------------------------------


def test_before_task_publish(app, harness, heard):
    @app.task(name="add")
    def add(x, y=0):
        return x + y

    @signals.before_task_publish.connect(sender="add")
    def mark(headers, body, routing_key, exchange, properties, declare, retry_policy, **_):
        assert harness.enqueued() == []  # before it is written
        headers["trace"] = "7"

    heard.listen("before_task_publish")
    result = add.apply_async((1,), {"y": 2}, queue="q")
    sender, told = heard.only("before_task_publish")
    assert sender == "add"
    assert told["routing_key"] == "q"
    assert set(told) == set(signals.before_task_publish.providing_args)
    job = app.engine.get_job(result.id)
    assert json.loads(job.spec.headers)["trace"] == "7"
    signals.before_task_publish.disconnect(mark, sender="add")


def test_after_task_publish_and_task_sent(app, harness, heard):
    @app.task(name="add")
    def add(x, y=0):
        return x + y

    heard.listen("after_task_publish", "task_sent")
    result = add.delay(1, y=2)
    sender, told = heard.only("after_task_publish")
    assert sender == "add"
    assert told["headers"]["id"] == result.id
    assert told["headers"]["task"] == "add"
    assert told["routing_key"] == app.default_queue
    sender, told = heard.only("task_sent")
    assert (sender, told["task_id"], told["task"]) == ("add", result.id, "add")
    assert [job.spec.id for job in harness.enqueued()] == [result.id]


def test_a_call_by_name_is_published_too(app, harness, heard):
    heard.listen("before_task_publish", "after_task_publish")
    app.send_task("elsewhere", (1,))
    assert heard.names() == ["before_task_publish", "after_task_publish"]
    assert heard.calls[0][1] == "elsewhere"


# --- Running ----------------------------------------------------------------------------------------


def test_task_prerun_postrun_and_success(app, harness, heard):
    @app.task(name="add")
    def add(x, y=0):
        return x + y

    heard.listen("task_received", "task_prerun", "task_success", "task_postrun")
    job_id = add.delay(2, y=3).id
    harness.run_all()
    assert heard.names() == ["task_received", "task_prerun", "task_success", "task_postrun"]
    _, told = heard.only("task_received")
    assert told["request"].id == job_id
    sender, told = heard.only("task_prerun")
    assert sender is app.tasks["add"]
    assert told["task"] is sender
    assert told["task_id"] == job_id
    assert (list(told["args"]), told["kwargs"]) == ([2, 3], {})
    sender, told = heard.only("task_success")
    assert sender is app.tasks["add"]
    assert told["result"] == 5
    assert told["runtime"] >= 0
    sender, told = heard.only("task_postrun")
    assert (told["task_id"], told["retval"], told["state"]) == (job_id, 5, "SUCCESS")


def test_task_failure(app, harness, heard):
    @app.task(name="fail")
    def fail(x):
        raise KeyError(x)

    heard.listen("task_failure", "task_postrun", "task_success", "task_retry")
    job_id = fail.delay("k").id
    harness.run_all()
    assert heard.names() == ["task_failure", "task_postrun"]
    sender, told = heard.only("task_failure")
    assert sender is app.tasks["fail"]
    assert told["task_id"] == job_id
    assert isinstance(told["exception"], KeyError)
    assert "KeyError: 'k'" in str(told["einfo"])
    assert told["traceback"] is not None
    assert set(signals.task_failure.providing_args) <= set(told)
    _, told = heard.only("task_postrun")
    assert told["state"] == "FAILURE"


def test_task_retry(app, harness, heard):
    @app.task(name="again", autoretry_for=(OSError,), max_retries=1, default_retry_delay=1)
    def again():
        raise OSError("down")

    heard.listen("task_retry", "task_failure", "task_postrun")
    job_id = again.delay().id
    harness.run_all()
    sender, told = heard.only("task_retry")
    assert sender is app.tasks["again"]
    assert told["request"].id == job_id
    assert isinstance(told["reason"].exc, OSError)
    assert "OSError: down" in str(told["einfo"])
    assert heard.calls[-1][2]["state"] == "RETRY"
    harness.advance(60)
    harness.run_all()
    assert heard.names() == ["task_retry", "task_postrun", "task_failure", "task_postrun"]


def test_task_rejected(app, harness, heard):
    @app.task(name="reject")
    def reject():
        raise Reject("no")

    heard.listen("task_rejected", "task_failure")
    reject.delay()
    harness.run_all()
    _, told = heard.only("task_rejected")
    assert isinstance(told["exc"], Reject)
    assert heard.names() == ["task_rejected"]


def test_ignore_is_neither_success_nor_failure(app, harness, heard):
    @app.task(name="ignore")
    def ignore():
        raise Ignore

    heard.listen("task_success", "task_failure", "task_postrun")
    ignore.delay()
    harness.run_all()
    assert heard.names() == ["task_postrun"]
    assert heard.calls[0][2]["state"] == "IGNORED"


def test_task_unknown(app, harness, heard):
    heard.listen("task_unknown")
    job_id = app.send_task("nobody", (1,)).id
    harness.run_all()
    _, told = heard.only("task_unknown")
    assert (told["name"], told["id"]) == ("nobody", job_id)
    assert "nobody" in str(told["exc"])


def test_task_internal_error(app, harness, heard):
    class Hooked(app.Task):  # type: ignore[misc,name-defined]
        def on_success(self, *_: Any) -> None:
            raise RuntimeError("in the hook")

    @app.task(name="hooked", base=Hooked)
    def hooked():
        return 1

    heard.listen("task_internal_error")
    job_id = hooked.delay().id
    harness.run_all()
    sender, told = heard.only("task_internal_error")
    assert sender is app.tasks["hooked"]
    assert told["task_id"] == job_id
    assert isinstance(told["exception"], RuntimeError)


def test_task_revoked(app, heard):
    began = threading.Event()

    @app.task(name="nap", bind=True)
    def nap(self):
        began.set()
        while True:
            self.request.raise_if_cancelled()
            threading.Event().wait(0.005)

    heard.listen("task_revoked")
    events = app.events("default", types=["cancelled"])
    following = iter(events)
    with start_worker(app, pool="threads"):
        result = nap.delay()
        assert began.wait(30)  # one that is claimed but not taken is revoked without it
        result.revoke()
        assert next(following).type == "cancelled"
    events.close()
    sender, told = heard.only("task_revoked")
    assert sender is app.tasks["nap"]
    assert told["request"].id == result.id
    assert told["terminated"] is False
    assert told["expired"] is False


# --- Workers ----------------------------------------------------------------------------------------


def test_signals_of_a_worker_in_their_order(app, heard):
    names = (
        *("import_modules", "celeryd_init", "worker_init", "celeryd_after_setup"),
        *("worker_process_init", "worker_ready", "worker_shutting_down", "worker_shutdown"),
    )
    heard.listen(*names)
    with start_worker(app, pool="solo", hostname="one@here") as worker:
        assert heard.names() == list(names[:6])
    assert heard.names() == list(names)
    assert heard.only("import_modules")[0] is app
    sender, told = heard.only("celeryd_init")
    assert sender == "one@here"
    assert told["instance"] is worker
    assert told["conf"] is app.conf
    assert told["options"]["pool"] == "solo"
    sender, told = heard.only("celeryd_after_setup")
    assert (sender, told["instance"]) == ("one@here", worker)
    for name in ("worker_init", "worker_ready", "worker_shutdown"):
        assert heard.only(name)[0] is worker
    sender, told = heard.only("worker_shutting_down")
    assert sender == "one@here"
    assert (told["how"], told["exitcode"]) == ("Warm", 0)


def test_heartbeat_sent(app, heard, monkeypatch):
    monkeypatch.setattr("millrace.worker.main._HEARTBEAT_S", 0.001)
    beats = threading.Event()

    @signals.heartbeat_sent.connect
    def beat(sender, **_):
        beats.set()

    with start_worker(app, pool="solo"):
        assert beats.wait(20)
    signals.heartbeat_sent.disconnect(beat)


PROGRAM = """
import os
from millrace import Millrace, signals

app = Millrace("pool", store=os.environ["STORE"])

def tell(text):
    with open(os.environ["HEARD"], "a") as file:
        file.write(f"{text}\\n")

@signals.worker_process_init.connect
def init(sender, **_):
    tell(f"init {os.getpid()}")

@signals.worker_process_shutdown.connect
def shutdown(sender, pid, exitcode, **_):
    tell(f"shutdown {pid} {exitcode}")

@app.task(name="pid")
def pid():
    return os.getpid()
"""


def test_signals_of_the_processes_of_a_pool(tmp_path: Path, monkeypatch, heard):
    (tmp_path / "pooled.py").write_text(PROGRAM)
    monkeypatch.setenv("STORE", str(tmp_path / "jobs.db"))
    monkeypatch.setenv("HEARD", str(tmp_path / "heard"))
    monkeypatch.syspath_prepend(str(tmp_path))
    import pooled  # type: ignore[import-not-found]

    app = pooled.app
    heard.listen("worker_before_create_process")
    with app, start_worker(app, pool="processes", concurrency=1, shutdown_timeout=60):
        process = app.tasks["pid"].delay().get(timeout=30)
    # They are for the processes alone, not for other workers of these tests.
    signals.worker_process_init.disconnect(pooled.init)
    signals.worker_process_shutdown.disconnect(pooled.shutdown)
    lines = (tmp_path / "heard").read_text().splitlines()
    assert f"init {process}" in lines
    assert f"shutdown {process} 0" in lines
    assert heard.names() == ["worker_before_create_process"]
