"""The options of `apply_async`, those of canvases apart."""

import datetime as dt

import pytest
from millrace import Millrace, Queue, chain
from millrace.errors import InvalidArgument
from millrace.testing import Harness


@pytest.fixture
def app(tmp_path):
    with Millrace("shop", store=tmp_path / "jobs.db", durability="process") as made:
        yield made


@pytest.fixture
def task(app):
    @app.task(name="f")
    def f(x=1, y=2):
        return [x, y]

    return f


def spec_of(result):
    return result.details().spec


def test_args_and_kwargs(app, task):
    assert spec_of(task.apply_async((5,), {"y": 6})).data == '{"x":5,"y":6}'
    assert spec_of(task.apply_async()).data == "{}"
    assert spec_of(task.apply_async(None, None)).data == "{}"
    for wrong in ("ab", 5, {1}):
        with pytest.raises(TypeError, match="args"):
            task.apply_async(wrong)
    with pytest.raises(TypeError, match="kwargs"):
        task.apply_async((), [1])
    with pytest.raises(TypeError, match=r"f\(\)"):
        task.apply_async((1, 2, 3))
    with pytest.raises(TypeError, match=r"argument 'x\[0\]\.deep' is a object"):
        task.apply_async(([{"deep": object()}],))
    assert app.counts().ready == 3


def test_task_id(task):
    assert task.apply_async(task_id="mine").id == "mine"
    assert task.apply_async((), {}, "by position").id == "by position"


def test_countdown_and_eta(app, task):
    assert task.apply_async(countdown=60).details().state == "scheduled"
    later = dt.datetime(2100, 1, 1, tzinfo=dt.timezone.utc)
    assert spec_of(task.apply_async(eta=later)).due_at_ms == later.timestamp() * 1000
    assert (
        spec_of(task.apply_async(eta="2100-01-01T00:00:00Z")).due_at_ms == later.timestamp() * 1000
    )
    for wrong in ({"countdown": -1}, {"countdown": 5, "eta": later}, {"eta": "soon"}):
        with pytest.raises(InvalidArgument, match=r"countdown|eta"):
            task.apply_async(**wrong)
    assert app.counts().scheduled == 3


def test_expires(task):
    until = dt.datetime(2100, 1, 1, tzinfo=dt.timezone.utc)
    for given in (until, until.isoformat()):
        assert spec_of(task.apply_async(expires=given)).expires_at_ms == until.timestamp() * 1000
    assert spec_of(task.apply_async(expires=60)).expires_at_ms > 0


def test_queue_exchange_and_routing_key(app, task):
    app.conf.task_queues = {
        "feeds": {"exchange": "feeds", "routing_key": "feed.#", "exchange_type": "topic"},
        "images": {"exchange": "media", "binding_key": "image"},
    }
    assert task.apply_async(queue="other").queue == "other"
    assert task.apply_async(queue=Queue("own")).queue == "own"
    assert task.apply_async(exchange="media", routing_key="image").queue == "images"
    assert task.apply_async(exchange="feeds", routing_key="feed.new.item").queue == "feeds"
    assert task.apply_async(routing_key="image").queue == "images"
    assert task.apply_async(routing_key="unknown").queue == "unknown"
    with pytest.raises(InvalidArgument, match="queue and exchange"):
        task.apply_async(queue="a", exchange="b")
    with pytest.raises(TypeError, match="queue"):
        task.apply_async(queue=5)


def test_priority(task):
    assert spec_of(task.apply_async(priority=7)).priority == 7
    with pytest.raises(TypeError, match="priority"):
        task.apply_async(priority="high")


def test_the_priority_of_the_parent(app):
    @app.task(bind=True, name="leaf")
    def leaf(self):
        return self.request.priority

    @app.task(name="top")
    def top():
        return leaf.delay().id

    app.conf.task_inherit_parent_priority = True
    with Harness(app) as harness:
        result = top.apply_async(priority=6)
        harness.run_all()
        assert app.AsyncResult(result.get()).get() == 6


def test_headers(task):
    headers = spec_of(task.apply_async(headers={"a": "b", "n": 5})).headers
    assert headers == '{"a":"b","n":"5","x-millrace-json":"[\\"n\\"]"}'
    with pytest.raises(TypeError, match="headers"):
        task.apply_async(headers=[1])
    with pytest.raises(TypeError, match=r"headers\['a'\]"):
        task.apply_async(headers={"a": {1}})


def test_time_limits(task):
    spec = spec_of(task.apply_async(time_limit=9, soft_time_limit=8))
    assert (spec.time_limit_ms, spec.soft_time_limit_ms) == (9000, 8000)


