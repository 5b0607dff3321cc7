"""The options of `@app.task`, and what a class of tasks may say instead."""

import datetime as dt
import logging

import pytest
from millrace import Millrace
from millrace.errors import InvalidArgument
from millrace.task import Task
from millrace.testing import Harness


@pytest.fixture
def app(tmp_path):
    with Millrace("shop", store=tmp_path / "jobs.db", durability="process") as made:
        yield made


def test_name_and_bind(app):
    @app.task(name="mine", bind=True)
    def f(self, x):
        return self.name, x

    assert app.tasks["mine"] is f
    assert f.apply((1,)).get() == ("mine", 1)
    with pytest.raises(TypeError, match="bind"):
        app.task(bind=1)(lambda: None)


class Traced(Task):
    colour = "red"

    def before_start(self, task_id, args, kwargs):
        self.seen = (task_id, tuple(args), dict(kwargs))

    @property
    def cached(self):
        if not hasattr(self, "_cached"):
            self._cached = object()
        return self._cached


def test_base(app):
    @app.task(base=Traced, bind=True, colour="blue", name="f")
    def f(self, x, y=2):
        return self.colour, self.cached is self.cached

    @app.task(base=Traced)
    def g(): ...

    assert f.apply((1,), {"y": 3}, task_id="t").get() == ("blue", True)
    assert f.seen == ("t", (1, 3), {})
    assert (f.colour, g.colour) == ("blue", "red")
    assert isinstance(f, Traced)
    with pytest.raises(TypeError, match="base"):
        app.task(base=dict)(lambda: None)
    with pytest.raises(TypeError, match=r"color.*colour"):
        app.task(base=Traced, color="blue")(lambda: None)


def test_a_call_that_a_base_overrides_is_how_the_worker_calls(app):
    class InContext(Task):
        depth = 0

        def __call__(self, *args, **kwargs):
            type(self).depth += 1
            return "in context: " + super().__call__(*args, **kwargs)

    @app.task(base=InContext, bind=True)
    def f(self, x):
        return f"{x} {self.request.called_directly} {self.request.id is not None}"

    with Harness(app) as harness:
        result = f.delay("a")
        assert harness.run_all() == 1
        assert result.get() == "in context: a False True"
        assert f("b") == "in context: b True False"


# --- Retries --------------------------------------------------------------------------------------


def test_autoretry_for_and_dont_autoretry_for(app):
    @app.task(
        autoretry_for=(OSError,),
        dont_autoretry_for=(FileNotFoundError,),
        max_retries=2,
        default_retry_delay=1,
    )
    def f(kind):
        raise kind_of(kind)

    def kind_of(kind):
        return {"os": OSError("x"), "file": FileNotFoundError("x"), "key": KeyError("x")}[kind]

    assert f.is_retryable(OSError())
    assert not f.is_retryable(FileNotFoundError())
    with Harness(app) as harness:
        results = [f.delay(kind) for kind in ("os", "file", "key")]
        harness.run_all()
        assert [r.state for r in results] == ["RETRY", "FAILURE", "FAILURE"]
        harness.advance(1)
        harness.run_all()
        harness.advance(1)
        harness.run_all()
        assert results[0].state == "FAILURE"
        assert results[0].details().attempts_made == 3


def test_retry_kwargs(app):
    @app.task(autoretry_for=(OSError,), retry_kwargs={"max_retries": 1, "countdown": 7})
    def f():
        raise OSError("x")

    with Harness(app) as harness:
        result = f.delay()
        harness.run_all()
        harness.advance(6)
        assert harness.run_all() == 0
        harness.advance(1)
        assert harness.run_all() == 1
        assert result.state == "FAILURE"
    with pytest.raises(TypeError, match="retry_kwargs"):
        app.task(retry_kwargs=5)(lambda: None)


