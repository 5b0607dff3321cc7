"""The process pool under `app.control`, signals of its life, and shutdown by signals."""

# ruff: noqa: F811 - fixtures are parameters

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from millrace import SoftTimeLimitExceeded, TaskRevokedError, TimeLimitExceeded, WorkerOptions
from millrace.pools import processes
from millrace.worker.mailbox import Mailbox
from millrace.worker.runner import Runner
from millrace.worker.slot import Slot
from test_processes import alive, options, tasks, worker  # noqa: F401 - fixtures
from worker_support import PATIENCE_S, until


def ask(tasks, name, *args, **kwargs):
    (reply,) = getattr(tasks.app.control, name)(*args, reply=True, timeout=PATIENCE_S, **kwargs)
    return next(iter(reply.values()))


def stats(tasks):
    replies = tasks.app.control.inspect(timeout=PATIENCE_S).stats()
    return next(iter(replies.values()))


@pytest.fixture
def ready(worker, tasks):
    until(lambda: tasks.app.control.ping(timeout=PATIENCE_S))
    return tasks


@options()
def test_inspect_asks_the_children(ready, tmp_path):
    marker, go_on = tmp_path / "marker", tmp_path / "go_on"
    result = ready.nap.delay(str(marker), str(go_on))
    until(marker.exists)
    seen = []

    def both_answered():  # a child that has no time for it is left out
        inspect = ready.app.control.inspect(timeout=PATIENCE_S)
        seen[:] = [*inspect.active().values(), stats(ready)]
        return seen[0] and seen[1]["total"]

    until(both_answered)
    ((job,), figures) = seen
    assert job["id"] == result.id
    assert [job["worker_pid"]] == figures["pool"]["processes"]
    assert figures["pid"] != job["worker_pid"]
    assert figures["total"] == {"nap": 1}
    go_on.touch()
    result.get(PATIENCE_S)


@options()
def test_pool_grow_shrink_and_restart(ready):
    first = stats(ready)["pool"]["processes"]
    assert ask(ready, "pool_grow", 2) == {"ok": "pool will grow"}
    until(lambda: len(stats(ready)["pool"]["processes"]) == 3)
    assert ask(ready, "pool_shrink", 2) == {"ok": "pool will shrink"}
    until(lambda: len(stats(ready)["pool"]["processes"]) == 1)
    assert "at least one" in ask(ready, "pool_shrink", 5)["error"]
    before = stats(ready)["pool"]["processes"]
    assert ask(ready, "pool_restart") == {"ok": "reload started"}
    assert set(stats(ready)["pool"]["processes"]).isdisjoint(before)
    until(lambda: not any(map(alive, {*before, *first} - set(stats(ready)["pool"]["processes"]))))
    assert ready.add.delay(1).get(PATIENCE_S) == 2


@options()
def test_queues_and_time_limits_of_children(ready):
    assert ask(ready, "add_consumer", "other") == {"ok": "add consumer other"}
    assert ready.pid.apply_async(queue="other").get(PATIENCE_S)
    assert ask(ready, "time_limit", "wait_softly", soft=0.5) == {
        "ok": "time limits set successfully"
    }
    assert ready.wait_softly.delay().get(PATIENCE_S) == "told"
    assert ask(ready, "time_limit", "spin", hard=0.1)["ok"]
    with pytest.raises(TimeLimitExceeded):
        ready.spin.delay().get(PATIENCE_S)
    assert ask(ready, "cancel_consumer", "other")["ok"]


@options(autoscale=[2, 1])
def test_autoscale_by_command(ready):
    assert ask(ready, "autoscale", 3, 2) == {"ok": "autoscale now max=3 min=2"}
    until(lambda: len(stats(ready)["pool"]["processes"]) == 2)
    assert "not supported with autoscale" in ask(ready, "pool_grow")["error"]


@options()
def test_terminate_with_signals(ready, tmp_path):
    marker = tmp_path / "marker"
    softly = ready.wait_softly.delay(str(marker))
    until(marker.exists)
    ready.app.control.terminate(softly.id, signal="SIGUSR1")
    assert softly.get(PATIENCE_S) == "told"
    before = stats(ready)["pool"]["processes"]
    begun = tmp_path / "begun"
    killed = ready.sleep.delay(str(begun))
    until(begun.exists)
    ready.app.control.revoke(killed.id, terminate=True, signal="SIGKILL")
    with pytest.raises(TaskRevokedError, match="terminated"):
        killed.get(PATIENCE_S)
    until(lambda: stats(ready)["pool"]["processes"] not in ([], before))


