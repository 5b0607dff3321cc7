"""`app.control` and `app.control.inspect()`: commands through the file, and their replies."""

import asyncio
import os
import socket
import threading
import time

import pytest
from millrace import Millrace, Reject, _core
from millrace.app.control import Control, flatten_reply
from millrace.contrib.testing.worker import start_worker
from millrace.errors import InvalidArgument, TaskRevokedError
from millrace.exceptions import DuplicateNodenameWarning
from millrace.headers import Place
from millrace.worker.control import Panel, control_command, inspect_command
from worker_support import PATIENCE_S, until

HOST = socket.gethostname()
NODE = f"w1@{HOST}"
POOLS = ["threads", "asyncio", "solo"]


@pytest.fixture
def gate(app):
    """A task that runs until it is let go."""
    began, go_on = threading.Event(), threading.Event()

    @app.task(name="held")
    def held(x=0):
        began.set()
        assert go_on.wait(PATIENCE_S)
        return x

    held.began, held.go_on = began, go_on
    yield held
    go_on.set()


def inspect(app, **given):
    return app.control.inspect(timeout=PATIENCE_S, **given)


def ask(app, name, *args, **kwargs):
    """What the only worker answers to a command."""
    (reply,) = getattr(app.control, name)(*args, reply=True, timeout=PATIENCE_S, **kwargs)
    return reply[NODE]


@pytest.mark.parametrize("pool", POOLS)
def test_ping(app, pool):
    with start_worker(app, pool=pool, hostname="w1"):
        assert app.control.ping(timeout=PATIENCE_S) == [{NODE: {"ok": "pong"}}]
        assert inspect(app).ping() == {NODE: {"ok": "pong"}}
        assert inspect(app, destination=NODE).ping() == {"ok": "pong"}
    assert app.control.ping() == []
    assert inspect(app).ping() is None


def test_destination_pattern_limit_and_callback(app):
    with start_worker(app, hostname="a@x"), start_worker(app, hostname="b@y"):
        assert app.control.ping(["b@y"], PATIENCE_S) == [{"b@y": {"ok": "pong"}}]
        assert inspect(app, pattern="a@*").ping().keys() == {"a@x"}
        assert inspect(app, pattern="[bc]@.", matcher="pcre").ping().keys() == {"b@y"}
        assert inspect(app, pattern="y", matcher=str.endswith).ping().keys() == {"b@y"}
        assert len(inspect(app, limit=1).ping()) == 1
        heard = []
        replies = app.control.broadcast(
            "ping", reply=True, timeout=PATIENCE_S, callback=heard.append
        )
        assert sorted(map(str, heard)) == sorted(map(str, replies))
        assert len(replies) == 2
        assert app.control.broadcast("ping") is None
        with pytest.raises(InvalidArgument, match="matcher"):
            app.control.broadcast("ping", reply=True, pattern="a", matcher="sql")
        with pytest.raises(TypeError, match="destination"):
            app.control.broadcast("ping", destination=5)
        with pytest.raises(TypeError, match="argument"):
            app.control.broadcast("ping", {"x": object()})


def test_the_default_worker_is_known_by_celerys_name_too(app):
    with start_worker(app):
        assert app.control.ping([f"celery@{HOST}"], PATIENCE_S) == [
            {f"worker@{HOST}": {"ok": "pong"}}
        ]


def test_two_workers_of_one_name_both_answer(app):
    with start_worker(app, hostname="w1"), start_worker(app, hostname="w1"):
        assert app.control.ping(timeout=PATIENCE_S) == [{NODE: {"ok": "pong"}}] * 2
        with pytest.warns(DuplicateNodenameWarning, match="w1@"):
            inspect(app).ping()
    assert flatten_reply([{"a": 1}, {"b": 2}]) == {"a": 1, "b": 2}


def test_awaited(app):
    async def ping():
        assert await app.control.aio.ping(timeout=PATIENCE_S) == [{NODE: {"ok": "pong"}}]
        assert await inspect(app).aio.ping() == {NODE: {"ok": "pong"}}

    with start_worker(app, hostname="w1"):
        asyncio.run(ping())


