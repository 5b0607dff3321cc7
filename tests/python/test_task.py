import datetime as dt
import pickle

import pytest
from millrace import Millrace
from millrace.errors import AlreadyRegistered, InvalidArgument


def payload_of(app, result):
    return app.engine.get_job(result.id).spec


def test_delay_binds_arguments_to_names(app):
    @app.task
    def resize(url: str, width: int = 5) -> None: ...

    spec = payload_of(app, resize.delay("a.png", width=6))
    assert spec.data == '{"url":"a.png","width":6}'
    assert spec.queue == "default"
    assert spec.name == f"{__name__}.test_delay_binds_arguments_to_names.<locals>.resize"
    assert payload_of(app, resize.delay("b.png")).data == '{"url":"b.png"}'


def test_arguments_that_do_not_fit_write_nothing(app):
    @app.task(name="resize")
    def resize(url): ...

    for args, kwargs in [((), {}), ((1, 2), {}), ((), {"nope": 1})]:
        with pytest.raises(TypeError, match=r"resize\(\)"):
            resize.delay(*args, **kwargs)
        with pytest.raises(TypeError, match=r"resize\(\)"):
            resize.apply_async(args, kwargs)
        with pytest.raises(TypeError, match=r"resize\(\)"):
            resize.delay_many([("a",), args or kwargs])
    assert app.counts().ready == 0


def test_arguments_that_cannot_travel_write_nothing(app):
    @app.task(name="resize")
    def resize(url): ...

    with pytest.raises(TypeError, match=r"resize\(\): argument 'url' is a set"):
        resize.delay({1})
    with pytest.raises(TypeError, match=r"resize\(\): argument 'url' is a set"):
        resize.apply_async(({1},))
    with pytest.raises(TypeError, match=r"resize\(\): argument 'url\[0\]' is a object"):
        resize.delay_many([("a",), ([object()],)])
    assert app.counts().ready == 0


def test_options_of_a_job(app):
    @app.task(name="f", queue="q", priority=3, time_limit=9, soft_time_limit=8, expires=100)
    def f(): ...

    spec = payload_of(app, f.delay())
    assert (spec.queue, spec.priority, spec.time_limit_ms, spec.soft_time_limit_ms) == (
        "q",
        3,
        9000,
        8000,
    )
    assert app.engine.get_job(f.delay().id).spec.expires_at_ms > 0
    result = f.apply_async(
        countdown=3600,
        queue="other",
        priority=-1,
        task_id="mine",
        headers={"a": "b"},
        durability="power",
    )
    assert (result.id, result.queue, result.durability, result.existing) == (
        "mine",
        "other",
        "power",
        False,
    )
    info = result.details()
    assert (info.state, info.spec.priority, info.spec.headers) == ("scheduled", -1, '{"a":"b"}')


def test_an_id_that_exists_answers_the_existing_job(app):
    @app.task(name="f")
    def f(x): ...

    first = f.apply_async((1,), task_id="mine")
    second = f.apply_async((2,), task_id="mine")
    assert second.existing
    assert second == first
    assert second.details().spec.data == '{"x":1}'
    assert app.counts().ready == 1


def test_eta_in_the_past_is_due_now(app):
    @app.task
    def f(): ...

    result = f.apply_async(eta=dt.datetime(2000, 1, 1, tzinfo=dt.timezone.utc))
    assert result.details().state == "ready"


def test_delay_many_is_all_or_none(app):
    @app.task(name="add")
    def add(x, y=1): ...

    results = add.delay_many([(1,), [2, 3], {"x": 4}])
    assert len(results) == 3
    assert [r.details().spec.data for r in results] == ['{"x":1}', '{"x":2,"y":3}', '{"x":4}']
    assert len({r.id for r in results}) == 3
    assert results[-1] == results[2]
    assert [r.id for r in results[1:]] == [results[1].id, results[2].id]
    assert len(add.delay_many([])) == 0
    with pytest.raises(TypeError, match=r"calls\[1\] must be a tuple"):
        add.delay_many([(1,), "ab"])
    assert app.counts().ready == 3


def test_jobs_of_several_tasks_in_one_commit(app):
    @app.task
    def f(x): ...

    @app.task(queue="other")
    def g(): ...

    results = app.enqueue_many(
        [f.prepare((1,)), g.prepare(countdown=60), f.prepare(kwargs={"x": 2}, queue="third")]
    )
    assert [r.queue for r in results] == ["default", "other", "third"]
    assert [r.details().state for r in results] == ["ready", "scheduled", "ready"]
    with pytest.raises(
        TypeError, match=r"jobs\[1\] must be made by task.s\(\) or task.prepare\(\), not g"
    ):
        app.enqueue_many([f.prepare((1,)), g])
    assert len(app.enqueue_many([])) == 0


