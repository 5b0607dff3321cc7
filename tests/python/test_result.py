import datetime as dt
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import millrace
import pytest
from millrace import RemoteError, TaskRevokedError, Timeout, errors
from millrace.result import ResultSet
from worker_support import PATIENCE_S, running, until


@pytest.fixture
def tasks(app):
    @app.task
    def add(x, y=1):
        return x + y

    @app.task
    def boom(message):
        raise ValueError(message)

    @app.task(ignore_result=True)
    def silent():
        return 5

    @app.task(bind=True)
    def chatty(self):
        self.log("first")
        self.log("second")
        self.update_state(meta={"percent": 50})

    @app.task
    def unwritable():
        return {"when": {1}}

    return SimpleNamespace(
        **{task.__name__: task for task in (add, boom, silent, chatty, unwritable)}
    )


def test_a_job_that_waits(app, tasks):
    result = tasks.add.delay(1)
    assert (result.state, result.status, result.info, result.traceback) == (
        "PENDING",
        "PENDING",
        None,
        None,
    )
    assert not result.ready()
    assert not result.successful()
    assert result.date_done is None
    with pytest.raises(Timeout, match=result.id):
        result.get(timeout=0)
    with pytest.raises(TimeoutError):
        result.get(timeout=dt.timedelta(milliseconds=1))


def test_a_job_that_succeeds(app, tasks):
    with running(app):
        result = tasks.add.delay(1, y=2)
        assert result.get(timeout=30) == 3
        assert (result.state, result.result, result.info) == ("SUCCESS", 3, 3)
        assert result.ready()
        assert result.successful()
        assert isinstance(result.date_done, dt.datetime)
        again = app.AsyncResult(result.id)
        assert again.get(timeout=30) == 3
        assert again.durability is None
        assert again == app.AsyncResult(result.id)


def test_a_job_that_fails(app, tasks):
    with running(app):
        result = tasks.boom.delay("bad")
        with pytest.raises(ValueError, match="bad") as caught:
            result.get(timeout=30)
        assert "in boom" in str(caught.value.__cause__)
        assert isinstance(result.get(propagate=False), ValueError)
        assert result.failed()
        assert (result.state, repr(result.result)) == ("FAILURE", "ValueError('bad')")
        assert "raise ValueError(message)" in result.traceback
        assert "runner.py" not in result.traceback


def test_results_that_are_not_kept(app, tasks):
    with running(app):
        result = tasks.silent.delay()
        assert result.get(timeout=30) is None
        assert result.successful()


def test_a_result_that_is_not_json_fails_the_job_and_says_so(app, tasks):
    with running(app), pytest.raises(TypeError, match=r"result of .*unwritable: 'when' is a set"):
        tasks.unwritable.delay().get(timeout=30)


def test_logs_and_progress(app, tasks):
    with running(app):
        result = tasks.chatty.delay()
        result.get(timeout=30)
        assert result.logs() == ["first", "second"]
        assert result.logs(offset=1, limit=1) == ["second"]
        assert result.details().progress == '{"percent":50}'


def test_forget(app, tasks):
    with running(app):
        result = tasks.add.delay(1)
        result.get(timeout=30)
        result.forget()
        result.forget()
        assert result.state == "PENDING"
        with pytest.raises(errors.NotFound):
            result.details()
        with pytest.raises(errors.NotFound):
            app.AsyncResult(result.id).get(timeout=1)


def test_revoking_a_job_that_waits(app, tasks):
    result = tasks.add.delay(1)
    assert result.revoke() == "cancelled"
    assert result.revoke() == "finished"
    assert result.state == "REVOKED"
    with pytest.raises(TaskRevokedError):
        result.get(timeout=1)
    assert isinstance(result.result, TaskRevokedError)


def test_a_job_that_expires(app, tasks):
    result = tasks.add.apply_async((1,), expires=0.001)
    with running(app):
        with pytest.raises(TaskRevokedError):
            result.get(timeout=30)
        assert result.state == "REVOKED"


def test_an_unknown_id_is_pending(app):
    result = app.AsyncResult("nobody")
    assert result.state == "PENDING"
    assert result.result is None
    with pytest.raises(errors.NotFound):
        result.get(timeout=1)


def test_errors_of_other_languages(app):
    job_id = app.send_task("js", queue="node").id
    session = app.engine.open_session(["node"])
    from millrace import _core

    (job,) = session.take(1, 30_000)
    session.settle(
        _core.Outcome(
            job.token,
            "failed",
            '{"type":"AxiosError","message":"503","stack":"at x.js:1","data":{"a":1}}',
        )
    )
    with pytest.raises(RemoteError, match="AxiosError: 503") as caught:
        app.AsyncResult(job_id).get(timeout=30)
    assert (caught.value.type, caught.value.stack, caught.value.data) == (
        "AxiosError",
        "at x.js:1",
        {"a": 1},
    )
    session.close()


def test_waiting_inside_a_task_is_refused(app):
    @app.task(name="inner")
    def inner(): ...

    @app.task(name="outer")
    def outer():
        inner.delay().get()

    with running(app), pytest.raises(RuntimeError, match="inside a task"):
        outer.delay().get(timeout=30)


def test_result_sets(app, tasks):
    with running(app):
        results = tasks.add.delay_many([(i,) for i in range(20)])
        assert results.get(timeout=30) == list(range(1, 21))
        assert results.ready()
        assert results.completed_count() == 20
    assert isinstance(results, ResultSet)
    assert "20" in repr(results)
    with pytest.raises(IndexError):
        results[20]
    mixed = app.enqueue_many([tasks.add.prepare((1,)), tasks.boom.prepare(("x",))])
    with running(app):
        values = mixed.get(timeout=30, propagate=False)
    assert values[0] == 2
    assert isinstance(values[1], ValueError)


@pytest.mark.parametrize(
    "call",
    [
        lambda r: r.get(timeout="x"),
        lambda r: r.get(timeout=True),
        lambda r: r.revoke(terminate=1),
        lambda r: r.revoke(reason=5),
        lambda r: r.logs(offset="x"),
    ],
)
def test_wrong_types(app, tasks, call):
    with pytest.raises(TypeError):
        call(tasks.add.delay(1))


def test_retries_show_in_the_state(app):
    @app.task(bind=True, name="again")
    def again(self):
        raise self.retry(countdown=3600)

    result = again.delay()
    with running(app):
        until(lambda: result.state == "RETRY")
    assert result.details().state == "scheduled"


def test_ctrl_c_ends_a_wait(app, tasks):
    result = tasks.add.delay(1)
    code = (
        "import signal, sys; from millrace import Millrace\n"
        # Ignored where the tests run in the background of a shell.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"app = Millrace('x', store={app.store!r})\n"
        f"result = app.AsyncResult({result.id!r})\n"
        "assert result.state == 'PENDING'\n"
        "try:\n"
        "    print('waiting', flush=True)\n"
        "    result.get()\n"
        "except KeyboardInterrupt: sys.exit(7)\n"
    )
    root = str(Path(millrace.__file__).parent.parent)
    waiter = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert waiter.stdout is not None
    with waiter.stdout:
        assert waiter.stdout.readline() == "waiting\n"
        waiter.send_signal(signal.SIGINT)
        assert waiter.wait(PATIENCE_S) == 7