@pytest.mark.parametrize("pool", POOLS)
def test_active_reserved_scheduled_and_query_task(app, gate, pool):
    # Its clock stands still: a claimed job that no slot takes goes back after 50 ms, for other workers.
    app._clock = _core.ManualClock(int(time.time() * 1000))
    with start_worker(app, pool=pool, hostname="w1", prefetch=3):
        running = gate.delay(x=5)
        assert gate.began.wait(PATIENCE_S)
        claimed = gate.delay(6)
        later = gate.apply_async((7,), countdown=600, priority=4)
        ask_ = inspect(app)
        (job,) = ask_.active()[NODE]
        assert (job["id"], job["name"], job["type"]) == (running.id, "held", "held")
        assert job["kwargs"] == {"x": 5}
        assert job["args"] == []
        assert job["hostname"] == NODE
        assert job["worker_pid"] == os.getpid()
        assert job["acknowledged"] is True
        assert job["time_start"] > 0
        assert job["delivery_info"]["routing_key"] == "default"
        until(lambda: [each["id"] for each in ask_.reserved()[NODE]] == [claimed.id])
        (row,) = ask_.scheduled()[NODE]
        assert row["request"]["id"] == later.id
        assert row["priority"] == 4
        assert "T" in row["eta"]
        found = ask_.query_task(running.id, claimed.id, "unknown")[NODE]
        assert {job_id: state for job_id, (state, _) in found.items()} == {
            running.id: "active",
            claimed.id: "reserved",
        }
        assert ask_.query_task([running.id])[NODE].keys() == {running.id}
        gate.go_on.set()
        assert running.get(PATIENCE_S) == 5


def test_registered_and_active_queues(app):
    @app.task(name="shop.pay", queue="money", max_retries=7)
    def pay(): ...

    @app.task(name="millrace.own")
    def own(): ...

    with start_worker(app, hostname="w1", queues=["default", "money"]):
        assert inspect(app).registered() == {NODE: ["shop.pay"]}
        assert inspect(app).registered_tasks("max_retries") == {NODE: ["shop.pay [max_retries=7]"]}
        queues = inspect(app).active_queues()[NODE]
        assert [each["name"] for each in queues] == ["default", "money"]
        assert queues[0]["exchange"]["type"] == "direct"


def test_stats(app, gate):
    gate.go_on.set()
    with start_worker(app, hostname="w1", pool="threads", concurrency=3):
        gate.delay().get(PATIENCE_S)
        stats = inspect(app).stats()[NODE]
    assert stats["total"] == {"held": 1}
    assert stats["pid"] == os.getpid()
    assert stats["pool"]["max-concurrency"] == 3
    assert stats["pool"]["processes"] == [os.getpid()]
    assert stats["broker"]["transport"] == "sqlite"
    assert stats["rusage"]["maxrss"] > 0
    assert stats["uptime"] >= 0
    assert int(stats["clock"]) > 0


def test_report_clock_hello_and_memory(app):
    with start_worker(app, hostname="w1"):
        ask_ = inspect(app)
        assert "millrace:" in ask_.report()[NODE]["ok"]
        assert ask_.clock()[NODE]["clock"] > 0
        assert ask_.hello("other@host")[NODE]["revoked"] == {}
        assert ask_.hello(NODE)[NODE] is None
        assert "no samples" in ask_.memdump()[NODE] or "MB" in ask_.memdump()[NODE]
        assert ask_.memsample()[NODE].endswith("MB")
        assert "MB" in ask_.memdump(samples=1)[NODE]
        assert "objgraph" in str(ask_.objgraph()[NODE])
        assert isinstance(ask_.conf()[NODE], dict)


def test_revoke_waiting_and_running_jobs(app):
    began = threading.Event()

    @app.task(name="sleeper")
    async def sleeper():
        began.set()
        await asyncio.sleep(3600)

    waiting = [sleeper.delay() for _ in range(2)]
    assert app.control.revoke([each.id for each in waiting]) is None
    assert [each.state for each in waiting] == ["REVOKED"] * 2
    app.control.revoke("no-such-job")
    with start_worker(app, hostname="w1", pool="asyncio"):
        running = sleeper.delay()
        assert began.wait(PATIENCE_S)
        assert "flagged as revoked" in ask(app, "revoke", running.id)["ok"]
        with pytest.raises(TaskRevokedError):
            running.get(PATIENCE_S)
        revoked = {*(each.id for each in (*waiting, running)), "no-such-job"}
        assert set(inspect(app).revoked()[NODE]) == revoked
        assert ask(app, "terminate", running.id)["ok"] == f"terminate: {running.id}"
    with pytest.raises(InvalidArgument, match="signal"):
        app.control.terminate("x", signal="SIGNOTHING")


