"""The methods of tasks, those of canvases apart."""

import datetime as dt
import threading

import pytest
from millrace import MaxRetriesExceededError, Millrace, Retry
from millrace.errors import InvalidArgument, IoError, OperationalError
from millrace.request import Request, current_request
from millrace.task import Task
from millrace.testing import Harness


@pytest.fixture
def app(tmp_path):
    with Millrace("shop", store=tmp_path / "jobs.db", durability="process") as made:
        yield made


def test_delay_and_apply_async_and_async_result(app):
    @app.task(name="add")
    def add(x, y=1):
        return x + y

    with Harness(app) as harness:
        first, second = add.delay(1, y=2), add.apply_async((3,), {"y": 4})
        harness.run_all()
        assert (first.get(), second.get()) == (3, 7)
        assert add.AsyncResult(first.id).get() == 3
    assert (add.name, add.app) == ("add", app)


def test_delay_goes_through_an_apply_async_of_ones_own(app):
    class Counting(Task):
        def apply_async(self, args=None, kwargs=None, **options):
            return super().apply_async(args, kwargs, **{"headers": {"by": "me"}, **options})

    @app.task(base=Counting)
    def f(x): ...

    assert f.delay(1).details().spec.headers == '{"by":"me"}'


def test_run_and_call(app):
    @app.task(bind=True)
    def f(self, x):
        return x, self.request.called_directly, tuple(self.request.args)

    assert f.run(1)[0] == 1
    assert f(2) == (2, True, (2,))
    with pytest.raises(NotImplementedError, match="run"):
        Task().run()


def test_a_direct_call_inside_a_task_is_no_job(app):
    @app.task(bind=True, max_retries=5)
    def inner(self):
        assert self.request.called_directly
        raise self.retry(exc=KeyError("inner"))

    @app.task
    def outer():
        with pytest.raises(KeyError, match="inner"):
            inner()
        return "done"

    with Harness(app) as harness:
        result = outer.delay()
        harness.run_all()
        assert result.get() == "done"


def test_retry_with_countdown_eta_and_bound(app):
    @app.task(bind=True, name="f", max_retries=5)
    def f(self, how):
        if self.request.retries:
            return self.request.retries
        later = dt.datetime.fromtimestamp(app.engine.now_ms() / 1000 + 5, dt.timezone.utc)
        how = {"countdown": {"countdown": 5}, "eta": {"eta": later}}[how]
        retry = self.retry(throw=False, **how)
        assert isinstance(retry, Retry)
        assert retry.when is not None
        raise retry

    with Harness(app) as harness:
        results = [f.delay("countdown"), f.delay("eta")]
        harness.run_all()
        assert [r.state for r in results] == ["RETRY", "RETRY"]
        harness.advance(4)
        assert harness.run_all() == 0
        harness.advance(1.1)
        harness.run_all()
        assert [r.get() for r in results] == [1, 1]


def test_retry_without_retries_left(app):
    @app.task(bind=True, name="f", max_retries=0)
    def f(self, x):
        if x == "own":
            raise self.retry(exc=KeyError("own"))
        raise self.retry()

    with Harness(app) as harness:
        own, other = f.delay("own"), f.delay("other")
        harness.run_all()
        with pytest.raises(KeyError, match="own"):
            own.get()
        with pytest.raises(MaxRetriesExceededError, match="retried 0 times"):
            other.get()


@pytest.mark.parametrize("eager", [False, True])
def test_retry_with_other_arguments(app, eager):
    @app.task(bind=True, name="f", max_retries=3, default_retry_delay=0.001)
    def f(self, x, y=0):
        if x < 3:
            raise self.retry((x + 1,), {"y": self.request.retries})
        return x, y, self.request.retries

    if eager:
        assert f.apply((1,)).get() == (3, 1, 2)
        return
    with Harness(app) as harness:
        result = f.delay(1)
        for _ in range(4):
            harness.run_all()
            harness.advance(1)
        assert result.get() == [3, 1, 2]


def test_retry_with_other_arguments_counts_all_retries(app):
    @app.task(bind=True, name="f", max_retries=2, default_retry_delay=0.001)
    def f(self, x):
        raise self.retry((x + 1,), exc=KeyError(x))

    with Harness(app) as harness:
        result = f.delay(1)
        for _ in range(5):
            harness.run_all()
            harness.advance(1)
        with pytest.raises(KeyError, match="3"):
            result.get()


def test_retry_in_another_queue_keeps_headers(app):
    @app.task(bind=True, name="f", max_retries=3, default_retry_delay=0.001)
    def f(self):
        if self.request.queue != "slow":
            raise self.retry(queue="slow", priority=7)
        return self.request.queue, self.request.priority, self.request.tenant

    with Harness(app) as harness:
        result = f.apply_async(headers={"tenant": 5})
        harness.run_all()
        harness.advance(1)
        harness.run_all()
        assert result.get() == ["slow", 7, 5]


