"""Hooks and signals of tasks, in each pool that runs jobs in this process and in the processes of the pool."""

import asyncio
import threading

import pytest
from millrace import signals
from millrace.task import Task
from worker_support import PATIENCE_S, running


@pytest.mark.parametrize("pool", ["threads", "asyncio", "solo"])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_hooks_run_where_the_task_ran(app, pool, asynchronous):
    heard = []
    done = threading.Semaphore(0)

    class Hooked(Task):
        def before_start(self, task_id, args, kwargs):
            heard.append(("before_start", self.request.id == task_id, list(args)))

        def on_success(self, retval, task_id, args, kwargs):
            heard.append(("on_success", retval, self.request.id == task_id))

        def on_failure(self, exc, task_id, args, kwargs, einfo):
            heard.append(("on_failure", repr(exc), self.request.id == task_id))

        def after_return(self, status, retval, task_id, args, kwargs, einfo):
            heard.append(("after_return", status))
            done.release()

    if asynchronous:

        @app.task(base=Hooked, name="half")
        async def half(x):
            return 10 / x

    else:

        @app.task(base=Hooked, name="half")
        def half(x):
            return 10 / x

    started = []

    def prerun(sender, task_id, **kwargs):
        started.append(task_id)

    signals.task_prerun.connect(prerun, sender=half)
    try:
        with running(app, pool=pool, concurrency=1):
            good, bad = half.delay(2), half.delay(0)
            assert good.get(PATIENCE_S) == 5
            with pytest.raises(ZeroDivisionError):
                bad.get(PATIENCE_S)
    finally:
        signals.task_prerun.disconnect(prerun, sender=half)
    assert started == [good.id, bad.id]
    assert heard == [
        ("before_start", True, [2]),
        ("on_success", 5, True),
        ("after_return", "SUCCESS"),
        ("before_start", True, [0]),
        ("on_failure", "ZeroDivisionError('division by zero')", True),
        ("after_return", "FAILURE"),
    ]


class Awaited(Task):
    """A task whose hooks wait for something."""

    heard = None

    async def note(self, *what):
        job_id = self.request.id
        await asyncio.sleep(0)
        self.heard.append((*what, self.request.id == job_id is not None))

    async def before_start(self, task_id, args, kwargs):
        await self.note("before_start", list(args))

    async def on_success(self, retval, task_id, args, kwargs):
        await self.note("on_success", retval)

    async def on_failure(self, exc, task_id, args, kwargs, einfo):
        await self.note("on_failure", repr(exc))

    async def on_retry(self, exc, task_id, args, kwargs, einfo):
        await self.note("on_retry", repr(exc))

    async def after_return(self, status, retval, task_id, args, kwargs, einfo):
        await self.note("after_return", status)


def awaited_half(app, asynchronous):
    """A task with hooks that are `async def`, and what they have heard."""
    options = {"base": Awaited, "name": "half", "heard": []}
    if asynchronous:

        @app.task(**options)
        async def half(x):
            return 10 / x
    else:

        @app.task(**options)
        def half(x):
            return 10 / x

    return half


TOLD = [
    ("before_start", [2], True),
    ("on_success", 5, True),
    ("after_return", "SUCCESS", True),
    ("before_start", [0], True),
    ("on_failure", "ZeroDivisionError('division by zero')", True),
    ("after_return", "FAILURE", True),
]


@pytest.mark.parametrize("pool", ["threads", "asyncio", "solo"])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_hooks_that_are_coroutines_are_awaited(app, pool, asynchronous):
    half = awaited_half(app, asynchronous)
    with running(app, pool=pool, concurrency=1):
        good, bad = half.delay(2), half.delay(0)
        assert good.get(PATIENCE_S) == 5
        with pytest.raises(ZeroDivisionError):
            bad.get(PATIENCE_S)
    assert half.heard == TOLD


@pytest.mark.parametrize("asynchronous", [False, True])
def test_hooks_that_are_coroutines_are_awaited_by_apply(app, asynchronous):
    half = awaited_half(app, asynchronous)
    assert half.apply((2,)).get() == 5
    assert isinstance(half.apply((0,), throw=False).result, ZeroDivisionError)
    assert half.heard == TOLD


@pytest.mark.parametrize("pool", ["threads", "asyncio"])
def test_hooks_of_a_batch_that_are_coroutines_are_awaited(app, pool):
    heard = []

    async def on_success(self, retval, task_id, args, kwargs):
        await asyncio.sleep(0)
        heard.append(retval)

    @app.task(batch=2, on_success=on_success)
    def double(requests):
        return [2 * request.kwargs["x"] for request in requests]

    with running(app, pool=pool, concurrency=1):
        results = double.delay_many([{"x": 1}, {"x": 2}])
        assert results.get(timeout=PATIENCE_S) == [2, 4]
    assert sorted(heard) == [2, 4]


@pytest.mark.parametrize("pool", ["threads", "asyncio"])
def test_a_coroutine_hook_that_raises(app, pool, caplog):
    async def before_start(self, task_id, args, kwargs):
        await asyncio.sleep(0)
        if args == [0]:
            raise KeyError("not today")

    async def on_success(self, *args):
        await asyncio.sleep(0)
        raise asyncio.CancelledError("no harm")

    @app.task(before_start=before_start, on_success=on_success)
    async def same(x):
        return x

    with running(app, pool=pool, concurrency=1):
        with pytest.raises(KeyError, match="not today"):
            same.delay(0).get(PATIENCE_S)
        assert same.delay(1).get(PATIENCE_S) == 1
    assert "on_success raised CancelledError: no harm" in caplog.text


def test_a_hook_that_answers_a_coroutine_and_is_none_says_so(app):
    async def wait():
        await asyncio.sleep(0)

    @app.task(before_start=lambda *args: wait())
    def f(): ...

    with (
        running(app, concurrency=1),
        pytest.raises(TypeError, match="f: before_start has answered a"),
    ):
        f.delay().get(PATIENCE_S)


@pytest.mark.parametrize("pool", ["threads", "asyncio"])
def test_a_worker_tells_the_store_of_rate_limits_and_imports(app, pool, tmp_path, monkeypatch):
    (tmp_path / "imported_by_a_worker.py").write_text(
        "from millrace import shared_task\n\n\n"
        '@shared_task(name="imported", rate_limit="1000/s")\ndef imported():\n    return 7\n'
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    app.conf.imports = ["imported_by_a_worker"]
    with running(app, pool=pool, concurrency=1):
        assert app.send_task("imported").get(PATIENCE_S) == 7
    assert [(each.task, each.rate.count) for each in app.limits.list()] == [("imported", 1000)]
    from millrace import current

    current.shared.clear()
    import sys

    del sys.modules["imported_by_a_worker"]


def test_an_import_that_fails_stops_the_worker_with_its_error(app):
    app.conf.include = ["nothing_of_this_name"]
    from millrace import Worker, WorkerOptions

    with pytest.raises(ModuleNotFoundError, match="nothing_of_this_name"):
        Worker(app, WorkerOptions(pool="solo")).run()
