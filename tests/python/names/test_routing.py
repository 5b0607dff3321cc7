"""`task_routes` and `task_queues`."""

import re
import sys
import types

import pytest
from millrace import Exchange, Millrace, Queue
from millrace.errors import ImproperlyConfigured, QueueNotFound
from millrace.routing import Queues


@pytest.fixture
def app(tmp_path):
    with Millrace("shop", store=tmp_path / "jobs.db", durability="process") as made:
        yield made


@pytest.fixture
def task(app):
    @app.task(name="feed.tasks.load")
    def load(x=0): ...

    return load


def by_function(name, args, kwargs, options, task=None, **kw):
    if name.startswith("feed.") and list(args) == [7]:
        return {"queue": "sevens", "priority": 3}
    return None


class ByObject:
    def route_for_task(self, task, args=None, kwargs=None):
        return {"queue": "objects"} if args else None


@pytest.mark.parametrize(
    "routes",
    [
        {"feed.tasks.load": {"queue": "feeds"}},
        {"feed.tasks.load": "feeds"},
        {"feed.*": {"queue": "feeds"}},
        {"other": "x", "*.load": "feeds"},
        {re.compile(r"(feed|mail)\..*"): {"queue": "feeds"}},
        [("feed.tasks.*", {"queue": "feeds"}), ("other.*", {"queue": "x"})],
        ([("other.*", {"queue": "x"}), ("feed.*", {"queue": "feeds"})],),
        [{"other": "x"}, {"feed.tasks.load": Queue("feeds")}],
        [by_function, {"feed.*": "feeds"}],
    ],
)
def test_forms_of_task_routes(app, task, routes):
    app.conf.task_routes = routes
    assert task.delay().queue == "feeds"
    assert task.apply_async((1,)).queue == "feeds"
    assert app.send_task("feed.tasks.load").queue == "feeds"
    assert task.apply_async(queue="own").queue == "own"


def test_the_exact_name_counts_more_than_a_pattern(app, task):
    app.conf.task_routes = {"feed.*": "pattern", "feed.tasks.load": "exact"}
    assert task.delay().queue == "exact"


def test_a_function_is_asked_for_each_job(app, task):
    app.conf.task_routes = (by_function,)
    spec = task.delay(7).details().spec
    assert (spec.queue, spec.priority) == ("sevens", 3)
    assert task.delay(8).queue == "default"
    app.conf.task_routes = ByObject()
    assert task.delay(8).queue == "objects"
    assert task.apply_async().queue == "default"
    many = task.delay_many([(7,), (8,)])
    assert {each.queue for each in many} == {"objects"}


def test_a_function_by_its_name(app, task):
    module = types.ModuleType("routers_of_a_test")
    module.by_function, module.ByObject = by_function, ByObject
    sys.modules[module.__name__] = module
    try:
        app.conf.task_routes = "routers_of_a_test.by_function"
        assert task.delay(7).queue == "sevens"
        app.conf.task_routes = ["routers_of_a_test.ByObject"]
        assert task.delay(1).queue == "objects"
    finally:
        del sys.modules[module.__name__]
    with pytest.raises(ImproperlyConfigured, match="routers_of_a_test"):
        app.conf.task_routes = "routers_of_a_test.by_function"
    with pytest.raises(TypeError, match="task_routes"):
        app.conf.task_routes = 5


def test_the_queue_of_the_task_counts_more_than_a_route(app):
    @app.task(name="feed.own", queue="own")
    def own(): ...

    app.conf.task_routes = {"feed.*": "feeds"}
    assert own.delay().queue == "own"


def test_a_route_may_say_the_priority(app, task):
    app.conf.task_routes = {"feed.*": {"priority": 4}}
    assert (task.spec.queue, task.spec.priority) == ("default", 4)


def test_routing_keys_of_exchanges():
    topic = Queue("t", Exchange("media", type="topic"), routing_key="image.*.#")
    assert topic.takes("media", "image.png")
    assert topic.takes("media", "image.png.large.x")
    assert not topic.takes("media", "image")
    assert not topic.takes("other", "image.png")
    anything = Queue("a", Exchange("all", type="fanout"))
    assert anything.takes("all", "whatever")
    assert not anything.takes(None, None)


def test_queue_and_exchange_are_values():
    first, second = (Queue("a", Exchange("e"), "k", durable=True, max_priority=5) for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)
    assert (str(first), first.exchange.name, str(first.exchange), first.routing_key) == (
        "a",
        "e",
        "e",
        "k",
    )
    assert first.options == {"durable": True, "max_priority": 5}
    assert Exchange("e") != Exchange("e", type="topic")
    assert repr(first) == "<Queue a -> e -> k>"
    assert repr(Exchange("e")) == "<Exchange e(direct)>"


def test_queues_of_another_library_and_missing_ones(app, task):
    foreign = types.SimpleNamespace(
        name="theirs",
        exchange=types.SimpleNamespace(name="ex", type="direct"),
        routing_key="key",
    )
    app.conf.task_queues = [foreign, "plain"]
    assert task.apply_async(exchange="ex", routing_key="key").queue == "theirs"
    app.conf.task_create_missing_queues = False
    assert task.apply_async(queue="plain").queue == "plain"
    assert task.delay().queue == "default"
    with pytest.raises(QueueNotFound, match=r"'new'.*plain, theirs"):
        task.apply_async(queue="new")
    assert Queues(None, default="d", create_missing=False)["any"].name == "any"
    with pytest.raises(TypeError, match="task_queues"):
        app.conf.task_queues = 5