def test_retry_backoff_its_bound_and_jitter(app):
    @app.task(
        autoretry_for=(OSError,),
        retry_backoff=2,
        retry_backoff_max=5,
        retry_jitter=False,
        max_retries=9,
    )
    def f(): ...

    @app.task(retry_backoff=True)
    def jittery(): ...

    policy = f.policy
    assert (policy.backoff, policy.delay_ms, policy.max_ms, policy.jitter) == (
        "exponential",
        2000,
        5000,
        0.0,
    )
    assert (jittery.policy.delay_ms, jittery.policy.max_ms, jittery.policy.jitter) == (
        1000,
        600_000,
        1.0,
    )


def test_max_retries_and_default_retry_delay(app):
    @app.task(bind=True, max_retries=1, default_retry_delay=5)
    def f(self):
        raise self.retry(exc=KeyError("k"))

    with Harness(app) as harness:
        result = f.delay()
        harness.run_all()
        harness.advance(5)
        harness.run_all()
        with pytest.raises(KeyError):
            result.get()
        assert result.details().attempts_made == 2
    assert app.task(lambda: None).max_retries == 3
    assert app.task(max_retries=None)(lambda: None).policy.max_attempts > 100_000


# --- Limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "count", "seconds"),
    [("100/s", 100, 1), ("10/m", 10, 60), ("5/h", 5, 3600), (7, 7, 1), ("3", 3, 1), (0.5, 1, 2)],
)
def test_rate_limit(app, rate, count, seconds):
    @app.task(name="f", rate_limit=rate)
    def f(): ...

    app.tell_rate_limits()
    (limit,) = app.limits.list()
    assert (limit.scope, limit.task) == ("task", "f")
    assert (limit.rate.count, limit.rate.per) == (count, seconds)


def test_rate_limit_of_the_settings_and_none(app):
    @app.task(name="f")
    def f(): ...

    @app.task(name="g", rate_limit=0)
    def g(): ...

    app.conf.task_default_rate_limit = "10/m"
    assert f.rate_limit == "10/m"
    app.tell_rate_limits()
    assert [each.task for each in app.limits.list()] == ["f"]
    for wrong in ("fast", "5/x", -1):
        with pytest.raises(InvalidArgument, match="rate_limit"):
            app.task(rate_limit=wrong)(lambda: None)
    app.conf.worker_disable_rate_limits = True
    app.limits.remove(task="f")
    app.tell_rate_limits()
    assert app.limits.list() == []


def test_time_limits_and_expires(app):
    @app.task(time_limit=9, soft_time_limit=8, expires=100)
    def f(): ...

    spec = f.spec
    assert (spec.time_limit_ms, spec.soft_time_limit_ms, spec.expires_in_ms) == (
        9000,
        8000,
        100_000,
    )
    until = dt.datetime(2100, 1, 1, tzinfo=dt.timezone.utc)
    assert app.task(expires=until)(lambda: None).spec.expires_at_ms == until.timestamp() * 1000


# --- Delivery -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "delivery"),
    [
        ({}, "at_least_once"),
        ({"acks_late": True}, "at_least_once"),
        ({"acks_late": False}, "at_most_once"),
        ({"acks_late": True, "reject_on_worker_lost": True}, "at_least_once"),
        ({"acks_late": True, "reject_on_worker_lost": False}, "at_most_once"),
        ({"acks_late": False, "delivery": "at_least_once"}, "at_least_once"),
    ],
)
def test_acks_late_and_reject_on_worker_lost(app, options, delivery):
    assert app.task(**options)(lambda: None).spec.delivery == delivery


def test_acks_late_of_the_settings(app):
    @app.task
    def f(): ...

    app.conf.task_acks_late = False
    assert f.spec.delivery == "at_most_once"
    app.conf.task_acks_late = True
    assert f.spec.delivery == "at_least_once"
    app.conf.task_reject_on_worker_lost = False
    assert f.spec.delivery == "at_most_once"