@pytest.mark.parametrize(
    "name",
    [
        "serializer",
        "compression",
        "retry",
        "retry_policy",
        "producer",
        "connection",
        "delivery_mode",
        "publisher",
        "router",
        "result_cls",
        "task_type",
        "route_name",
        "mandatory",
        "immediate",
    ],
)
def test_options_of_brokers_are_ignored(task, name):
    with_it, without = task.apply_async((5,), **{name: "anything"}), task.apply_async((5,))
    assert spec_of(with_it).data == spec_of(without).data
    assert with_it.queue == without.queue


def test_an_unknown_option_is_an_error(app, task):
    with pytest.raises(TypeError, match=r"countdwn.*did you mean countdown"):
        task.apply_async(countdwn=5)
    assert app.counts().ready == 0


def test_always_eager(app, task):
    app.conf.task_always_eager = True
    assert task.delay(3).get() == [3, 2]
    assert task.apply_async((4,), countdown=60, queue="q").get() == [4, 2]
    assert app.counts().ready == 0
    with pytest.warns(match="send_task"):
        app.send_task("f")

    @app.task
    def bad():
        raise KeyError("k")

    assert bad.delay().failed()
    app.conf.task_eager_propagates = True
    with pytest.raises(KeyError):
        bad.delay()


def test_always_eager_of_many(app, task):
    app.conf.task_always_eager = True
    ran = []

    @app.task(name="note", bind=True)
    def note(self, x):
        ran.append((x, self.request.is_eager, self.request.headers.get("k")))
        return x

    many = note.delay_many([(1,), {"x": 2}])
    assert many.get() == [1, 2]
    with pytest.raises(TypeError):
        note.delay_many([(3,), (4, 5)])  # all or none
    prepared = note.prepare((8,), task_id="own", headers={"k": "v"})
    mixed = app.enqueue_many([note.s(6), task.s(7), prepared, chain(note.s(9), task.s())])
    assert mixed.get() == [6, [7, 2], 8, [9, 2]]
    assert mixed[2].id == "own"
    with pytest.raises(TypeError, match=r"jobs\[1\]"):
        app.enqueue_many([note.s(11), 5])
    assert ran[:4] == [(1, True, None), (2, True, None), (6, True, None), (8, True, "v")]
    assert app.counts().ready == 0
    flow = app.flow()
    flow.add(note.s(1))
    with pytest.warns(match="no effect on flows"):
        flow.enqueue()
    assert app.counts().ready == 1


async def test_always_eager_of_many_awaited(app, task):
    app.conf.task_always_eager = True

    @app.task(name="wait")
    async def wait(x):
        return x

    many = await wait.aio.delay_many([(1,), (2,)])
    assert many.get(disable_sync_subtasks=False) == [1, 2]
    both = await app.aio.enqueue_many([wait.s(3), task.s(4)])
    assert both.get(disable_sync_subtasks=False) == [3, [4, 2]]
    assert app.counts().ready == 0


async def test_the_awaitable_twins_know_all_options(app, task):
    app.conf.task_routes = {"f": "routed"}
    result = await task.aio.apply_async((5,), headers={"n": 5}, retry=True, shadow="x")
    assert (await result.aio.details()).spec.queue == "routed"
    assert (await app.aio.send_task("other", queue=Queue("own"))).queue == "own"
    app.conf.task_always_eager = True
    assert (await task.aio.delay(9)).get(disable_sync_subtasks=False) == [9, 2]


def test_options_of_canvases(app):
    @app.task(bind=True, name="place")
    def place(self, *_taken):
        request = self.request
        return [request.root_id, request.parent_id, request.replaced_task_nesting, request.group]

    with Harness(app) as harness:
        given = {"root_id": "r", "parent_id": "p", "replaced_task_nesting": 2, "group_id": "g"}
        result = place.apply_async(**given)
        linked = place.apply_async(link=place.s(), link_error=[place.s()])
        chained = place.apply_async(chain=[place.s(), place.s()], chord=place.s())
        harness.run_all()
        assert result.get() == ["r", "p", 2, "g"]
        assert linked.get()[0] == linked.id
        assert chained.get() is not None
        assert app.counts().completed == 6


def test_app_signature(app):
    sig = app.signature("place", (1,), {"a": 2}, queue="q")
    assert (sig.task, sig.args, sig.kwargs, sig.app) == ("place", (1,), {"a": 2}, app)
    result = sig.apply_async()
    assert (result.queue, spec_of(result).data) == ("q", '{"$args":[1],"$kwargs":{"a":2}}')


def test_enable_utc_changes_nothing_here(app, task):
    naive = dt.datetime(2100, 1, 1)
    app.conf.enable_utc = False
    due = spec_of(task.apply_async(eta=naive)).due_at_ms
    assert due == naive.replace(tzinfo=dt.timezone.utc).timestamp() * 1000
