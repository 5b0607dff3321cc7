import asyncio
import threading

import pytest
from millrace import Millrace, TaskRevokedError, Timeout, errors
from worker_support import PATIENCE_S, running


@pytest.fixture
def add(app):
    @app.task(name="add")
    def add(x, y=1):
        return x + y

    return add


async def test_delay_and_get(app, add):
    with running(app):
        result = await add.aio.delay(1, y=2)
        assert await result.aget(PATIENCE_S) == 3
        assert await result == 3
        assert await result.aio.state() == "SUCCESS"
        assert await result.aio.info() == 3
        assert await result.aio.ready()
        assert (await result.aio.details()).state == "completed"
        assert await result.aio.logs() == []
        assert result.durability == "process"


async def test_many_at_once(app, add):
    with running(app):
        results = await asyncio.gather(*(add.aio.delay(i) for i in range(200)))
        values = await asyncio.gather(*(r.aget(PATIENCE_S) for r in results))
    assert values == [i + 1 for i in range(200)]


async def test_one_call_for_many(app, add):
    results = await add.aio.delay_many([(1,), {"x": 2}])
    assert [r.details().spec.data for r in results] == ['{"x":1}', '{"x":2}']
    prepared = [add.prepare((3,)), add.prepare((4,), queue="other")]
    assert [r.queue for r in await app.aio.enqueue_many(prepared)] == ["default", "other"]
    assert len(await app.aio.enqueue_many([])) == 0
    assert (await app.aio.counts()).ready == 3


async def test_options_and_names(app, add):
    result = await add.aio.apply_async((1,), countdown=60, durability="power")
    assert result.durability == "power"
    assert result.details().state == "scheduled"
    assert (await app.aio.send_task("js", kwargs={"a": 1}, queue="node")).queue == "node"


async def test_errors(app, add):
    with pytest.raises(TypeError, match="add"):
        await add.aio.delay()
    with pytest.raises(TypeError, match="argument 'x' is a set"):
        await add.aio.delay({1})
    with pytest.raises(TypeError):
        await add.aio.delay_many([5])
    with pytest.raises(errors.InvalidArgument):
        await add.aio.apply_async((1,), queue="q" * 300)
    assert app.counts().ready == 0


async def test_waiting_too_long(add):
    result = await add.aio.delay(1)
    with pytest.raises(Timeout, match=result.id):
        await result.aget(timeout=0.01)


async def test_revoke_and_forget(app, add):
    result = await add.aio.delay(1)
    waiting = asyncio.ensure_future(result.aget())
    await asyncio.sleep(0)
    assert await result.aio.revoke() == "cancelled"
    with pytest.raises(TaskRevokedError):
        await waiting
    await result.aio.forget()
    assert not await app.aio.exists(result.id)


async def test_an_unknown_job(app):
    with pytest.raises(errors.NotFound):
        await app.AsyncResult("nobody").aget(1)
    with pytest.raises(errors.NotFound):
        await app.AsyncResult("nobody", queue="default").aget(1)


async def test_the_loop_goes_on_while_the_store_is_busy(app, add):
    """Another connection holds SQLite's write lock: enqueues wait, the loop does not."""
    import sqlite3

    await app.aio.open()
    other = sqlite3.connect(app.store, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    pending = asyncio.ensure_future(add.aio.delay(1))
    ticks = 0
    for _ in range(50):
        await asyncio.sleep(0.001)
        ticks += 1
        assert not pending.done()
    other.execute("COMMIT")
    other.close()
    assert (await pending).id
    assert ticks == 50


async def test_a_cancelled_wait_leaves_nothing_behind(add):
    result = await add.aio.delay(1)
    waiting = asyncio.ensure_future(result.aget())
    while not waiting.get_coro().cr_await:
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_each_loop_has_its_own_bridge(tmp_path):
    with Millrace("x", store=tmp_path / "jobs.db", durability="process") as app:

        @app.task
        def f(x): ...

        async def use():
            return [(await f.aio.delay(i)).id for i in range(20)]

        ids: list[str] = []
        threads = [
            threading.Thread(target=lambda: ids.extend(asyncio.run(use()))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(ids)) == 80
        assert app.counts().ready == 80
