"""The signals about publishing and about tasks: when they are sent, by whom, and with what."""

import logging

import pytest
from millrace import Ignore, Millrace, Reject, signals
from millrace.testing import Harness


@pytest.fixture
def app(tmp_path):
    with Millrace("shop", store=tmp_path / "jobs.db", durability="process") as made:
        yield made


@pytest.fixture
def heard():
    """What signals say, in order; those of a test are connected for its length."""
    calls = []
    connected = []

    def connect(*named, sender=None):
        for signal in named:

            def hear(signal, sender, **kwargs):
                calls.append((signal.name, sender, kwargs))

            signal.connect(hear, weak=False, sender=sender)
            connected.append((signal, hear, sender))
        return calls

    yield connect
    for signal, receiver, sender in connected:
        assert signal.disconnect(receiver, sender=sender)
    assert not signals.PUBLISHING
    assert not signals.RUNNING


def test_publishing(app, heard):
    calls = heard(signals.before_task_publish, signals.after_task_publish, signals.task_sent)

    @app.task(name="f", queue="q")
    def f(x): ...

    result = f.apply_async((5,), headers={"own": "1"}, priority=3)
    (before, sender, told), (after, _, later), (sent, _, old) = calls
    assert (before, after, sent) == ("before_task_publish", "after_task_publish", "task_sent")
    assert sender == "f"
    assert told["body"][:2] == ([], {"x": 5})
    assert (told["routing_key"], told["exchange"], told["declare"]) == ("q", "", [])
    assert told["headers"]["id"] == later["headers"]["id"] == result.id
    assert (told["headers"]["task"], told["headers"]["own"]) == ("f", "1")
    assert told["properties"]["correlation_id"] == result.id
    assert told["retry_policy"]["max_retries"] == 3
    assert old["task_id"] == result.id
    assert (old["task"], old["kwargs"]) == ("f", {"x": 5})


def test_headers_that_a_receiver_adds_travel(app, heard):
    @signals.before_task_publish.connect(sender="f")
    def add(headers, **kwargs):
        headers["trace"] = {"id": 5}

    @app.task(name="f", bind=True)
    def f(self):
        return self.request.trace

    with Harness(app) as harness:
        results = [f.delay(), *f.delay_many([()]), app.send_task("f"), *app.enqueue_many([f.s()])]
        harness.run_all()
        assert [r.get() for r in results] == [{"id": 5}] * 4
    assert signals.before_task_publish.disconnect(add, sender="f")


def test_a_receiver_for_one_task_is_told_by_name(app, heard):
    calls = heard(signals.after_task_publish, sender="only")
    app.send_task("only")
    app.send_task("other")
    assert [sender for _, sender, _ in calls] == ["only"]


async def test_publishing_from_asyncio(app, heard):
    calls = heard(signals.before_task_publish, signals.after_task_publish)
    result = await app.aio.send_task("f")
    assert [name for name, _, _ in calls] == ["before_task_publish", "after_task_publish"]
    assert calls[0][2]["headers"]["id"] == result.id


def test_a_task_that_succeeds(app, heard):
    calls = heard(
        signals.task_received, signals.task_prerun, signals.task_success, signals.task_postrun
    )

    @app.task(name="f")
    def f(x, *, y=1):
        return x + y

    with Harness(app) as harness:
        result = f.delay(1, y=2)
        harness.run_all()
    names = [name for name, _, _ in calls]
    assert names == ["task_received", "task_prerun", "task_success", "task_postrun"]
    received, prerun, success, postrun = (told for _, _, told in calls)
    assert received["request"].id == result.id
    assert all(sender is f for _, sender, _ in calls[1:])
    assert prerun == {"task_id": result.id, "task": f, "args": [1], "kwargs": {"y": 2}}
    assert success["result"] == 3
    assert success["runtime"] >= 0
    assert (postrun["retval"], postrun["state"], postrun["args"]) == (3, "SUCCESS", [1])


def test_a_task_that_fails(app, heard):
    calls = heard(signals.task_failure, signals.task_postrun)

    @app.task(name="f")
    def f(x):
        raise KeyError("k")

    with Harness(app) as harness:
        result = f.delay(1)
        harness.run_all()
    failure, postrun = (told for _, _, told in calls)
    assert (failure["task_id"], failure["args"], failure["kwargs"]) == (result.id, [1], {})
    assert isinstance(failure["exception"], KeyError)
    assert failure["traceback"] is failure["einfo"].tb
    assert "KeyError: 'k'" in str(failure["einfo"])
    assert (postrun["state"], postrun["retval"]) == ("FAILURE", failure["exception"])


def test_a_task_that_is_retried(app, heard):
    calls = heard(signals.task_retry, signals.task_postrun)

    @app.task(name="f", bind=True, max_retries=1)
    def f(self):
        raise self.retry(exc=KeyError("k"), countdown=5)

    @app.task(name="g", autoretry_for=(OSError,), max_retries=1)
    def g():
        raise OSError("o")

    with Harness(app) as harness:
        result = f.delay()
        g.delay()
        harness.run_all()
    told = {sender.name: each for name, sender, each in calls if name == "task_retry"}
    assert told["f"]["request"].id == result.id
    assert (told["f"]["reason"].when, repr(told["f"]["reason"].exc)) == (5, "KeyError('k')")
    assert repr(told["g"]["reason"].exc) == "OSError('o')"
    assert told["f"]["einfo"].type.__name__ == "Retry"
    assert [each["state"] for name, _, each in calls if name == "task_postrun"] == ["RETRY"] * 2


def test_a_task_that_is_rejected_or_ignored(app, heard):
    calls = heard(signals.task_rejected, signals.task_postrun)

    @app.task(name="f")
    def f(how):
        raise Reject("no") if how == "reject" else Ignore

    with Harness(app) as harness:
        result = f.delay("reject")
        f.delay("ignore")
        harness.run_all()
    rejected = [told for name, _, told in calls if name == "task_rejected"]
    assert [each["message"].id for each in rejected] == [result.id]
    assert isinstance(rejected[0]["exc"], Reject)
    states = [told["state"] for name, _, told in calls if name == "task_postrun"]
    assert states == ["REJECTED", "IGNORED"]


def test_a_task_that_nobody_knows(app, heard):
    calls = heard(signals.task_unknown)
    with Harness(app) as harness:
        result = app.send_task("nowhere")
        harness.run_all()
    ((_, _, told),) = calls
    assert (told["name"], told["id"], told["message"].id) == ("nowhere", result.id, result.id)
    assert type(told["exc"]).__name__ == "NotRegistered"


def test_an_internal_error(app, heard, caplog):
    caplog.set_level(logging.CRITICAL, "millrace")
    calls = heard(signals.task_internal_error)

    @app.task(name="f", on_success=lambda self, *args: 1 / 0)
    def f(): ...

    with Harness(app) as harness:
        result = f.delay()
        harness.run_all()
    ((_, sender, told),) = calls
    assert (sender, told["task_id"], told["request"].id) == (f, result.id, result.id)
    assert isinstance(told["exception"], ZeroDivisionError)
    assert told["einfo"].internal


def test_eager_tasks_send_them_too(app, heard):
    calls = heard(signals.task_prerun, signals.task_success, signals.task_failure)

    @app.task(name="f")
    def f(x):
        return 1 / x

    f.apply((1,))
    f.apply((0,))
    assert [name for name, _, _ in calls] == [
        "task_prerun",
        "task_success",
        "task_prerun",
        "task_failure",
    ]