def test_update_state(app):
    seen = []

    @app.task(bind=True, name="f")
    def f(self):
        self.update_state(state="LOADING", meta={"done": 5})
        self.update_state(self.request.id, "HALFWAY", {"done": 50})
        with pytest.raises(InvalidArgument, match="another job"):
            self.update_state("other", "X")
        seen.append(self.request.id)

    with Harness(app) as harness:
        result = f.delay()
        harness.run_all()
        assert seen == [result.id]
        assert result.state == "SUCCESS"


def test_send_event(app):
    @app.task(bind=True, name="f")
    def f(self):
        self.send_event("page-loaded", page=3)

    with Harness(app) as harness:
        result = f.delay()
        with app.events(after="0-0", types=["custom"]) as events:
            harness.run_all()
            event = next(iter(events))
        assert (event.name, event.job_id) == ("page-loaded", result.id)
        with pytest.raises(TypeError, match="type_"):
            f.send_event(5)


def test_shadow_name(app):
    class Named(Task):
        def shadow_name(self, args, kwargs, options):
            return f"{self.name}:{args[0]}"

    @app.task(base=Named, bind=True, name="f")
    def f(self, x):
        return self.request.shadow

    with Harness(app) as harness:
        results = [f.delay("a"), f.apply_async(("b",), shadow="mine")]
        harness.run_all()
        assert [r.get() for r in results] == ["f:a", "mine"]


def test_add_trail(app):
    @app.task(bind=True)
    def f(self):
        result = app.send_task("x", add_to_parent=False)
        assert self.add_trail(result) is result
        return [each.id for each in self.request.children] == [result.id]

    with Harness(app) as harness:
        result = f.delay()
        harness.run_all()
        assert result.get() is True


def test_bind_and_on_bound(app):
    bound = []

    class Own(Task):
        name = "own"

        @classmethod
        def on_bound(cls, app):
            bound.append(app)

        def run(self):
            return 5

    app.register_task(Own())
    assert bound == [app]
    assert Own.bind(app) is Own
    assert Own.app is app


def test_add_around(app):
    @app.task
    def f(x):
        return x

    f.add_around("run", lambda run: lambda x: run(x) * 2)
    assert f(4) == 8
    assert f.run.__wrapped__(4) == 4


def test_push_and_pop_request(app):
    @app.task(bind=True)
    def f(self):
        return self.request.id, self.request.retries, self.request.called_directly

    f.push_request(id="1", retries=2, called_directly=False)
    try:
        assert f.request.id == "1"
        assert f.request_stack.get() is f.request
        assert f.run() == ("1", 2, False)
    finally:
        popped = f.pop_request()
    assert popped.retries == 2
    assert f.request.id is None
    assert f.request_stack is current_request


def test_the_request_is_of_the_task_that_runs(app):
    @app.task(bind=True)
    def other(self): ...

    @app.task(bind=True)
    def f(self):
        return self.request.id == current_request.get().id, other.request.id

    with Harness(app) as harness:
        result = f.delay()
        harness.run_all()
        assert result.get() == [True, None]


def test_requests_of_threads_are_their_own(app):
    @app.task(bind=True)
    def f(self):
        found = []
        thread = threading.Thread(target=lambda: found.append(self.request.id))
        thread.start()
        thread.join()
        return found

    assert f.apply().get() == [None]


def test_classes_that_tasks_know(app):
    f = app.task(lambda: None)
    assert f.MaxRetriesExceededError is MaxRetriesExceededError
    assert f.OperationalError is OperationalError
    assert issubclass(IoError, f.OperationalError)
    assert f.Request is Request
    assert f.Strategy
    assert f.start_strategy(app, None) is None
    assert f.backend.app is app


def test_a_task_that_nobody_has_registered_is_of_the_current_application(app):
    class Loose(Task):
        name = "loose"

        def run(self, x): ...

    app.set_current()
    assert Loose().delay(1).app is app
    with pytest.raises(AttributeError, match="nonsense"):
        _ = Loose().nonsense


def test_on_replace(app):
    class Watching(Task):
        def on_replace(self, sig):
            sig.set(headers={"from": self.name})

    @app.task(bind=True, name="second")
    def second(self):
        return self.request.headers

    @app.task(base=Watching, bind=True, name="first")
    def first(self):
        raise self.replace(second.s())

    with Harness(app) as harness:
        result = first.delay()
        harness.run_all()
        assert result.get() == {"from": "first"}
