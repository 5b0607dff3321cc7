"""Ids that are revoked before a job has them: the store remembers, for workers and producers of either language."""

import pytest
from millrace import AsyncResult, Millrace, TaskRevokedError, chain
from millrace.testing import Harness


@pytest.fixture
def app(tmp_path):
    with Millrace("shop", store=tmp_path / "jobs.db", durability="process") as made:
        yield made


@pytest.fixture
def ran():
    return []


@pytest.fixture
def note(app, ran):
    @app.task(name="note")
    def note(x):
        ran.append(x)
        return x

    return note


def test_a_job_that_comes_after_its_revoke(app, note, ran):
    with Harness(app) as harness:
        app.control.revoke(["early", "twice"])
        app.control.revoke("twice")
        assert AsyncResult("early", app=app).state == "REVOKED"
        early = note.apply_async((1,), task_id="early")
        twice = note.apply_async((2,), task_id="twice", queue="mail", countdown=60)
        other = note.apply_async((3,), task_id="other")
        harness.run_all()
        assert (early.state, twice.state, other.state) == ("REVOKED", "REVOKED", "SUCCESS")
        with pytest.raises(TaskRevokedError):
            early.get(0)
        assert app.counts("default").cancelled == 1
    assert ran == [3]


def test_in_bulk_in_a_canvas_and_in_a_transaction(app, note, ran):
    with Harness(app) as harness:
        app.control.revoke(["a", "b", "c"])
        prepared = [
            note.prepare((i,), task_id=task_id) for i, task_id in enumerate(["x", "a", "y"])
        ]
        many = app.enqueue_many(prepared)
        with app.transaction() as tx:
            inside = note.apply_async((7,), task_id="b", tx=tx)
        chained = chain(note.s(8), note.si(9).set(task_id="c"), note.si(10)).apply_async()
        harness.run_all()
        assert [each.state for each in many] == ["SUCCESS", "REVOKED", "SUCCESS"]
        assert inside.state == "REVOKED"
        assert chained.parent.state == "REVOKED"
        assert 9 not in ran
        assert 10 not in ran


def test_results_of_unknown_jobs(app, note):
    result = AsyncResult("soon", app=app)
    assert result.revoke(wait=True) == "remembered"
    assert result.revoke() == "finished"
    assert note.apply_async((1,), task_id="soon").state == "REVOKED"


async def test_the_awaitable_twin(app, note):
    assert await AsyncResult("soon", app=app).aio.revoke() == "remembered"
    soon = await note.aio.apply_async((1,), task_id="soon")
    assert await soon.aio.state() == "REVOKED"


def test_one_that_was_there_in_time_is_cancelled(app, note, monkeypatch):
    """Between the first look and the note that it is revoked."""
    from millrace.app import store_commands

    counts = app.engine.counts("x").cancelled
    assert counts == 0
    real = store_commands._remember

    def late(*args):
        note.apply_async((1,), task_id="race", queue="q")
        return real(*args)

    monkeypatch.setattr(store_commands, "_remember", late)
    assert AsyncResult("race", app=app).revoke() == "cancelled"


def test_how_long_and_how_many(app):
    app.control.revoke("gone")
    (queue,) = [each for each in app.engine.list_queues() if each.queue == "millrace.revoked"]
    assert queue.cancelled == 1
    from millrace.app import store_commands

    assert (store_commands._REMEMBER_MS, store_commands._REMEMBER_MAX) == (10_800_000, 50_000)
