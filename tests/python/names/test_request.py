"""What a running task knows of its job: `self.request`."""

import datetime as dt

import pytest
from millrace import Millrace, chain, chord, group
from millrace.app.task import Context
from millrace.request import Request, set_hostname
from millrace.testing import Harness


@pytest.fixture
def app(tmp_path):
    with Millrace("shop", store=tmp_path / "jobs.db", durability="process") as made:
        yield made


@pytest.fixture
def seen(app):
    """The request of a job, with what was read from it while it ran."""

    def run(*names, args=(1,), kwargs=None, **options):
        @app.task(bind=True, name="look")
        def look(self, x, *, y=2):
            return [getattr(self.request, name) for name in names]

        with Harness(app) as harness:
            result = look.apply_async(args, kwargs, **options)
            harness.run_all()
            found = result.get()
            return result, found[0] if len(found) == 1 else found

    return run


def test_id_task_and_correlation_id(seen):
    result, found = seen("id", "task", "name", "correlation_id")
    assert found == [result.id, "look", "look", result.id]


@pytest.mark.parametrize(
    ("args", "kwargs", "expected"),
    [((5,), None, [[5], {}]), ((), {"x": 5}, [[5], {}]), ((5,), {"y": 6}, [[5], {"y": 6}])],
)
def test_args_and_kwargs(seen, args, kwargs, expected):
    _, found = seen("args", "kwargs", args=args, kwargs=kwargs)
    assert found == expected


def test_kwargs_also_know_what_stands_by_position(app):
    @app.task(bind=True)
    def f(self, a, b, *, c=3):
        kwargs = self.request.kwargs
        again = self.run(*self.request.args, **kwargs) if a == 1 else None
        return kwargs["a"], kwargs.get("b"), "c" in kwargs, kwargs.get("d", 9), dict(kwargs), again

    with Harness(app) as harness:
        result = f.delay(1, b=2, c=4)
        first, last = result, None
        harness.run_all()
        assert first.get()[:5] == [1, 2, True, 9, {"c": 4}] if last else True
    made = Request(f)
    made.take_payload({"a": 1, "b": 2})
    assert (made.args, dict(made.kwargs)) == ([1, 2], {})
    with pytest.raises(KeyError):
        made.kwargs["nothing"]
    assert (made.argsrepr, made.kwargsrepr) == ("(1, 2)", "{}")


def test_retries(app):
    @app.task(bind=True, max_retries=2, default_retry_delay=0.001)
    def f(self):
        if self.request.retries < 2:
            raise self.retry()
        return self.request.retries

    assert f.apply().get() == 2


