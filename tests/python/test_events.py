import asyncio
import itertools
import threading

import pytest
from millrace import _core, errors
from millrace.events import event_data
from worker_support import PATIENCE_S, running


@pytest.fixture
def prog(app):
    @app.task(bind=True, name="prog")
    def prog(self, n):
        for i in range(n):
            self.update_state(meta={"i": i})
        return "done"

    return prog


def test_a_job_from_beginning_to_end(app, prog):
    with app.events() as events, running(app):
        result = prog.delay(2)
        seen = []
        for event in events:
            if event.job_id == result.id:
                seen.append(event)
            if event.type == "completed":
                break
    types = [event.type for event in seen]
    assert types[:2] == ["added", "active"]
    assert types[-1] == "completed"
    assert event_data(seen[-1]) == "done"
    assert [event_data(e) for e in seen if e.type == "progress"][-1] == {"i": 1}
    assert all(_core.event_id_less(a.id, b.id) for a, b in itertools.pairwise(seen))


def test_resuming_behind_an_event(app, prog):
    ids = [prog.delay(0).id for _ in range(3)]
    with app.events(after="", types=["added"]) as events:
        first = events.next(PATIENCE_S)
    assert first.job_id == ids[0]
    assert first.name == "prog"
    with app.events(after=first.id, types=["added"]) as events:
        assert [events.next(PATIENCE_S).job_id for _ in range(2)] == ids[1:]
        assert events.next(0) is None


def test_one_job_only(app, prog):
    prog.delay(0)
    wanted = prog.delay(0)
    with app.events(after="", job_id=wanted.id) as events:
        assert events.next(PATIENCE_S).job_id == wanted.id
        assert events.next(0) is None


def test_closing_ends_a_waiting_loop(app):
    events = app.events()
    events.start()
    seen = []
    thread = threading.Thread(target=lambda: seen.extend(events))
    thread.start()
    events.close()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert seen == []
    assert list(events) == []


async def test_async_iteration(app, prog):
    async with app.events(types=["completed", "failed"]) as events:
        with running(app):
            results = [await prog.aio.delay(1) for _ in range(5)]
            done = set()
            async for event in events:
                done.add(event.job_id)
                if len(done) == 5:
                    break
    assert done == {result.id for result in results}


async def test_closing_ends_async_iteration(app):
    events = app.events()
    await events.astart()

    async def follow():
        return [event async for event in events]

    following = asyncio.ensure_future(follow())
    await asyncio.sleep(0)
    events.close()
    assert await asyncio.wait_for(following, PATIENCE_S) == []


def test_arguments(app):
    with pytest.raises(TypeError, match="types"):
        app.events(types="completed")
    with pytest.raises(errors.InvalidArgument, match="'nonsense'"):
        app.events(types=["nonsense"]).start()
    with pytest.raises(TypeError):
        app.events(5)
    with pytest.raises(errors.MillraceError, match=r"after|event"):
        app.events(after="garbage").start()
