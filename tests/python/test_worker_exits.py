"""WorkerShutdown and WorkerTerminate: tasks that have their worker stop."""

import signal
import threading

import pytest
from millrace import RemoteError, TaskRevokedError, Worker, WorkerOptions
from millrace.exceptions import WorkerShutdown, WorkerTerminate
from millrace.task import Task
from worker_support import PATIENCE_S


class Told(Task):
    heard = None

    def on_failure(self, exc, task_id, args, kwargs, einfo):
        self.heard.append(type(exc).__name__)


def start(app, pool, concurrency=2):
    worker = Worker(app, WorkerOptions(pool=pool, concurrency=concurrency, name="leaver"))
    status = []
    thread = threading.Thread(target=lambda: status.append(worker.run()))
    thread.start()
    return thread, status


def ended(thread, status):
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    return status[0]


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("pool", ["solo", "threads", "asyncio"])
def test_worker_shutdown(app, pool, asynchronous):
    heard = []
    options = {"base": Told, "name": "end", "heard": heard, "max_retries": 5}
    if asynchronous:

        @app.task(**options)
        async def end(status):
            raise WorkerShutdown(status)
    else:

        @app.task(**options)
        def end(status):
            raise WorkerShutdown(status)

    result, later = end.delay(3), end.apply_async((4,), countdown=3600)
    thread, status = start(app, pool)
    assert ended(thread, status) == 3
    assert result.state == "FAILURE"  # and not given back: the next worker would stop, too
    assert isinstance(result.result, RemoteError)
    assert heard == ["WorkerShutdown"]
    assert later.state == "PENDING"


@pytest.mark.parametrize("pool", ["threads", "asyncio"])
def test_worker_shutdown_lets_the_others_finish(app, pool):
    begun, go_on = threading.Event(), threading.Event()

    @app.task
    def long():
        begun.set()
        assert go_on.wait(PATIENCE_S)
        return "finished"

    @app.task
    def end():
        raise WorkerShutdown

    running = long.delay()
    thread, status = start(app, pool)
    assert begun.wait(PATIENCE_S)
    with pytest.raises(RemoteError, match="WorkerShutdown"):
        end.delay().get(PATIENCE_S)
    go_on.set()
    assert ended(thread, status) == 0
    assert running.get(PATIENCE_S) == "finished"


@pytest.mark.parametrize("pool", ["threads", "asyncio"])
def test_worker_terminate_gives_the_others_back(app, pool):
    import asyncio

    begun = threading.Event()

    @app.task
    async def long():
        begun.set()
        await asyncio.sleep(3600)

    @app.task
    def end():
        raise WorkerTerminate(1)

    running = long.delay()
    thread, status = start(app, pool)
    assert begun.wait(PATIENCE_S)
    ending = end.delay()
    assert ended(thread, status) == 1
    assert (running.state, ending.state) == ("PENDING", "FAILURE")


def test_in_the_callers_process_it_is_an_exit(app):
    @app.task
    def end():
        raise WorkerShutdown(2)

    with pytest.raises(WorkerShutdown):
        end.apply()


def test_a_signal_that_was_missed_is_sent_again(monkeypatch):
    """As when it comes between Python's look for signals and the system call that it is to end."""
    from millrace.worker import slot as module

    sent, send = [], signal.pthread_kill

    def lossy(thread_id, number):
        sent.append(number)
        if len(sent) == 3:
            send(thread_id, number)

    monkeypatch.setattr(module.signal, "pthread_kill", lossy)
    before = signal.getsignal(module._INTERRUPT)
    try:
        slot = module.Slot(use_signal=True)
        slot.enter(7)
        slot.interrupt(7, TaskRevokedError)
        with pytest.raises(TaskRevokedError):
            threading.Event().wait(PATIENCE_S)
        slot.leave()
    finally:
        signal.signal(module._INTERRUPT, before)
    assert len(sent) == 3
