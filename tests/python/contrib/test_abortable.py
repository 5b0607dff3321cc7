"""Tasks that look whether they shall stop."""

import threading

import pytest
from millrace.contrib.abortable import ABORTED, AbortableAsyncResult, AbortableTask
from millrace.contrib.testing.worker import start_worker
from millrace.errors import NotFound
from worker_support import PATIENCE_S, until


@pytest.fixture
def count(app):
    began = threading.Event()

    @app.task(bind=True, base=AbortableTask, name="count")
    def count(self, first=0):
        began.set()
        number = first
        while not self.is_aborted():
            number += 1
        return "aborted"

    count.began = began
    return count


def test_abort_a_running_task(app, count):
    with start_worker(app, pool="threads"):
        result = count.delay()
        assert isinstance(result, AbortableAsyncResult)
        assert count.began.wait(PATIENCE_S)
        assert not result.is_aborted()
        assert count.is_aborted(task_id=result.id) is False
        result.abort()
        assert result.get(PATIENCE_S) == "aborted"
    assert result.state == "SUCCESS"
    assert not result.is_aborted()
    result.abort()  # too late: nothing happens
    assert result.state == "SUCCESS"


def test_abort_before_it_starts(app, count):
    result = count.apply_async((5,))
    found = count.AsyncResult(result.id)
    found.abort()
    assert count.is_aborted(task_id=result.id)
    with start_worker(app, pool="threads"):
        assert result.get(PATIENCE_S) == "aborted"


def test_the_state_of_a_task_that_is_asked_to_stop(app):
    seen, go_on = threading.Event(), threading.Event()

    @app.task(bind=True, base=AbortableTask, name="slow")
    def slow(self):
        seen.set()
        assert go_on.wait(PATIENCE_S)

    with start_worker(app, pool="threads"):
        result = slow.delay()
        assert seen.wait(PATIENCE_S)
        result.abort()
        until(lambda: result.state == ABORTED)
        assert result.is_aborted()
        go_on.set()
        result.get(PATIENCE_S)


def test_what_is_not_there(app, count):
    with pytest.raises(NotFound):
        AbortableAsyncResult("nothing", app=app).abort()
    assert count.is_aborted() is False
    assert count.is_aborted(task_id="nothing") is False
