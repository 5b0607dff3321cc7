"""Limits and groups through the whole layer."""

import threading

import pytest
from millrace import Millrace, RateLimited
from millrace.errors import GroupFull, InvalidArgument
from millrace.limits import Rate
from millrace.testing import Harness
from worker_support import PATIENCE_S, running, until


@pytest.fixture
def order():
    return []


@pytest.fixture
def note(app, order):
    @app.task(name="note", bind=True)
    def note(self, x: int) -> int:
        order.append((self.request.group, x))
        return x

    return note


# --- Rates and concurrency ------------------------------------------------------------------------


def test_a_rate_of_a_queue(app, note):
    with Harness(app) as harness:
        app.limits.set(queue="default", rate="2/s")
        note.delay_many([(i,) for i in range(5)])
        assert harness.run_all() == 2
        harness.advance(0.5)
        assert harness.run_all() == 1
        harness.advance(1)
        assert harness.run_all() == 2


@pytest.mark.parametrize("scope", [{"task": "note"}, {"queue": "default"}, {}])
def test_concurrency_is_never_exceeded(app, scope):
    app.limits.set(**scope, concurrency=2)
    lock, now, most = threading.Lock(), [0], [0]

    @app.task(name="note")
    def note(x):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        with lock:
            now[0] -= 1
        return x

    with running(app, concurrency=8):
        assert note.delay_many([(i,) for i in range(100)]).get(PATIENCE_S) == list(range(100))
    assert most[0] <= 2
    assert [limit.active for limit in app.limits.list()] == [0]


def test_what_is_read_back(app):
    app.limits.set(concurrency=100)
    app.limits.set(queue="q", rate=Rate(10, per=60), concurrency=3)
    app.limits.set(task="t", rate="3/500ms")
    app.limits.set(queue="q", group="g", concurrency=1)
    app.limits.set(queue="q", each_group=True, max_size=10)
    found = {(each.scope, each.queue, each.task, each.group): each for each in app.limits.list()}
    assert set(found) == {
        ("store", "", "", ""),
        ("queue", "q", "", ""),
        ("task", "", "t", ""),
        ("group", "q", "", "g"),
        ("group", "q", "", ""),
    }
    queue = found["queue", "q", "", ""]
    assert (queue.rate, queue.concurrency, queue.max_size) == (Rate(10, 60.0), 3, None)
    assert queue.limited_until is None
    assert found["task", "", "t", ""].rate == Rate(3, 0.5)
    assert found["group", "q", "", ""].max_size == 10
    app.limits.remove(queue="q")
    app.limits.remove(queue="q")
    assert len(app.limits.list()) == 4


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("100/s", Rate(100, 1.0)),
        ("10/m", Rate(10, 60.0)),
        ("5/h", Rate(5, 3600.0)),
        ("1/d", Rate(1, 86400.0)),
        ("7/2s", Rate(7, 2.0)),
    ],
)
def test_rates_as_text(app, text, rate):
    app.limits.set(queue="q", rate=text)
    assert app.limits.list()[0].rate == rate


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({}, InvalidArgument, "at least one of concurrency, rate and max_size"),
        ({"queue": "q", "rate": "fast"}, InvalidArgument, "rate must be starts"),
        ({"queue": "q", "rate": "0/s"}, InvalidArgument, "rate must be starts"),
        ({"queue": "q", "rate": 5}, TypeError, "rate must be a Rate or a str"),
        ({"queue": "q", "rate": Rate(0)}, InvalidArgument, "rate.count must be at least 1"),
        ({"queue": "q", "concurrency": 0}, InvalidArgument, "concurrency must be at least 1"),
        ({"queue": "q", "concurrency": -1}, InvalidArgument, "concurrency must be at least 1"),
        ({"queue": "q", "task": "t", "concurrency": 1}, InvalidArgument, "not for both"),
        ({"queue": "q", "max_size": 1}, InvalidArgument, "max_size is for groups"),
        ({"group": "g", "each_group": True, "concurrency": 1}, InvalidArgument, "not both"),
        ({"group": "", "concurrency": 1}, InvalidArgument, "group must not be empty"),
        ({"group": "g" * 10_000_000, "concurrency": 1}, InvalidArgument, "255"),
    ],
)
def test_refused(app, given, error, says):
    with pytest.raises(error, match=says):
        app.limits.set(**given)
    assert app.limits.list() == []


# --- Patience -------------------------------------------------------------------------------------


def test_throttle_from_outside(app, note):
    with Harness(app) as harness:
        app.limits.throttle(30, queue="default")
        note.delay(1)
        assert harness.run_all() == 0
        assert app.limits.list()[0].limited_until is not None
        harness.advance(30)
        assert harness.run_all() == 1
        app.limits.throttle(30, queue="default")
        app.limits.throttle(0, queue="default")
        note.delay(1)
        assert harness.run_all() == 1


