"""Deduplication by key, through the whole layer."""

import asyncio

import pytest
from millrace import Dedup
from millrace.testing import Harness


@pytest.fixture
def note(app):
    @app.task(name="note")
    def note(x: int) -> int:
        return x

    return note


def test_as_long_as_the_holder_is_unfinished(app, note):
    with Harness(app) as harness:
        first = note.apply_async((1,), dedup="k")
        second = note.apply_async((2,), dedup="k")
        assert not first.existing
        assert second.existing
        assert second.id == first.id
        assert app.dedup.holder("k") == first
        harness.run_all()
        third = note.apply_async((3,), dedup="k")
        assert not third.existing
        assert len(harness.enqueued(note)) == 2


def test_throttle(app, note):
    with Harness(app) as harness:
        once = Dedup("k", mode="throttle", ttl=10)
        first = note.apply_async((1,), dedup=once)
        harness.run_all()
        harness.advance(9.999)
        assert note.apply_async((2,), dedup=once).existing
        harness.advance(0.001)
        later = note.apply_async((3,), dedup=once)
        assert not later.existing
        assert later.id != first.id


def test_debounce_answers_which_job_had_to_go(app, note):
    with Harness(app) as harness:
        first = note.apply_async((1,), dedup=Dedup("k", mode="debounce"), countdown=5)
        harness.advance(4)
        second = note.apply_async((2,), dedup=Dedup("k", mode="debounce"), countdown=5)
        assert first.replaced_id is None
        assert second.replaced_id == first.id
        harness.advance(4)
        assert harness.run_all() == 0
        harness.advance(1)
        assert harness.run_all() == 1
        assert second.get(0) == 2


def test_a_key_can_be_released(app, note):
    first = note.apply_async((1,), dedup="k", queue="other")
    assert app.dedup.holder("k") is None  # in the default queue
    assert app.dedup.holder("k", queue="other") == first
    assert app.dedup.release("k", queue="other")
    assert not app.dedup.release("k", queue="other")
    assert not note.apply_async((2,), dedup="k", queue="other").existing


async def test_the_awaitable_twins(app, note):
    first = await note.aio.apply_async((1,), dedup="k")
    assert await app.dedup.aio.holder("k") == first
    assert await app.dedup.aio.release("k")
    assert await app.dedup.aio.holder("k", queue="default") is None
    await asyncio.to_thread(app.close)
