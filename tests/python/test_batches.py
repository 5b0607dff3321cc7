"""Tasks that take several jobs at once."""

import asyncio
import threading

import pytest
from millrace import Ignore, Reject, Retry
from millrace.errors import InvalidArgument
from millrace.testing import Harness
from worker_support import PATIENCE_S, running, until

POOLS = ["threads", "asyncio"]


def get_all(results):
    return [result.get(PATIENCE_S, propagate=False) for result in results]


def station(worker):
    """The pool's, once it is made."""
    pool = getattr(worker, "pool", None)
    return getattr(pool, "station", None) or getattr(pool, "_station", None)


def gathering(worker):
    """Whether a batch has begun to gather; a job that is active may still be on its way to it."""
    here = station(worker)
    return here and (getattr(here, "batches", None) or here.runner._batches)._open


@pytest.mark.parametrize("pool", POOLS)
def test_jobs_that_wait_are_given_together(app, pool):
    sizes = []

    @app.task(batch=10, batch_wait=60)
    def double(jobs):
        sizes.append(len(jobs))
        return [job.kwargs["x"] * 2 for job in jobs]

    results = app.enqueue_many([double.s(x=i) for i in range(30)])
    with running(app, pool=pool, concurrency=1):
        assert get_all(results) == [i * 2 for i in range(30)]
    assert sizes == [10, 10, 10]


@pytest.mark.parametrize("pool", POOLS)
def test_a_batch_that_does_not_fill_is_run_after_the_wait(app, pool):
    @app.task(batch=100, batch_wait=0.01)
    def size(jobs):
        return [len(jobs)] * len(jobs)

    with running(app, pool=pool):
        results = size.delay_many([{"x": i} for i in range(3)])
        assert all(1 <= answer <= 3 for answer in get_all(results))


@pytest.mark.parametrize("pool", POOLS)
def test_each_job_is_settled_separately(app, pool):
    @app.task(batch=5, batch_wait=60, max_retries=3, bind=True)
    def handle(self, jobs):
        answers = []
        for job in jobs:
            if job.kwargs["how"] == "retry" and job.retries == 0:
                answers.append(Retry("once more", delay_ms=0))
            else:
                answers.append(by_word[job.kwargs["how"]])
        return answers

    by_word = {
        "well": "done",
        "badly": ValueError("no"),
        "rejected": Reject("never"),
        "ignored": Ignore(),
        "retry": "later",
    }
    results = {how: handle.delay(how=how) for how in by_word}
    with running(app, pool=pool, concurrency=1):
        assert results["well"].get(PATIENCE_S) == "done"
        assert isinstance(results["badly"].get(PATIENCE_S, propagate=False), ValueError)
        assert results["rejected"].get(PATIENCE_S, propagate=False).args == ("never",)
        assert results["ignored"].get(PATIENCE_S) is None
        handle.delay_many([{"how": "well"}] * 4)  # company for the fifth, which is run again
        assert results["retry"].get(PATIENCE_S) == "later"


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("answer", [None, [1], [1, 2, 3], "ab", {1: 1, 2: 2}])
def test_an_answer_that_does_not_fit_fails_all_jobs(app, pool, answer):
    @app.task(name="wrong", batch=2, batch_wait=60)
    def wrong(jobs):
        return answer

    results = app.enqueue_many([wrong.s(), wrong.s()])
    with running(app, pool=pool, concurrency=1):
        for error in get_all(results):
            assert isinstance(error, TypeError)
            assert "must return a list with an entry for each of its 2 jobs" in str(error)


@pytest.mark.parametrize("pool", POOLS)
def test_what_the_function_raises_ends_all_jobs(app, pool):
    @app.task(batch=3, batch_wait=60)
    def broken(jobs):
        raise ArithmeticError("all of them")

    results = app.enqueue_many([broken.s(x=i) for i in range(3)])
    with running(app, pool=pool, concurrency=1):
        assert [str(error) for error in get_all(results)] == ["all of them"] * 3
    assert app.counts().failed == 3


@pytest.mark.parametrize("pool", POOLS)
def test_async_functions_take_batches_too(app, pool):
    @app.task(batch=4, batch_wait=60)
    async def double(jobs):
        await asyncio.sleep(0)
        return [job.kwargs["x"] * 2 for job in jobs]

    results = double.delay_many([{"x": i} for i in range(8)])
    with running(app, pool=pool, concurrency=1):
        assert get_all(results) == [0, 2, 4, 6, 8, 10, 12, 14]