def test_send_task_by_name(app):
    @app.task(name="known")
    def known(a, b): ...

    assert payload_of(app, app.send_task("known", (1,), {"b": 2})).data == '{"a":1,"b":2}'
    assert payload_of(app, app.send_task("else", kwargs={"a": 1}, queue="q")).data == '{"a":1}'
    assert (
        payload_of(app, app.send_task("else", (1,), {"a": 1})).data
        == '{"$args":[1],"$kwargs":{"a":1}}'
    )
    policy = payload_of(app, app.send_task("else", max_retries=4, retry_backoff=2)).retry
    assert (policy.max_attempts, policy.backoff, policy.delay_ms) == (5, "exponential", 2000)
    with pytest.raises(TypeError):
        app.send_task("known")
    with pytest.raises(TypeError, match=r"else\(\): argument 'a' is a set"):
        app.send_task("else", kwargs={"a": set()})


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"name": 5}, TypeError),
        ({"name": ""}, InvalidArgument),
        ({"queue": 5}, TypeError),
        ({"priority": "x"}, TypeError),
        ({"max_retries": "x"}, TypeError),
        ({"max_retries": -1}, InvalidArgument),
        ({"default_retry_delay": "x"}, TypeError),
        ({"autoretry_for": 5}, TypeError),
        ({"retry_backoff": "x"}, TypeError),
        ({"retry_jitter": 1}, TypeError),
        ({"ignore_result": 1}, TypeError),
        ({"bind": 1}, TypeError),
        ({"expires": "x"}, TypeError),
        ({"time_limit": "x"}, TypeError),
        ({"time_limit": 1, "soft_time_limit": 1}, InvalidArgument),
        ({"nonsense": 1}, TypeError),
    ],
)
def test_options_of_a_task_are_checked_when_it_is_made(app, options, error):
    def f(): ...

    with pytest.raises(error, match=list(options)[-1]):
        app.task(**options)(f)
    assert not app.tasks


@pytest.mark.parametrize("thing", ["name", 5, None])
def test_only_callables_are_tasks(app, thing):
    with pytest.raises(TypeError, match="callable"):
        app.task()(thing)


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.apply_async("ab"),
        lambda t: t.apply_async(5),
        lambda t: t.apply_async((), [1]),
        lambda t: t.apply_async(queue=5),
        lambda t: t.apply_async(countdown="x"),
        lambda t: t.apply_async(durability=5),
        lambda t: t.delay_many(5),
        lambda t: t.delay_many([5]),
        lambda t: t.delay_many([()], durability=5),
        lambda t: t.AsyncResult(5),
        lambda t: t.log(5),
        lambda t: t.update_state(state=5),
        lambda t: t.app.send_task(5),
        lambda t: t.app.send_task("x", "ab"),
        lambda t: t.app.send_task("x", (), 5),
        lambda t: t.app.enqueue_many(5),
        lambda t: t.app.AsyncResult(None),
    ],
)
def test_wrong_types_at_every_call(app, call):
    @app.task
    def f(): ...

    with pytest.raises(TypeError):
        call(f)
    assert app.counts().ready == 0


def test_a_name_can_be_taken_once(app):
    @app.task(name="same")
    def f(): ...

    with pytest.raises(AlreadyRegistered, match="'same'"):

        @app.task(name="same")
        def g(): ...


def test_a_task_is_still_a_function(app):
    @app.task
    def add(x, y=2):
        """Adds."""
        return x + y

    @app.task(bind=True)
    def bound(self, x):
        return self.name, self.request.called_directly, self.request.id, self.request.retries, x

    assert add(1) == 3
    assert add.__doc__ == "Adds."
    assert add.__name__ == "add"
    assert bound(1) == (bound.name, True, None, 0, 1)
    assert "bound" in repr(bound)


def test_a_task_called_directly_has_nothing_to_report_to(app):
    @app.task(bind=True)
    def f(self):
        self.update_state(meta=1)
        self.log("x")
        self.retry(exc=KeyError("k"))

    with pytest.raises(KeyError):
        f()
    with pytest.raises(RuntimeError, match="no job to retry"):
        f.retry()


def test_a_task_cannot_be_pickled(app):
    @app.task
    def f(): ...

    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(f)


def test_a_hard_limit_is_retried_only_if_asked_for(app):
    @app.task
    def plain(): ...

    @app.task(autoretry_for=(Exception,), max_retries=7)
    def stubborn(): ...

    assert plain.spec.retry.max_attempts == 1
    assert stubborn.spec.retry.max_attempts == 8


def test_a_store_in_memory():
    with Millrace("m", store=":memory:") as app:

        @app.task
        def f(): ...

        assert f.delay().durability == "memory"
        assert app.counts().ready == 1
