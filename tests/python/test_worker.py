"""What holds for every pool that runs jobs in this process."""

import asyncio
import datetime as dt
import socket
import threading
import time

import pytest
from millrace import (
    Ignore,
    MaxRetriesExceededError,
    Reject,
    SoftTimeLimitExceeded,
    TaskRevokedError,
    Worker,
    WorkerOptions,
    _core,
)
from millrace.errors import InvalidArgument, NotRegistered, TimeLimitExceeded
from millrace.log import get_task_logger
from worker_support import PATIENCE_S, running, until

POOLS = ["threads", "asyncio", "solo"]

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(params=POOLS)
def pool(request):
    return request.param


@pytest.mark.parametrize("pool", ["threads", "asyncio"])
def test_as_many_plain_tasks_at_once_as_the_concurrency(app, pool):
    barrier = threading.Barrier(50)

    @app.task(name="meet")
    def meet():
        barrier.wait(PATIENCE_S)

    results = app.enqueue_many(meet.prepare() for _ in range(50))
    with running(app, pool=pool, concurrency=50):
        for result in results:
            result.get(timeout=PATIENCE_S)


def test_a_plain_task_that_outlives_its_job_does_not_hold_up_the_asyncio_pool(app):
    release = threading.Event()

    @app.task(name="hang", time_limit=1)  # its thread has begun by then
    def hang():
        release.wait(PATIENCE_S)

    result = hang.delay()
    worker = Worker(app, WorkerOptions(pool="asyncio"))
    statuses = []
    thread = threading.Thread(target=lambda: statuses.append(worker.run()))
    thread.start()
    try:
        with pytest.raises(TimeLimitExceeded):
            result.get(timeout=PATIENCE_S)
        worker.stop()
        thread.join(PATIENCE_S)
        assert statuses == [1]  # run_worker() then leaves without waiting for the thread
    finally:
        release.set()


def test_plain_and_async_tasks(app, pool):
    @app.task(name="plain")
    def plain(x):
        return [x, threading.current_thread().name]

    @app.task(name="coroutine")
    async def coroutine(x):
        await asyncio.sleep(0)
        return x

    with running(app, pool=pool):
        assert plain.delay(1).get(PATIENCE_S)[0] == 1
        assert [r.get(PATIENCE_S) for r in [coroutine.delay(i) for i in range(30)]] == list(
            range(30)
        )


def test_a_thousand_jobs(app, pool):
    @app.task(name="add")
    def add(x):
        return x + 1

    results = add.delay_many([(i,) for i in range(1000)])
    with running(app, pool=pool, concurrency=8):
        assert results.get(timeout=PATIENCE_S) == list(range(1, 1001))
    assert app.counts().completed == 1000


def test_the_request(app, pool):
    @app.task(bind=True, name="look", priority=2, time_limit=60, soft_time_limit=50)
    def look(self, x):
        r = self.request
        return {
            "id": r.id,
            "name": r.name,
            "queue": r.queue,
            "retries": r.retries,
            "attempt": r.attempt,
            "headers": r.headers,
            "args": r.args,
            "x": r.kwargs["x"],
            "timelimit": r.timelimit,
            "direct": r.called_directly,
            "cancelled": r.cancelled,
            "delivery": r.delivery_info,
            "times": all(isinstance(t, dt.datetime) for t in (r.created_at, r.started_at)),
            "eta": r.eta,
            "expires": r.expires is not None,
            "progress": r.progress,
            "crashes": r.crashes,
        }

    result = look.apply_async((7,), headers={"trace": "abc"}, expires=600)
    with running(app, pool=pool):
        assert result.get(PATIENCE_S) == {
            "id": result.id,
            "name": "look",
            "queue": "default",
            "retries": 0,
            "attempt": 1,
            "headers": {"trace": "abc"},
            "args": [7],
            "x": 7,
            "timelimit": [60.0, 50.0],
            "direct": False,
            "cancelled": False,
            "delivery": {
                "exchange": "",
                "routing_key": "default",
                "priority": 2,
                "redelivered": False,
            },
            "times": True,
            "eta": None,
            "expires": True,
            "progress": None,
            "crashes": 0,
        }


def test_retry_until_it_succeeds(app, pool):
    @app.task(bind=True, name="flaky", max_retries=5)
    def flaky(self):
        if self.request.retries < 3:
            try:
                raise KeyError("k")
            except KeyError as error:
                raise self.retry(exc=error, countdown=0.001) from error
        return self.request.retries

    with running(app, pool=pool):
        assert flaky.delay().get(PATIENCE_S) == 3


def test_retries_run_out(app, pool):
    @app.task(bind=True, name="never", max_retries=1)
    def never(self):
        self.retry(countdown=0.001)

    @app.task(bind=True, name="never_with", max_retries=1)
    def never_with(self):
        self.retry(exc=OSError("disk"), countdown=dt.timedelta(milliseconds=1))

    with running(app, pool=pool):
        with pytest.raises(MaxRetriesExceededError, match="retried 1 times"):
            never.delay().get(PATIENCE_S)
        with pytest.raises(OSError, match="disk"):
            never_with.delay().get(PATIENCE_S)