def test_eta_and_expires(app):
    @app.task(bind=True)
    def f(self):
        return self.request.eta, self.request.expires

    with Harness(app) as harness:
        later = dt.datetime.fromtimestamp(app.engine.now_ms() // 1000 + 5, dt.timezone.utc)
        result = f.apply_async(eta=later, expires=later + dt.timedelta(hours=1))
        harness.advance(10)
        harness.run_all()
        assert result.get() == [later, later + dt.timedelta(hours=1)]


def test_is_eager_and_called_directly(app):
    @app.task(bind=True)
    def f(self):
        return self.request.is_eager, self.request.called_directly

    assert f.apply().get() == (True, False)
    assert f() == (False, True)
    with Harness(app) as harness:
        result = f.delay()
        harness.run_all()
        assert result.get() == [False, False]


def test_root_parent_and_children(app):
    @app.task(bind=True)
    def leaf(self):
        return self.request.root_id, self.request.parent_id

    @app.task(bind=True)
    def middle(self):
        result = leaf.delay()
        return self.request.root_id, self.request.parent_id, result.id, len(self.request.children)

    @app.task(bind=True)
    def top(self):
        return self.request.root_id, self.request.parent_id, middle.delay().id

    with Harness(app) as harness:
        result = top.delay()
        harness.run_all()
        root, parent, middle_id = result.get()
        assert (root, parent) == (result.id, None)
        root, parent, leaf_id, children = app.AsyncResult(middle_id).get()
        assert (root, parent, children) == (result.id, result.id, 1)
        assert app.AsyncResult(leaf_id).get() == [result.id, middle_id]


def test_the_parent_in_a_chain(app):
    @app.task(bind=True, name="step")
    def step(self, before=None):
        return [self.request.id, self.request.parent_id, self.request.root_id]

    with Harness(app) as harness:
        last = chain(step.s(), step.s()).apply_async()
        harness.run_all()
        first_id = last.parent.get()[0]
        assert last.get() == [last.id, first_id, first_id]


def test_group_chord_and_their_places(app):
    @app.task(bind=True, name="member")
    def member(self):
        return [
            self.request.group,
            self.request.group_index,
            self.request.chord,
            self.request.taskset,
        ]

    @app.task(name="body")
    def body(results):
        return results

    with Harness(app) as harness:
        several = group(member.s(), member.s()).apply_async()
        whole = chord([member.s(), member.s()], body.s()).apply_async()
        harness.run_all()
        assert several.get() == [
            [several.id, 0, None, several.id],
            [several.id, 1, None, several.id],
        ]
        assert [each[1:3] for each in whole.get()] == [[0, whole.id], [1, whole.id]]


def test_the_lane_of_a_queue_is_its_group_where_there_is_no_canvas(seen):
    assert seen("group", "group_index", group="tenant-7")[1] == ["tenant-7", None]


@pytest.mark.parametrize("name", ["chain", "callbacks", "errbacks"])
def test_what_follows_is_in_the_store(seen, name):
    assert seen(name)[1] is None


@pytest.mark.parametrize(
    ("name", "value"), [("utc", True), ("origin", None), ("loglevel", None), ("logfile", None)]
)
def test_what_is_always_the_same(seen, name, value):
    assert seen(name)[1] is value


def test_reply_to_and_properties(seen):
    result, found = seen("reply_to", "properties", reply_to="answers", priority=3)
    assert found[0] == "answers"
    assert found[1]["correlation_id"] == result.id
    assert (found[1]["reply_to"], found[1]["priority"]) == ("answers", 3)


def test_delivery_info(seen):
    assert seen("delivery_info", queue="images", priority=4)[1] == {
        "exchange": "",
        "routing_key": "images",
        "priority": 4,
        "redelivered": False,
    }


def test_hostname(seen):
    set_hostname("celery@here")
    try:
        assert seen("hostname")[1] == "celery@here"
        assert Request().hostname is None
    finally:
        set_hostname("")


def test_headers_and_headers_as_attributes(app):
    @app.task(bind=True)
    def f(self):
        request = self.request
        with pytest.raises(AttributeError, match="nothing"):
            _ = request.nothing
        return request.headers, request.tenant, request.get("trace"), request.get("nothing", 5)

    with Harness(app) as harness:
        result = f.apply_async(headers={"tenant": {"id": 7}, "trace": "abc"}, shadow="hidden")
        harness.run_all()
        assert result.get() == [{"tenant": {"id": 7}, "trace": "abc"}, {"id": 7}, "abc", 5]


def test_time_limits(seen):
    _, found = seen("timelimit", "time_limit", "soft_time_limit", time_limit=9, soft_time_limit=8)
    assert found == [[9.0, 8.0], 9.0, 8.0]
    assert seen("timelimit")[1] == [None, None]


def test_shadow_and_ignore_result(seen):
    assert seen("shadow", shadow="pretty")[1] == "pretty"
    assert seen("shadow", "ignore_result")[1] == [None, False]
    _, found = seen("ignore_result", ignore_result=False)
    assert found is False


def test_stamps(app):
    @app.task(bind=True, name="look")
    def look(self):
        return self.request.stamped_headers, self.request.stamps

    with Harness(app) as harness:
        sig = look.s()
        sig.stamp(monitoring_id="m1")
        result = sig.apply_async()
        harness.run_all()
        names, stamps = result.get()
        assert (names, stamps) == (["monitoring_id"], {"monitoring_id": "m1"})


def test_replaced_task_nesting(app):
    @app.task(bind=True, name="second")
    def second(self):
        return self.request.replaced_task_nesting

    @app.task(bind=True, name="first")
    def first(self):
        raise self.replace(second.s())

    with Harness(app) as harness:
        result = first.delay()
        harness.run_all()
        assert result.get() == 1


def test_get_update_and_clear():
    request = Context({"id": "1"}, retries=2)
    assert (request.id, request.retries, request.get("eta", 5)) == ("1", 2, None)
    request.update(id="2", own=3)
    assert (request.id, request.own) == ("2", 3)
    request.clear()
    assert (request.id, request.retries) == (None, 0)


def test_as_execution_options(app):
    @app.task(bind=True, name="f")
    def f(self):
        told = self.request.as_execution_options()
        assert self.request.execution_options == told
        return {
            name: told[name] for name in ("task_id", "queue", "priority", "headers", "time_limit")
        }

    with Harness(app) as harness:
        result = f.apply_async(queue="q", priority=3, headers={"a": "b"}, time_limit=9)
        harness.run_all()
        assert result.get() == {
            "task_id": result.id,
            "queue": "q",
            "priority": 3,
            "headers": {"a": "b"},
            "time_limit": 9.0,
        }
