"""What holds the place of a broker: queues by name, connections, pools, the backend."""

import millrace
import pytest
from millrace import Millrace
from millrace.errors import QueueNotFound


@pytest.fixture
def app(tmp_path):
    with Millrace("shop", store=tmp_path / "jobs.db", durability="process") as made:
        yield made


def test_amqp_has_the_queues_and_the_routes(app):
    app.conf.task_queues = [millrace.Queue("a"), "b"]
    app.conf.task_routes = {"f": "b"}
    assert list(app.amqp.queues) == ["a", "b"]
    assert app.amqp.default_queue.name == "default"
    assert app.amqp.router.route("f").queue == "b"
    assert app.amqp.routes == {"f": "b"}
    assert app.amqp.default_exchange.name == "default"


def test_select_queues(app):
    app.conf.task_queues = ["a", "b", "c"]
    app.select_queues("a,b")
    assert list(app.amqp.queues.consume_from) == ["a", "b"]
    app.amqp.queues.deselect("a")
    app.amqp.queues.select_add("d")
    assert list(app.amqp.queues.consume_from) == ["b", "d"]
    app.conf.task_create_missing_queues = False
    with pytest.raises(QueueNotFound, match="'nope'"):
        app.send_task("x", queue="nope")


@pytest.mark.parametrize("name", ["connection", "connection_for_read", "connection_for_write"])
def test_connections_are_held_by_the_store(app, name):
    with getattr(app, name)() as connection:
        assert connection.ensure_connection(max_retries=3) is connection
        assert connection.as_uri() == app.store
        with connection.Producer() as producer:
            app.send_task("f", producer=producer)
    with app.connection_or_acquire(connection) as same:
        assert same is connection
    assert app.counts().ready == 1


def test_producers_and_pools(app):
    @app.task
    def f(): ...

    with app.producer_or_acquire() as producer, app.pool.acquire(block=True) as connection:
        f.apply_async(producer=producer, connection=connection)
    with app.producer_pool.acquire() as producer, app.producer_or_acquire(producer) as same:
        assert same is producer
    app.pool.force_close_all()
    assert app.counts().ready == 1


def test_backend_tells_of_results(app):
    result = app.send_task("f")
    assert app.backend.get_state(result.id) == "PENDING"
    assert app.backend.get_result(result.id) is None
    assert millrace.AsyncResult(result.id, backend=app.backend).app is app
    assert app.backend.as_uri() == app.store
    app.backend.forget(result.id)
    assert app.counts().ready == 0


def test_results_of_the_application(app):
    result = app.send_task("f")
    assert app.AsyncResult(result.id) == result
    assert len(app.ResultSet([result])) == 1
    group = app.GroupResult("g", [result])
    assert (group.id, group.app) == ("g", app)
