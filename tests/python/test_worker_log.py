"""What a worker's log says of how jobs end."""

import asyncio
import logging
import re

import pytest
from millrace import Ignore, Millrace
from millrace.errors import SoftTimeLimitExceeded
from worker_support import PATIENCE_S, running

POOLS = ("threads", "asyncio", "solo")


@pytest.fixture
def app(store):
    with Millrace("log", store=store, durability="process") as made:
        yield made


@pytest.fixture(params=POOLS)
def ended(app, request, caplog):
    """Runs a job of the task to its end; answers its lines of the log, its id as ID, and the traceback."""

    def run(task) -> tuple[list[str], str]:
        caplog.clear()
        with caplog.at_level(logging.INFO, "millrace"), running(app, pool=request.param):
            job = task.delay()
            job.get(PATIENCE_S, propagate=False)
        records = [each for each in caplog.records if "Task " in each.message]
        lines = [f"{r.levelname} {r.message}".replace(job.id, "ID") for r in records]
        return lines, records[-1].exc_text or ""

    return run


def test_a_success_names_the_job(app, ended):
    (line,), _ = ended(app.task(name="good")(lambda: 1))
    assert re.fullmatch(r"INFO Task good\[ID\] succeeded in \d+\.\d{6} s", line)


@pytest.mark.parametrize("is_async", [True, False])
def test_a_failure_has_the_tasks_own_frames_alone(app, ended, is_async):
    def fail():
        raise ValueError("no")

    async def fail_later():
        await asyncio.sleep(0)
        raise ValueError("no")

    (line,), trace = ended(app.task(name="bad")(fail_later if is_async else fail))
    assert line == "ERROR Task bad[ID] raised ValueError: no"
    assert trace.count('  File "') == 1
    assert 'raise ValueError("no")' in trace


def test_retries_are_told_and_the_last_failure_is_an_error(app, ended):
    @app.task(name="flaky", autoretry_for=(ConnectionError,), max_retries=1, default_retry_delay=0)
    def flaky():
        raise ConnectionError("moody")

    lines, trace = ended(flaky)
    assert lines == [
        "INFO Task flaky[ID] is retried after ConnectionError: moody",
        "ERROR Task flaky[ID] raised ConnectionError: moody",
    ]
    assert 'raise ConnectionError("moody")' in trace


def test_retries_that_the_task_asks_for(app, ended):
    @app.task(name="asks", bind=True, max_retries=1)
    def asks(self):
        raise self.retry(countdown=0, exc=KeyError("k"))

    lines, _ = ended(asks)
    assert lines == [
        "INFO Task asks[ID] is retried after KeyError: 'k'",
        "ERROR Task asks[ID] raised KeyError: 'k'",
    ]


def test_what_is_expected_is_no_error(app, ended):
    @app.task(name="throws", throws=(KeyError,))
    def throws():
        raise KeyError("k")

    @app.task(name="ignores")
    def ignores():
        raise Ignore

    assert ended(throws) == (["INFO Task throws[ID] raised as expected KeyError: 'k'"], "")
    assert ended(ignores) == (["INFO Task ignores[ID] ended with Ignore"], "")


def test_a_soft_time_limit_says_what_it_is():
    assert str(SoftTimeLimitExceeded()) == "the task ran longer than its soft time limit"
    assert str(SoftTimeLimitExceeded("mine")) == "mine"
