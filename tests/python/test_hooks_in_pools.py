"""Hooks and signals of tasks, in each pool that runs jobs in this process and in the processes of the pool."""

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