def test_revoke_by_stamped_headers(app):
    @app.task(name="stamped")
    def stamped(): ...

    def enqueue(**stamps):
        headers = _core.dumps(Place(stamps=stamps).fields())
        spec = stamped.prepare().spec.replace(headers=headers)
        return app.AsyncResult(app.engine.enqueue([spec]).ids()[0])

    ours, listed, other = enqueue(tenant="a"), enqueue(tenant=["x", "b"]), enqueue(tenant="c")
    plain = stamped.delay()
    assert app.control.revoke_by_stamped_headers({"tenant": ["a", "b"]}) is None
    states = [each.state for each in (ours, listed, other, plain)]
    assert states == ["REVOKED", "REVOKED", "PENDING", "PENDING"]
    with start_worker(app, hostname="w1", queues=["elsewhere"]):
        assert "flagged" in ask(app, "revoke_by_stamped_headers", {"tenant": "c"})["ok"]
    assert other.state == "REVOKED"


def test_rate_limit_holds_for_all_workers_and_keeps_the_concurrency(app):
    @app.task(name="slow")
    def slow(): ...

    app.limits.set(task="slow", concurrency=2)
    app.control.rate_limit("slow", "10/m")
    (limit,) = app.limits.list()
    assert (limit.rate.count, limit.concurrency) == (10, 2)
    app.control.rate_limit("slow", 5)
    assert app.limits.list()[0].rate.count == 5
    with start_worker(app, hostname="w1"):
        assert ask(app, "rate_limit", "slow", "7/h") == {"ok": "new rate limit set successfully"}
        assert ask(app, "rate_limit", "slow", None) == {"ok": "rate limit disabled successfully"}
        assert ask(app, "rate_limit", "unknown", "1/s") == {"error": "unknown task"}
        answer = app.control.broadcast(
            "rate_limit",
            {"task_name": "slow", "rate_limit": "often"},
            reply=True,
            timeout=PATIENCE_S,
        )
        assert "Invalid rate limit" in answer[0][NODE]["error"]
    assert [each.concurrency for each in app.limits.list() if each.task == "slow"] == [2]
    with pytest.raises(InvalidArgument, match="rate"):
        app.control.rate_limit("slow", "often")


@pytest.mark.parametrize("pool", ["threads", "asyncio"])
def test_time_limit(app, pool):
    from millrace import SoftTimeLimitExceeded

    @app.task(name="sleeper")
    async def sleeper():
        await asyncio.sleep(3600)

    with start_worker(app, hostname="w1", pool=pool):
        assert ask(app, "time_limit", "sleeper", soft=0.01) == {
            "ok": "time limits set successfully"
        }
        with pytest.raises(SoftTimeLimitExceeded):
            sleeper.delay().get(PATIENCE_S)
        assert ask(app, "time_limit", "nothing", soft=1) == {"error": "unknown task"}
        assert "soft" in ask(app, "time_limit", "sleeper", soft=-1)["error"]


@pytest.mark.parametrize("pool", POOLS)
def test_add_and_cancel_consumer(app, gate, pool):
    @app.task(name="where", bind=True)
    def where(self):
        return self.request.queue

    with start_worker(app, hostname="w1", pool=pool, concurrency=2):
        other = where.apply_async(queue="other")
        running = None
        if pool != "solo":
            running = gate.delay(1)  # its session is replaced while it runs
            assert gate.began.wait(PATIENCE_S)
        assert ask(app, "add_consumer", "other") == {"ok": "add consumer other"}
        assert other.get(PATIENCE_S) == "other"
        assert ask(app, "add_consumer", "other", exchange="x")["ok"]
        gate.go_on.set()
        assert running is None or running.get(PATIENCE_S) == 1
        assert ask(app, "cancel_consumer", "other") == {"ok": "no longer consuming from other"}
        assert [each["name"] for each in inspect(app).active_queues()[NODE]] == ["default"]
        left = where.apply_async(queue="other")
        assert where.delay().get(PATIENCE_S) == "default"
        assert "only queue" in ask(app, "cancel_consumer", "default")["error"]
    assert left.state == "PENDING"


@pytest.mark.parametrize("pool", ["threads", "asyncio"])
def test_pool_grow_and_shrink(app, pool):
    barrier = threading.Barrier(3)

    @app.task(name="meet")
    def meet():
        barrier.wait(PATIENCE_S)

    with start_worker(app, hostname="w1", pool=pool, concurrency=1):
        assert ask(app, "pool_grow", 2) == {"ok": "pool will grow"}
        for wrong in (0, -2):
            assert "n must be at least 1" in ask(app, "pool_grow", wrong)["error"]
            assert "n must be at least 1" in ask(app, "pool_shrink", wrong)["error"]
        meet.delay_many([()] * 3).get(PATIENCE_S)
        assert ask(app, "pool_shrink", 1) == {"ok": "pool will shrink"}
        assert inspect(app).stats()[NODE]["pool"]["max-concurrency"] == 2