def test_autoretry(app, pool):
    attempts: list[str] = []

    @app.task(
        name="auto",
        autoretry_for=(LookupError,),
        dont_autoretry_for=(IndexError,),
        retry_backoff=0.001,
    )
    def auto(kind):
        attempts.append(kind)
        raise {"key": KeyError, "index": IndexError, "value": ValueError}[kind]("x")

    with running(app, pool=pool):
        for kind, error, times in [
            ("key", KeyError, 4),
            ("index", IndexError, 1),
            ("value", ValueError, 1),
        ]:
            with pytest.raises(error):
                auto.delay(kind).get(PATIENCE_S)
            assert attempts.count(kind) == times


def test_a_tasks_own_policy_counts_for_jobs_of_other_producers(app, pool):
    @app.task(name="auto", autoretry_for=(KeyError,), default_retry_delay=0.001, max_retries=2)
    def auto():
        raise KeyError("x")

    spec = _core.JobSpec("default", "auto", data="{}")  # as a Node producer writes it: one attempt
    (ack,) = [app.engine.enqueue([spec])[0]]
    with running(app, pool=pool):
        with pytest.raises(KeyError):
            app.AsyncResult(ack[0]).get(PATIENCE_S)
        assert app.AsyncResult(ack[0]).details().attempts_made == 3


def test_ignore_and_reject(app, pool):
    seen: list[int] = []

    @app.task(name="ignored")
    def ignored():
        raise Ignore

    @app.task(name="rejected", autoretry_for=(Exception,))
    def rejected():
        raise Reject("no thanks")

    @app.task(name="requeued", bind=True)
    def requeued(self):
        seen.append(self.request.attempt)
        if len(seen) < 3:
            raise Reject(requeue=True)
        return self.request.retries

    with running(app, pool=pool):
        assert ignored.delay().get(PATIENCE_S) is None
        with pytest.raises(Reject, match="no thanks"):
            rejected.delay().get(PATIENCE_S)
        requeued.delay().get(PATIENCE_S)
    assert len(seen) == 3


def test_a_task_that_is_not_registered_fails_and_the_worker_goes_on(app, pool):
    @app.task(name="known")
    def known():
        return 1

    with running(app, pool=pool):
        with pytest.raises(NotRegistered, match="'unknown'"):
            app.send_task("unknown").get(PATIENCE_S)
        assert known.delay().get(PATIENCE_S) == 1


@pytest.mark.parametrize(
    "data",
    [
        "[1]",
        '"x"',
        "5",
        '{"nope":1}',
        "{}",
        '{"$args":5}',
        "not json",
        "",
        '{"x":' + "[" * 5000 + "]" * 5000 + "}",
    ],
)
def test_payloads_that_do_not_fit_fail_their_job_only(app, pool, data):
    @app.task(name="f")
    def f(x):
        return x

    ack = app.engine.enqueue([_core.JobSpec("default", "f", data=data)])[0]
    with running(app, pool=pool):
        error = app.AsyncResult(ack[0]).get(PATIENCE_S, propagate=False)
        assert isinstance(error, TypeError | ValueError)
        assert f.delay(1).get(PATIENCE_S) == 1


def test_bytes_that_are_no_text(app):
    @app.task(name="f")
    def f(x): ...

    ack = app.engine.enqueue(
        [_core.JobSpec("default", "f", data=b"\xff\xfe", content_type="bytes")]
    )[0]
    with running(app):
        assert isinstance(app.AsyncResult(ack[0]).get(PATIENCE_S, propagate=False), Exception)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_a_task_cannot_end_the_worker(app, error):
    @app.task(name="leave")
    def leave():
        raise error("bye")

    @app.task(name="f")
    def f():
        return 1

    with running(app, concurrency=1):
        assert isinstance(leave.delay().get(PATIENCE_S, propagate=False), Exception)
        assert f.delay().get(PATIENCE_S) == 1


def test_cooperative_cancel(app, pool):
    began = threading.Event()

    @app.task(bind=True, name="loop")
    def loop(self):
        began.set()
        while True:
            self.request.raise_if_cancelled()
            time.sleep(0.001)

    result = loop.delay()
    with running(app, pool=pool):
        assert began.wait(PATIENCE_S)
        assert result.revoke(reason="enough") == "requested"
        with pytest.raises(TaskRevokedError, match="enough"):
            result.get(PATIENCE_S)
        assert result.state == "REVOKED"


def test_a_coroutine_is_cancelled(app, pool):
    began = threading.Event()

    @app.task(name="sleeper")
    async def sleeper():
        began.set()
        await asyncio.sleep(3600)

    result = sleeper.delay()
    with running(app, pool=pool):
        assert began.wait(PATIENCE_S)
        result.revoke()
        with pytest.raises(TaskRevokedError, match="revoked"):
            result.get(PATIENCE_S)


def test_soft_time_limit_of_a_coroutine(app, pool):
    @app.task(name="sleeper", soft_time_limit=0.01)
    async def sleeper():
        await asyncio.sleep(3600)

    with running(app, pool=pool), pytest.raises(SoftTimeLimitExceeded):
        sleeper.delay().get(PATIENCE_S)


