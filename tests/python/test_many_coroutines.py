"""Thousands of coroutines on one event loop."""

import asyncio
import contextvars
import threading

from worker_support import PATIENCE_S, running, until


def test_ten_thousand_coroutines_at_once(app):
    """They all sleep at the same time, each with its own context, and one of them is cancelled meanwhile."""
    count = 10_000
    here = contextvars.ContextVar("here", default=0)
    all_in, go_on = threading.Event(), asyncio.Event()
    loops, inside, cancelled = [], [], []

    @app.task(name="hold")
    async def hold(i):
        here.set(i)
        loops.append(asyncio.get_running_loop())
        inside.append(i)
        if len(inside) == count:
            all_in.set()
        try:
            await go_on.wait()
        except asyncio.CancelledError:
            cancelled.append(i)
            raise
        return here.get()

    results = hold.delay_many([(i,) for i in range(count)])
    with running(app, pool="asyncio", concurrency=count):
        assert all_in.wait(PATIENCE_S)
        results[7].revoke()
        until(lambda: cancelled)
        loops[0].call_soon_threadsafe(go_on.set)
        until(lambda: app.counts().active == 0)
    assert cancelled == [7]
    assert app.counts().completed == count - 1
    assert results[7].state == "REVOKED"
    assert results[9_999].get(PATIENCE_S) == 9_999
