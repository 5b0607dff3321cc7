"""The lifespan: the store is open while the server runs, with a worker inside if wanted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from millrace import options
from millrace.contrib.job_feed import feeds_of

if TYPE_CHECKING:
    from millrace.app import Millrace

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[Any]]


def lifespan(
    app: Millrace, inner: Lifespan | None = None, *, worker: bool | Mapping[str, Any] = False
) -> Lifespan:
    """A lifespan for FastAPI that opens the store before the first request and closes it after the last.

    Args:
        app: The application.
        inner: A lifespan of your own; it runs while the store is open, and its state is passed on.
        worker: Runs jobs inside the web server, so that a small service is one process: True, or keywords of
            `WorkerOptions`; default a pool of threads. Its jobs end before the server does.
    """
    if worker is not False and worker is not True and not isinstance(worker, Mapping):
        raise options.wrong_type("worker", "a bool or keywords of WorkerOptions", worker)
    given: dict[str, Any] = {"pool": "threads", **(worker if isinstance(worker, Mapping) else {})}

    @asynccontextmanager
    async def manage(web: FastAPI) -> AsyncIterator[Mapping[str, Any] | None]:
        async with AsyncExitStack() as stack:
            await app.aio.open()
            stack.push_async_callback(app.aio.close)
            if worker is not False:
                await stack.enter_async_context(_working(app, given))
            stack.callback(feeds_of(app).close)
            yield None if inner is None else await stack.enter_async_context(inner(web))

    return manage


@asynccontextmanager
async def _working(app: Millrace, given: Mapping[str, Any]) -> AsyncIterator[None]:
    from millrace.worker import Worker

    running = Worker(app, **given)
    await asyncio.to_thread(running.start)
    try:
        yield
    finally:
        running.stop()
        await asyncio.to_thread(running.join)
