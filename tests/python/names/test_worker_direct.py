"""A queue of its own for each worker: the setting `worker_direct`."""

import pytest
from millrace import Millrace, Worker
from millrace.utils.nodenames import worker_direct
from millrace.worker import WorkerOptions

PATIENCE_S = 30.0


@pytest.fixture
def app(tmp_path):
    with Millrace("shop", store=tmp_path / "jobs.db", durability="process") as made:
        yield made


def test_worker_direct_names_a_queue():
    queue = worker_direct("w1@example.com")
    assert (queue.name, queue.exchange.name) == ("w1@example.com.dq2", "C.dq2")
    assert queue.routing_key == "w1@example.com"
    assert worker_direct(queue) is queue


@pytest.mark.parametrize(
    ("given", "queues"),
    [
        ({}, ["default", "w1@here.dq2"]),
        ({"queues": ["mail", "feeds"]}, ["mail", "feeds", "w1@here.dq2"]),
        ({"queues": ["mail", "w1@here.dq2"]}, ["mail", "w1@here.dq2"]),
        ({"queues": ["mail", "feeds"], "exclude_queues": ["mail"]}, ["feeds", "w1@here.dq2"]),
    ],
)
def test_a_worker_serves_its_own_queue_too(app, given, queues):
    without = WorkerOptions.for_app(app, name="w1@here", **given).queues
    assert "w1@here.dq2" not in without or "w1@here.dq2" in given["queues"]
    app.conf.worker_direct = True
    assert list(WorkerOptions.for_app(app, name="w1@here", **given).queues) == queues


def test_with_declared_queues_and_without_a_name(app):
    app.conf.update(worker_direct=True, task_queues=["a", "b"])
    options = WorkerOptions.for_app(app)
    assert list(options.queues) == ["a", "b", f"{options.name}.dq2"]


@pytest.mark.parametrize("pool", ["threads", "asyncio"])
def test_jobs_for_one_worker(app, pool):
    app.conf.update(
        worker_direct=True,
        task_routes={"routed": {"exchange": "C.dq2", "routing_key": "w2@here"}},
    )

    @app.task(name="where", bind=True)
    def where(self):
        return self.request.hostname

    @app.task(name="routed", bind=True)
    def routed(self):
        return self.request.queue

    first = where.apply_async(queue=worker_direct("w1@here"))
    second = where.apply_async(queue="w2@here.dq2")
    third = where.apply_async(exchange="C.dq2", routing_key="w2@here")
    fourth = routed.delay()
    with Worker(app, pool=pool, concurrency=1, name="w2@here", queues=["other"]):
        assert [second.get(PATIENCE_S), third.get(PATIENCE_S)] == ["w2@here"] * 2
        assert fourth.get(PATIENCE_S) == "w2@here.dq2"
        assert first.state == "PENDING"
    with Worker(app, pool=pool, concurrency=1, name="w1@here"):
        assert first.get(PATIENCE_S) == "w1@here"
        common = where.delay()
        assert common.get(PATIENCE_S) == "w1@here"