@options(soft_time_limit=0.05)
def test_the_workers_soft_limit_raises(ready):
    with pytest.raises(SoftTimeLimitExceeded):
        ready.sleep.delay().get(PATIENCE_S)


@options()
def test_sigquit_cancels_at_once(worker, ready):
    result = ready.sleep.delay()
    until(lambda: result.state == "STARTED")
    worker.send_signal(signal.SIGQUIT)
    assert worker.wait(PATIENCE_S) == 0
    assert result.details().state == "ready"


@options(soft_shutdown_timeout=60)
def test_soft_shutdown_gives_jobs_time(worker, ready, tmp_path):
    marker, go_on = tmp_path / "marker", tmp_path / "go_on"
    result = ready.nap.delay(str(marker), str(go_on))
    until(marker.exists)
    worker.send_signal(signal.SIGQUIT)
    go_on.touch()
    assert worker.wait(PATIENCE_S) == 0
    assert result.get(PATIENCE_S) == "finished"


@options(soft_shutdown_timeout=0.05)
def test_soft_shutdown_ends(worker, ready):
    result = ready.sleep.delay()
    until(lambda: result.state == "STARTED")
    worker.send_signal(signal.SIGQUIT)
    assert worker.wait(PATIENCE_S) == 0
    assert result.details().state == "ready"


@options()
def test_the_third_signal_leaves_at_once(worker, ready):
    result = ready.spin.delay()
    until(lambda: result.state == "STARTED")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):  # one of a kind is not queued
        worker.send_signal(number)
    assert worker.wait(PATIENCE_S) in {0, 1}
    # The supervisor may have ended before it could give back what its children ran: the next worker does.
    session = ready.app.engine.open_session(["elsewhere"])
    try:
        until(lambda: result.details().state == "ready")
    finally:
        session.close()


def test_remap_sigterm(store, tasks, monkeypatch):
    monkeypatch.setenv("REMAP_SIGTERM", "SIGQUIT")
    mailbox = Mailbox()
    try:
        mailbox.install_signals()
        os.kill(os.getpid(), signal.SIGTERM)
        until(lambda: any(map(mailbox.advance, mailbox.read())))
        assert mailbox.stage == 2
        assert mailbox.signal == signal.SIGQUIT
    finally:
        mailbox.close()


class Wire:
    """The supervisor's end of a link: keeps what is sent, and hears what the test says."""

    def __init__(self):
        self.sent, self.heard = [], []
        self.send = self.sent.append

    def receive(self):
        return self.heard


def test_a_time_limit_is_set_when_the_children_know_it(app, monkeypatch):
    """Before, a job that began just after the answer had none."""
    monkeypatch.setattr(processes, "_REPLY_S", PATIENCE_S)
    mailbox = Mailbox()
    pool = processes.ProcessesPool(app, WorkerOptions(concurrency=1), mailbox, "nowhere:app")
    child = SimpleNamespace(link=Wire(), pid=7, index=0, ready=False)
    pool._children[0] = child
    asking = threading.Thread(target=pool.set_time_limit, args=("spin", 0, 100))
    asking.start()
    try:
        until(lambda: pool._read_mailbox() or child.link.sent)
        (call,) = child.link.sent
        assert (call["command"], call["arguments"]) == ("limit", ("spin", 0, 100))
        assert pool._config()["limits"] == {"spin": (0, 100)}  # of a child that is started now
        assert asking.is_alive()
        child.link.heard = [{"op": "reply", "id": call["id"], "value": None}]
        pool._hear(child)
        asking.join(PATIENCE_S)
        assert not asking.is_alive()
    finally:
        mailbox.close()
        pool._selector.close()


def test_sigusr1_for_a_job_that_does_not_run_yet_waits_for_it(app):
    """Before, it ended the process."""

    @app.task
    def never():
        raise AssertionError("it was told before it began")

    result = never.delay()
    with contextlib.closing(app.engine.open_session([app.default_queue])) as session:
        (job,) = session.take(1)
        runner = Runner(app, session)
        why = SimpleNamespace(token=job.token, kind="cancel", id=job.id, reason="terminate:SIGUSR1")
        runner.deliver(why)
        runner.run(job, Slot(use_signal=False))
        with pytest.raises(TaskRevokedError):
            result.get(PATIENCE_S)
