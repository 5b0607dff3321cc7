import datetime as dt

import pytest
from millrace import Millrace
from millrace.testing import Harness


@pytest.fixture
def app(tmp_path):
    with Millrace("shop", store=tmp_path / "real.db", durability="process") as made:
        yield made


def test_jobs_run_when_they_are_due(app):
    seen = []

    @app.task(name="remind")
    def remind(address):
        seen.append(address)

    with Harness(app) as harness:
        remind.apply_async(("ann",), countdown=3600)
        harness.assert_enqueued(remind, address="ann", count=1)
        assert harness.run_all() == 0
        harness.advance(dt.timedelta(minutes=59))
        assert harness.run_all() == 0
        harness.advance(60)
        assert harness.run_all() == 1
        assert seen == ["ann"]
        assert harness.run_all() == 0


def test_jobs_enqueued_by_jobs_run_too_in_priority_order(app):
    seen = []

    @app.task(name="first")
    def first():
        seen.append("first")
        second.apply_async(("low",), priority=5)
        second.apply_async(("high",), priority=-5, queue="other")
        second.apply_async(("middle",))

    @app.task(name="second")
    def second(x):
        seen.append(x)

    with Harness(app) as harness:
        first.delay()
        assert harness.run_all() == 4
        assert seen[0] == "first"
        assert seen.index("middle") < seen.index("low")
        assert len(harness.enqueued()) == 4
        assert len(harness.enqueued("second", queue="other")) == 1


def test_retries_follow_the_clock(app):
    attempts = []

    @app.task(bind=True, name="flaky", max_retries=2, default_retry_delay=60)
    def flaky(self):
        attempts.append(self.request.retries)
        raise self.retry()

    with Harness(app) as harness:
        result = flaky.delay()
        assert harness.run_all() == 1
        assert result.state == "RETRY"
        for _ in range(2):
            harness.advance(60)
            assert harness.run_all() == 1
        assert attempts == [0, 1, 2]
        assert result.failed()


def test_an_async_task_and_its_result(app):
    @app.task(name="twice")
    async def twice(x):
        return 2 * x

    with Harness(app) as harness:
        result = twice.delay(4)
        harness.run_all()
        assert result.get(timeout=0) == 8


def test_the_real_store_is_not_touched(app, tmp_path):
    @app.task(name="f")
    def f(): ...

    with Harness(app):
        f.delay()
    assert list(tmp_path.iterdir()) == []
    assert app.counts().ready == 0


def test_assertions_say_what_is_there(app):
    @app.task(name="f")
    def f(x, y=1): ...

    with Harness(app) as harness:
        with pytest.raises(AssertionError, match="none"):
            harness.assert_enqueued(f)
        f.delay(1)
        f.delay(2, y=3)
        harness.assert_enqueued("f", x=2)
        with pytest.raises(AssertionError, match=r'"x":1'):
            harness.assert_enqueued(f, x=3)
        with pytest.raises(AssertionError, match="3 jobs"):
            harness.assert_enqueued(f, count=3)


def test_what_enqueues_itself_without_end_is_found(app):
    @app.task(name="again")
    def again():
        again.delay()

    with Harness(app) as harness:
        again.delay()
        with pytest.raises(AssertionError, match="20 attempts"):
            harness.run_all(limit=20)


def test_paused_queues_wait(app):
    @app.task(name="f")
    def f(): ...

    with Harness(app) as harness:
        f.delay()
        app.pause()
        assert harness.run_all() == 0
        app.resume()
        assert harness.run_all() == 1


def test_a_fixed_beginning(app):
    with Harness(app, now_ms=1_000) as harness:
        assert app.engine.now_ms() == 1_000
        harness.advance(0.5)
        assert app.engine.now_ms() == 1_500
    with pytest.raises(TypeError, match="now_ms"):
        Harness(app, now_ms="x")


def test_perform_answers_the_result_of_one_job(app):
    @app.task
    def double(number: int) -> int:
        return 2 * number

    @app.task
    def fail() -> None:
        raise LookupError("nobody")

    with Harness(app) as harness:
        assert harness.perform(double, 21) == 42
        assert harness.perform(double, number=4) == 8
        with pytest.raises(LookupError, match="nobody"):
            harness.perform(fail)


def test_perform_runs_what_the_job_enqueues_too(app):
    @app.task
    def child() -> str:
        return "child"

    @app.task
    def parent() -> str:
        return child.delay().id

    with Harness(app) as harness:
        assert app.AsyncResult(harness.perform(parent)).get(timeout=0) == "child"


def test_perform_refuses_a_job_that_waits(app):
    @app.task(autoretry_for=(OSError,), default_retry_delay=60)
    def later() -> None:
        raise OSError

    with Harness(app) as harness, pytest.raises(AssertionError, match="has not ended: it is RETRY"):
        harness.perform(later)


def test_the_store_of_the_settings_is_not_touched(tmp_path):
    settings = {"broker_url": f"sqlite:///{tmp_path / 'real.db'}", "timezone": "Europe/Vienna"}
    with Millrace("configured", config_source=settings) as app:

        @app.task(name="f")
        def f():
            return app.conf.timezone

        with Harness(app) as harness:
            assert harness.perform(f) == "Europe/Vienna"
        assert not (tmp_path / "real.db").exists()
        assert app.store == str(tmp_path / "real.db") or app.store == settings["broker_url"]
        f.delay()
        assert (tmp_path / "real.db").exists()