@pytest.mark.parametrize("pool", POOLS)
def test_a_payload_that_cannot_be_read_fails_alone(app, pool):
    from millrace import _core

    @app.task(name="echo", batch=2, batch_wait=60)
    def echo(jobs):
        return [job.id for job in jobs]

    app.engine.enqueue(
        [_core.JobSpec("default", "echo", data=b"\xff", content_type="bytes", id="bad")]
    )
    good = echo.delay()
    with running(app, pool=pool, concurrency=1):
        assert good.get(PATIENCE_S) == good.id
        assert isinstance(app.AsyncResult("bad").get(PATIENCE_S, propagate=False), Exception)


def test_a_job_of_another_task_does_not_wait_for_a_batch(app):
    order = []

    @app.task(batch=10, batch_wait=3600)
    def gather(jobs):
        order.append(len(jobs))
        return [None] * len(jobs)

    @app.task
    def alone() -> str:
        order.append("alone")
        return "ran"

    first = gather.delay_many([{}, {}])
    last = alone.delay()
    with running(app, pool="threads", concurrency=1):
        assert last.get(PATIENCE_S) == "ran"
        assert get_all(first) == [None, None]
    assert order == [2, "alone"]


def test_threads_fill_one_batch_together(app):
    sizes = []

    @app.task(batch=50, batch_wait=3600)
    def count(jobs):
        sizes.append(len(jobs))
        return [None] * len(jobs)

    with running(app, pool="threads", concurrency=4):
        results = [count.delay(x=i) for i in range(100)]
        assert get_all(results) == [None] * 100
    assert sizes == [50, 50]


def test_a_worker_that_stops_runs_what_has_gathered(app):
    @app.task(batch=10, batch_wait=3600)
    def count(jobs):
        return [len(jobs)] * len(jobs)

    for pool in POOLS:
        result = count.delay()
        with running(app, pool=pool, concurrency=1) as worker:
            until(lambda worker=worker: gathering(worker))
        assert result.get(0) == 1


@pytest.mark.parametrize("pool", POOLS)
def test_a_job_that_is_cancelled_while_it_gathers_knows_it(app, pool):
    @app.task(batch=2, batch_wait=3600)
    def look(jobs):
        return ["was cancelled" if job.cancelled else "goes on" for job in jobs]

    with running(app, pool=pool, concurrency=1) as worker:
        first = look.delay()
        until(lambda: gathering(worker))
        first.revoke()
        until(lambda: station(worker).runner.early)
        assert get_all([first, look.delay()]) == ["was cancelled", "goes on"]


def test_one_job_that_is_cancelled_does_not_end_the_others(app):
    began = threading.Event()

    @app.task(batch=2, batch_wait=60)
    def look(jobs):
        began.set()
        until(lambda: any(job.cancelled for job in jobs))
        return ["was cancelled" if job.cancelled else "goes on" for job in jobs]

    results = look.delay_many([{}, {}])
    with running(app, pool="threads", concurrency=1):
        assert began.wait(PATIENCE_S)  # one that is claimed but not taken is simply revoked
        results[0].revoke()
        assert get_all(results) == ["was cancelled", "goes on"]


def test_there_is_no_single_job_to_retry(app):
    @app.task(batch=1, bind=True)
    def odd(self, jobs):
        self.retry()

    with running(app):
        error = odd.delay().get(PATIENCE_S, propagate=False)
    assert isinstance(error, RuntimeError)
    assert "return a Retry" in str(error)


def test_arguments_of_producers_and_of_the_decorator(app):
    @app.task(name="named", batch=2)
    def named(jobs):
        return []

    with pytest.raises(TypeError, match=r"named\(\) takes 0 positional arguments"):
        named.delay(1)
    with pytest.raises(InvalidArgument, match="batch must be at least 0"):
        app.task(batch=-1)(lambda jobs: [])
    with pytest.raises(InvalidArgument, match="batch must be at most 10000"):
        app.task(batch=10_001)(lambda jobs: [])
    with pytest.raises(InvalidArgument, match="batch_wait"):
        app.task(batch=2, batch_wait=-1)(lambda jobs: [])


def test_the_harness_runs_batches(app):
    sizes = []

    @app.task(batch=3, batch_wait=0.01)
    def count(jobs):
        sizes.append(len(jobs))
        return [None] * len(jobs)

    with Harness(app) as harness:
        count.delay_many([{}] * 7)
        assert harness.run_all() == 7
        assert sum(sizes) == 7
        assert max(sizes) == 3