def test_soft_time_limit_in_a_thread(app):
    @app.task(name="busy", soft_time_limit=0.3)  # it is inside of `try` by then
    def busy():
        try:
            while True:
                time.sleep(0.001)
        except SoftTimeLimitExceeded:
            return "cleaned up"

    with running(app, concurrency=1):
        results = busy.delay_many([()] * 3)
        assert results.get(PATIENCE_S) == ["cleaned up"] * 3


def test_stopping_lets_running_jobs_finish(app, pool):
    began, go_on = threading.Event(), threading.Event()

    @app.task(name="slow")
    def slow():
        began.set()
        assert go_on.wait(PATIENCE_S)
        return "finished"

    result = slow.delay()
    with running(app, pool=pool, concurrency=1) as worker:
        assert began.wait(PATIENCE_S)
        later = slow.delay()
        worker.stop()
        until(lambda: worker._mailbox.stage == 1)
        go_on.set()
    assert result.state == "SUCCESS"
    assert later.state == "PENDING"


def test_aborting_gives_jobs_back(app, pool):
    began = threading.Event()

    @app.task(name="loop")
    def loop():
        began.set()
        while True:
            time.sleep(0.001)

    @app.task(name="aloop")
    async def aloop():
        began.set()
        await asyncio.sleep(3600)

    result = (aloop if pool == "asyncio" else loop).delay()
    if pool == "solo":
        return  # interrupting the only thread needs the main thread's signals: tests of the process pool do it
    with running(app, pool=pool) as worker:
        assert began.wait(PATIENCE_S)
        worker.abort()
    assert result.state == "PENDING"
    assert app.counts().ready == 1


def test_log_lines(app, pool):
    log = get_task_logger("test.jobs")

    @app.task(name="talk")
    def talk():
        log.warning("watch %s", "out")

    with running(app, pool=pool):
        result = talk.delay()
        result.get(PATIENCE_S)
    assert result.logs() == ["WARNING watch out"]


def test_several_queues(app, pool):
    @app.task(name="where", bind=True)
    def where(self):
        return self.request.queue

    results = [where.apply_async(queue=q) for q in ("a", "b", "c")]
    with running(app, pool=pool, queues=["a", "b"]):
        assert [r.get(PATIENCE_S) for r in results[:2]] == ["a", "b"]
    assert results[2].state == "PENDING"


def test_the_worker_is_listed(app):
    with running(app, name="listed@%h", concurrency=3):
        name = f"listed@{socket.gethostname()}"
        # Beside it stands the session that listens to app.control.
        until(lambda: len([w for w in app.engine.list_workers() if w.name == name]) == 2)
        (worker,) = [w for w in app.engine.list_workers() if w.queues == ["default"]]
        assert (worker.language, worker.slots, worker.queues, worker.alive) == (
            "python",
            3,
            ["default"],
            True,
        )


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"pool": "eventlet"}, InvalidArgument),
        ({"pool": "gevent"}, InvalidArgument),
        ({"pool": "fibers"}, InvalidArgument),
        ({"pool": 5}, TypeError),
        ({"concurrency": 0}, InvalidArgument),
        ({"concurrency": 1_001}, InvalidArgument),
        ({"concurrency": 100_001, "pool": "asyncio"}, InvalidArgument),
        ({"concurrency": "4"}, TypeError),
        ({"queues": "a"}, TypeError),
        ({"queues": [5]}, TypeError),
        ({"queues": [""]}, InvalidArgument),
        ({"name": 5}, TypeError),
        ({"durability": "x"}, InvalidArgument),
        ({"prefetch": -2}, InvalidArgument),
        ({"loglevel": "loud"}, InvalidArgument),
        ({"grace": -1}, InvalidArgument),
        ({"autoscale": 3}, TypeError),
        ({"autoscale": (0, 0)}, InvalidArgument),
        ({"autoscale": (2_000, 1)}, InvalidArgument),
        ({"max_tasks_per_child": 0}, InvalidArgument),
        ({"max_memory_per_child": "1G"}, TypeError),
        ({"time_limit": -1}, InvalidArgument),
        ({"soft_time_limit": "1"}, TypeError),
        ({"include": "tasks"}, TypeError),
        ({"remote_control": 1}, TypeError),
    ],
)
def test_options_are_checked(options, error):
    named = "concurrency" if options.get("autoscale") == (2_000, 1) else next(iter(options))
    with pytest.raises(error, match=named):
        WorkerOptions(**options)


def test_defaults_are_celerys():
    options = WorkerOptions()
    assert options.pool == "processes"
    assert WorkerOptions(pool="solo", concurrency=9).concurrency == 1
    assert WorkerOptions(**options.to_json()).to_json() == options.to_json()


def test_a_worker_of_an_application_without_a_store(monkeypatch):
    from millrace import Millrace

    monkeypatch.delenv("MILLRACE_STORE", raising=False)
    with pytest.raises(InvalidArgument, match="no store"):
        Worker(Millrace("x"), WorkerOptions(pool="threads")).run()