@pytest.mark.parametrize("scope", ["queue", "task", "group", "store"])
def test_a_task_that_was_told_to_wait(app, scope):
    calls = []

    @app.task(bind=True)
    def remote(self) -> int:
        calls.append(self.request.attempt)
        if len(calls) == 1:
            raise RateLimited(60, scope=scope)
        return self.request.attempt

    with Harness(app) as harness:
        first = remote.apply_async(group="g")
        second = remote.apply_async(group="g")
        assert harness.run_all() == 1
        assert first.details().attempts_made == 0
        harness.advance(59.9)
        assert harness.run_all() == 0
        harness.advance(0.1)
        assert harness.run_all() == 2
        assert first.get(0) >= 1
        assert second.get(0) == 1


def test_a_scope_that_the_job_does_not_have(app):
    @app.task
    def remote() -> None:
        raise RateLimited(60, scope="group")

    with Harness(app) as harness:
        result = remote.delay()
        harness.run_all()
        assert "group" in str(result.get(0, propagate=False))


# --- Groups ---------------------------------------------------------------------------------------


def test_groups_take_turns(app, note, order):
    with Harness(app) as harness:
        for i in range(4):
            note.apply_async((i,), group="long")
        note.apply_async((10,), group="short")
        harness.run_all()
        assert order.index(("short", 10)) == 1
        assert [x for group, x in order if group == "long"] == [0, 1, 2, 3]


def test_a_group_is_paused(app, note):
    with Harness(app) as harness:
        groups = app.groups()
        groups.pause("a")
        note.apply_async((1,), group="a")
        note.apply_async((2,), group="b")
        assert harness.run_all() == 1
        listed = groups.list()
        assert [(each.group, each.paused, each.ready) for each in listed] == [("a", True, 1)]
        groups.resume("a")
        assert harness.run_all() == 1
        assert groups.list() == []


def test_a_group_may_be_full(app, note):
    app.limits.set(queue="default", each_group=True, max_size=2)
    note.apply_async((1,), group="g")
    note.apply_async((2,), group="g")
    with pytest.raises(GroupFull, match="g"):
        note.apply_async((3,), group="g")
    note.apply_async((4,), group="h")
    assert app.counts().ready == 3


def test_one_at_a_time_within_a_group(app, note, order):
    app.limits.set(each_group=True, concurrency=1)
    for i in range(20):
        note.apply_async((i,), group=f"g{i % 2}")
    with running(app, concurrency=4):
        until(lambda: len(order) == 20)
    for group in ("g0", "g1"):
        seen = [x for name, x in order if name == group]
        assert seen == sorted(seen)


async def test_the_awaitable_twins(app):
    await app.limits.aio.set(queue="q", concurrency=1)
    await app.limits.aio.throttle(5, queue="q")
    assert [each.concurrency for each in await app.limits.aio.list()] == [1]
    await app.limits.aio.remove(queue="q")
    groups = app.groups("q").aio
    await groups.pause("a")
    assert [each.group for each in await groups.list()] == ["a"]
    await groups.resume("a")
    assert await groups.list() == []


# --- Rates of tasks -------------------------------------------------------------------------------


def told(path, rate, *, others=(), name="shop"):
    """What a worker of the application tells the store when it starts; the limits are answered."""
    with Millrace(name, store=path, durability="process") as app:
        app.task(name="mail", rate_limit=rate)(lambda: None)
        for each in others:
            app.task(name=each)(lambda: None)
        app.tell_rate_limits()
        return {each.task: each for each in app.limits.list()}


def test_a_rate_that_the_code_has_no_more_is_removed(tmp_path):
    path = tmp_path / "rates.db"
    with Millrace("by hand", store=path) as app:
        app.limits.set(task="slow", rate="3/s")
        app.limits.set(task="mail", concurrency=2)
    limits = told(path, "10/m", others=["slow"])
    assert (limits["mail"].rate.count, limits["mail"].concurrency) == (10, 2)
    assert told(path, "10/m") == limits
    assert told(path, None, name="another application") == limits
    limits = told(path, None, others=["slow"])
    assert (limits["mail"].rate, limits["mail"].concurrency) == (None, 2)
    assert limits["slow"].rate.count == 3
    with Millrace("by hand", store=path) as app:
        app.limits.set(task="mail", rate="1/h")
        assert not app.control.purge()
    assert told(path, None)["mail"].rate.count == 1


def test_a_rate_of_a_task_that_this_worker_does_not_know_stays(tmp_path):
    path = tmp_path / "rates.db"
    told(path, "10/m")
    with Millrace("shop", store=path) as app:
        app.tell_rate_limits()
        assert app.limits.list()[0].rate.count == 10
    assert told(path, None) == {}