def test_what_a_pool_cannot_is_said(app):
    with start_worker(app, hostname="w1"):
        assert "one job at a time" in ask(app, "pool_grow")["error"]
        assert "SIGHUP" in ask(app, "pool_restart")["error"]
        assert ask(app, "autoscale", 5, 1)["error"] == "Autoscale not enabled"
        assert ask(app, "enable_events") == {"ok": "task events already enabled"}
        assert "cannot be disabled" in ask(app, "disable_events")["error"]
        assert ask(app, "heartbeat") is None
    with pytest.raises(InvalidArgument, match="no elections"):
        app.control.election("id", "topic")


def test_shutdown(app, gate):
    with start_worker(app, hostname="w1", pool="threads") as worker:
        result = gate.delay(3)
        assert gate.began.wait(PATIENCE_S)
        assert app.control.shutdown(reply=True, timeout=PATIENCE_S) == [
            {NODE: {"ok": "shutting down"}}
        ]
        gate.go_on.set()
        assert worker.join(PATIENCE_S)
    assert result.get(PATIENCE_S) == 3


def test_purge_removes_what_waits_in_all_queues(app):
    @app.task(name="f")
    def f(): ...

    f.delay()
    f.apply_async(queue="other")
    f.apply_async(countdown=600)
    assert app.control.purge() == 3
    assert app.control.discard_all() == 0


def test_commands_of_an_application(app):
    @control_command(name="test_set_level", args=[("level", str)], signature="<level>", alias="tsl")
    def set_level(state, level):
        """Sets the level."""
        return {"ok": [level, state.app.name, state.hostname, state.consumer is state.worker]}

    @inspect_command()
    def test_fail(state):
        raise ValueError("it went wrong")

    @Panel.register
    def test_reject(state):
        raise Reject("no")

    try:
        assert Panel.meta["test_set_level"].help == "Sets the level."
        assert Panel.meta["test_fail"].type == "inspect"
        with start_worker(app, hostname="w1"):
            for name in ("test_set_level", "tsl"):
                answer = app.control.broadcast(name, {"level": "x"}, reply=True, timeout=PATIENCE_S)
                assert answer == [{NODE: {"ok": ["x", "test", NODE, True]}}]
            failed = app.control.broadcast("test_fail", reply=True, timeout=PATIENCE_S)
            assert failed == [{NODE: {"error": "ValueError: it went wrong"}}]
            unknown = app.control.broadcast("test_nothing", reply=True, timeout=PATIENCE_S)
            assert unknown == [{NODE: {"error": "No such command: test_nothing"}}]
            assert app.control.ping(timeout=PATIENCE_S)
    finally:
        for name in ("test_set_level", "tsl", "test_fail", "test_reject"):
            Panel.data.pop(name, None)
            Panel.meta.pop(name, None)


def test_a_worker_without_remote_control_is_silent(app):
    with start_worker(app, remote_control=False):
        assert app.control.ping() == []


def test_queues_of_workers_that_are_gone_are_removed(app):
    with start_worker(app):
        app.control.ping(timeout=PATIENCE_S)
    (gone,) = [q.queue for q in app.engine.list_queues() if q.queue.startswith("millrace.control.")]
    # Its replies are kept for those who wait; a queue without any goes at once.
    app.engine.remove_many(gone, state="completed")
    with start_worker(app):
        names = [q.queue for q in app.engine.list_queues()]
    assert gone not in names


def test_control_is_made_of_an_application(app):
    assert isinstance(app.control, Control)
    assert app.control.app is app


def test_a_reply_that_is_too_large_is_an_error(tmp_path):
    with Millrace("small", store=tmp_path / "s.db", max_payload_bytes=1024) as app:
        for number in range(100):
            app.task(name=f"{'long' * 10}{number}")(lambda: None)
        with start_worker(app, hostname="w1"):
            asked = app.control.broadcast("registered", reply=True, timeout=PATIENCE_S)
            assert "the reply of registered" in asked[0][NODE]["error"]
            assert app.control.ping(timeout=PATIENCE_S) == [{NODE: {"ok": "pong"}}]