@pytest.mark.parametrize(
    "option",
    [
        "acks_on_failure",
        "acks_on_timeout",
        "acks_on_failure_or_timeout",
        "shared",
        "lazy",
        "abstract",
        "send_events",
        "track_started",
        "store_errors_even_if_ignored",
    ],
)
def test_flags_without_effect(app, option):
    @app.task(**{option: False})
    def f():
        return 5

    @app.task(**{option: True})
    def g():
        raise KeyError("kept")

    with Harness(app) as harness:
        good, bad = f.delay(), g.delay()
        harness.run_all()
        assert good.get() == 5
        assert isinstance(bad.result, KeyError)


def test_names_without_effect(app):
    @app.task(serializer="json", compression="gzip", backend=object(), resultrepr_maxsize=10)
    def f():
        return "x" * 50

    assert (f.serializer, f.compression, f.resultrepr_maxsize) == ("json", "gzip", 10)
    with Harness(app) as harness:
        result = f.delay()
        harness.run_all()
        assert result.get() == "x" * 50


# --- Where to, and how urgent ---------------------------------------------------------------------


def test_queue_and_priority(app):
    @app.task(queue="images", priority=4)
    def f(): ...

    @app.task
    def g(): ...

    assert (f.delay().details().spec.queue, f.spec.priority, g.spec.priority) == ("images", 4, 0)
    app.conf.task_default_priority = 7
    assert (f.spec.priority, g.spec.priority) == (4, 7)
    g.priority = 2
    assert g.spec.priority == 2
    app.conf.task_default_priority = 8
    assert (g.priority, g.spec.priority) == (2, 2)


# --- Results --------------------------------------------------------------------------------------


def test_ignore_result(app):
    @app.task(ignore_result=True)
    def f():
        return 5

    @app.task
    def g():
        return 6

    with Harness(app) as harness:
        ignored, kept = f.delay(), g.delay()
        once = g.apply_async(ignore_result=True)
        but = f.apply_async(ignore_result=False)
        harness.run_all()
        assert [r.get() for r in (ignored, kept, once, but)] == [None, 6, None, 5]
    app.conf.task_ignore_result = True
    assert g.ignore_result is True


def test_throws_are_logged_as_information(app, caplog):
    @app.task(name="f", throws=(KeyError,))
    def f():
        raise KeyError("expected")

    @app.task(name="g")
    def g():
        raise KeyError("not expected")

    caplog.set_level(logging.INFO, "millrace")
    with Harness(app) as harness:
        first, second = f.delay(), g.delay()
        harness.run_all()
        assert [first.state, second.state] == ["FAILURE", "FAILURE"]
    levels = {r.getMessage()[:6]: (r.levelname, r.exc_info is None) for r in caplog.records}
    assert levels["Task f"] == ("INFO", True)
    assert levels["Task g"] == ("ERROR", False)


class OddError(Exception):
    pass


def test_errors_that_options_name_are_raised_as_what_they_are(app):
    @app.task(throws=OddError)
    def f():
        raise OddError("mine")

    with Harness(app) as harness:
        result = f.delay()
        harness.run_all()
        with pytest.raises(OddError, match="mine"):
            result.get()


def test_typing_off_checks_nothing(app):
    @app.task(typing=False)
    def f(x): ...

    spec = f.delay(1, 2, y=3).details().spec
    assert spec.data == '{"$args":[1,2],"$kwargs":{"y":3}}'


def test_trail(app):
    @app.task
    def leaf(): ...

    @app.task(bind=True)
    def remembers(self):
        leaf.delay()
        leaf.apply_async(add_to_parent=False)
        app.send_task(leaf.name)
        return len(self.request.children)

    @app.task(bind=True, trail=False)
    def forgets(self):
        leaf.delay()
        return len(self.request.children)

    with Harness(app) as harness:
        first, second = remembers.delay(), forgets.delay()
        harness.run_all()
        assert (first.get(), second.get()) == (2, 0)
