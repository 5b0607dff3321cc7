"""The worker of a test, for the length of a block."""

from __future__ import annotations

import sys
import threading

import pytest
from millrace import Millrace
from millrace.contrib.testing.worker import start_worker


def test_app_and_concurrency(app: Millrace):
    both = threading.Barrier(2)

    @app.task(name="meet")
    def meet() -> int:
        return both.wait(20)

    with start_worker(app, concurrency=2, pool="threads") as worker:
        results = [meet.delay(), meet.delay()]
        assert sorted(result.get(timeout=20) for result in results) == [0, 1]
        assert worker.app is app
        assert worker.options.concurrency == 2


@pytest.mark.parametrize("pool", ["solo", "threads", "asyncio"])
def test_pool(app: Millrace, pool: str):
    @app.task(name="where")
    def where() -> bool:
        return threading.current_thread() is threading.main_thread()

    with start_worker(app, pool=pool) as worker:
        assert where.delay().get(timeout=20) is False
        assert worker.options.pool == pool


@pytest.mark.parametrize("check", [True, False])
def test_perform_ping_check(app: Millrace, check: bool):
    @app.task(name="ping")
    def ping() -> str:
        return "pong"

    with start_worker(app, perform_ping_check=check, without_gossip=True):
        assert ping.delay().get(timeout=20) == "pong"


def test_shutdown_timeout(app: Millrace):
    started, go_on = threading.Event(), threading.Event()

    @app.task(name="linger")
    def linger() -> None:
        started.set()
        go_on.wait(20)

    block = start_worker(app, pool="threads", shutdown_timeout=0.01)
    worker = block.__enter__()
    linger.delay()
    assert started.wait(20)
    with pytest.raises(RuntimeError, match=r"has not ended within 0\.01 s: a job still runs"):
        block.__exit__(None, None, None)
    go_on.set()
    assert worker.join(20)


def test_reload(app: Millrace, tmp_path, monkeypatch):
    """As Celery's documentation has it: a task made after the worker has started, and `reload()`."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "reloaded_by_a_test.py").write_text("x = 1\n")
    with start_worker(app) as worker:

        @app.task(name="late")
        def late(x: int) -> int:
            return x

        worker.reload()
        assert late.delay(3).get(timeout=20) == 3
        worker.reload(["reloaded_by_a_test"])
        made = sys.modules["reloaded_by_a_test"]
        made.x = 2
        worker.reload(["reloaded_by_a_test"])
        assert made.x == 2
        worker.reload(["reloaded_by_a_test"], reload=True)
        assert made.x == 1
    del sys.modules["reloaded_by_a_test"]
