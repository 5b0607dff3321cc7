"""A worker for the length of a block: `start_worker`, and `Worker` as a context manager."""

import threading

import pytest
from millrace import Worker, WorkerOptions
from millrace.contrib.testing.worker import start_worker
from millrace.errors import InvalidArgument, NotFound, WrongState
from worker_support import PATIENCE_S


@pytest.mark.parametrize("pool", ["solo", "threads", "asyncio"])
def test_start_worker_runs_jobs_while_the_block_runs(app, pool):
    @app.task(name="add")
    def add(x, y):
        return x + y

    with start_worker(app, pool=pool, without_heartbeat=True) as worker:
        worker.ensure_started()
        assert add.delay(1, 2).get(PATIENCE_S) == 3
    later = add.delay(3, 4)
    assert later.state == "PENDING"


def test_start_worker_refuses_what_no_worker_knows(app):
    with pytest.raises(TypeError, match="colour"), start_worker(app, colour="blue"):
        pass


def test_start_worker_says_that_a_job_outlives_the_time_it_has(app):
    began, go_on = threading.Event(), threading.Event()

    @app.task(name="stay")
    def stay():
        began.set()
        go_on.wait(PATIENCE_S)

    made = start_worker(app, shutdown_timeout=0.01, pool="threads")
    worker = made.__enter__()
    stay.delay()
    assert began.wait(PATIENCE_S)
    try:
        with pytest.raises(RuntimeError, match="shutdown_timeout"):
            made.__exit__(None, None, None)
    finally:
        go_on.set()
    assert worker.join(PATIENCE_S)


def test_a_worker_as_a_context_manager(app):
    @app.task(name="where")
    def where():
        return threading.current_thread().name

    with Worker(app, pool="threads", concurrency=1) as worker:
        assert where.delay().get(PATIENCE_S).startswith("millrace-worker")
        with pytest.raises(WrongState, match="started before"):
            worker.start()
    assert worker.join(0)


def test_a_worker_that_cannot_start_says_so_where_it_was_started(tmp_path):
    from millrace import Millrace

    app = Millrace("nowhere", store=tmp_path / "no" / "such" / "directory" / "jobs.db")
    with pytest.raises(NotFound, match="does not exist"):
        Worker(app, pool="threads").start()


def test_options_come_whole_or_as_keywords(app):
    with pytest.raises(InvalidArgument, match="concurrency"):
        Worker(app, WorkerOptions(), concurrency=2)
