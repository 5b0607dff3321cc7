"""The hooks of tasks, and annotations of tasks by the settings."""

import pytest
from millrace import Ignore, Millrace, Reject, Retry
from millrace.task import Task
from millrace.testing import Harness


@pytest.fixture
def app(tmp_path):
    with Millrace("shop", store=tmp_path / "jobs.db", durability="process") as made:
        yield made


# --- Hooks ----------------------------------------------------------------------------------------


def hooks():
    heard = []

    def hook(name):
        def call(self, *args):
            heard.append((name, *args))

        return call

    names = ("before_start", "on_success", "on_failure", "on_retry", "after_return")
    return heard, {name: hook(name) for name in names}


@pytest.mark.parametrize("how", ["options", "base"])
def test_hooks_in_celerys_order(app, how):
    heard, options = hooks()
    if how == "base":
        options = {"base": type("Hooked", (Task,), options)}

    @app.task(bind=True, name="f", max_retries=1, default_retry_delay=0.001, **options)
    def f(self, x, y=2):
        if x == "good":
            return "fine"
        if x == "ignore":
            raise Ignore
        if x == "reject":
            raise Reject("no")
        if x == "raise":
            raise Retry("again", when=0.001)
        raise self.retry(exc=KeyError(x))

    with Harness(app) as harness:
        f.apply_async(("good",), task_id="t1")
        harness.run_all()
        assert heard == [
            ("before_start", "t1", ["good"], {}),
            ("on_success", "fine", "t1", ["good"], {}),
            ("after_return", "SUCCESS", "fine", "t1", ["good"], {}, None),
        ]
        heard.clear()
        f.apply_async(("bad",), {"y": 3}, task_id="t2")
        harness.run_all()
        harness.advance(1)
        harness.run_all()
        names = [each[0] for each in heard]
        assert names == ["before_start", "on_retry", "before_start", "on_failure", "after_return"]
        _, error, task_id, args, kwargs, einfo = heard[1]
        assert (repr(error), task_id, args, kwargs["y"]) == ("KeyError('bad')", "t2", ["bad", 3], 3)
        assert "KeyError" in einfo.traceback
        assert heard[3][1:3] == (heard[4][2], "t2")
        assert heard[4][1] == "FAILURE"
        assert einfo.type is Retry
        assert str(heard[3][-1]).startswith("Traceback")
        heard.clear()
        for word in ("ignore", "reject", "raise"):
            f.delay(word)
        harness.run_all()
        assert sorted(each[0] for each in heard) == ["before_start"] * 3 + ["on_retry"]


def test_before_start_that_raises_fails_the_job(app):
    heard, options = hooks()

    def refuse(self, task_id, args, kwargs):
        raise KeyError("not today")

    @app.task(**{**options, "before_start": refuse})
    def f(): ...

    with Harness(app) as harness:
        result = f.delay()
        harness.run_all()
        assert isinstance(result.result, KeyError)
        assert [each[0] for each in heard] == ["on_failure", "after_return"]


def test_a_hook_that_raises_changes_nothing(app, caplog):
    @app.task(on_success=lambda self, *args: 1 / 0)
    def f():
        return 5

    with Harness(app) as harness:
        result = f.delay()
        harness.run_all()
        assert result.get() == 5
    assert "ZeroDivisionError" in caplog.text


def test_a_result_that_cannot_be_stored_is_a_failure_for_the_hooks_too(app):
    heard, options = hooks()

    @app.task(**options)
    def f():
        return {1, 2}

    with Harness(app) as harness:
        result = f.delay()
        harness.run_all()
        assert isinstance(result.result, TypeError)
        assert [each[0] for each in heard] == ["before_start", "on_failure", "after_return"]


def test_hooks_of_coroutines_and_batches(app):
    heard, options = hooks()

    @app.task(**options)
    async def f(x):
        return x

    with Harness(app) as harness:
        f.delay(1)
        harness.run_all()
    assert [each[0] for each in heard] == ["before_start", "on_success", "after_return"]


# --- Annotations ----------------------------------------------------------------------------------


def test_annotations_of_the_settings(app):
    heard = []

    @app.task(name="feeds.load")
    def load(x):
        return x

    @app.task(name="other")
    def other(): ...

    def on_success(self, *args):
        heard.append((self.name, args[0]))

    app.conf.task_annotations = [
        {"*": {"max_retries": 9}, "feeds.load": {"rate_limit": "5/m", "time_limit": 30}},
        {"feeds.load": {"on_success": on_success, "@run": lambda run: lambda x: run(x) + 1}},
    ]
    assert (load.max_retries, other.max_retries, load.rate_limit) == (9, 9, "5/m")
    assert load.spec.time_limit_ms == 30_000
    assert load.policy.max_attempts == 10
    assert load.apply((1,)).get() == 2
    assert heard == [("feeds.load", 2)]
    with pytest.raises(TypeError, match="task_annotations"):
        app.conf.task_annotations = 5
    assert load.annotate() is None


def test_what_a_hook_logs_is_in_the_jobs_log(app):
    @app.task(on_success=lambda self, retval, *rest: self.log(f"answered {retval}"))
    def f():
        return 5

    with Harness(app) as harness:
        result = f.delay()
        harness.run_all()
        assert result.logs() == ["answered 5"]
