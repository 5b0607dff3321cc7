"""Following the durable log of what happens to jobs."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from millrace import _core, options, serializer
from millrace.errors import Closed

if TYPE_CHECKING:
    from types import TracebackType

    from millrace.app import Millrace
    from millrace.loop import Watched


def event_data(event: _core.Event) -> Any:
    """What an event carries: progress, result or error, decoded; None if nothing."""
    return serializer.loads(event.data) if event.data else None


class Events:
    """The events of one queue, in their order: iterate with `for` (blocks) or `async for` (never blocks the loop).

    It goes on without end until `close()`, or the end of the `with` block. An event's `id` given as `after` resumes
    behind it, in this or another process.

    Args:
        app: The application.
        queue: The queue to follow.
        after: "$" (what comes from now on), "" (from the oldest kept) or the id of an event.
        types: Only events of these types, such as "progress" or "completed"; none means all.
        job_id: Only events of this job.
    """

    def __init__(
        self,
        app: Millrace,
        queue: str,
        *,
        after: str = "$",
        types: Iterable[str] = (),
        job_id: str = "",
    ) -> None:
        if isinstance(types, str):
            raise options.wrong_type("types", "an iterable of str", types)
        self._app = app
        self._queue = options.check_text("queue", queue)
        self._after = after
        self._types = tuple(types)
        self._job_id = job_id
        self._pending: deque[_core.Event] = deque()
        self._subscription: _core.Subscription | None = None
        self._watched: Watched | None = None
        self._news: asyncio.Event | None = None
        self._closed = False

    def start(self, notifier: _core.Notifier | None = None) -> None:
        """Begins to follow now rather than with the first event that is asked for. Reads the disk."""
        if self._subscription is None and not self._closed:
            self._subscription = self._app.engine.subscribe(
                self._queue,
                after=self._after,
                types=self._types,
                job_id=self._job_id,
                notifier=notifier,
            )

    async def astart(self) -> None:
        """The same for `async for`."""
        if self._subscription is None and not self._closed:
            from millrace.loop import Watched

            self._news = asyncio.Event()
            self._watched = Watched(asyncio.get_running_loop(), self._news.set)
            await asyncio.to_thread(self.start, self._watched.notifier)

    def __iter__(self) -> Iterator[_core.Event]:
        self.start()
        return self

    def __next__(self) -> _core.Event:
        event = self.next()
        if event is None:
            raise StopIteration
        return event

    def next(self, timeout: float | None = None) -> _core.Event | None:
        """The next event; None after the time-out in seconds, or when closed."""
        self.start()
        if not self._pending and self._subscription is not None:
            try:
                events, _ = self._subscription.next(options.to_wait_ms("timeout", timeout))
            except Closed:
                return None
            self._pending.extend(events)
        return self._pending.popleft() if self._pending else None

    def __aiter__(self) -> AsyncIterator[_core.Event]:
        return self

    async def __anext__(self) -> _core.Event:
        await self.astart()
        while not self._pending:
            if self._subscription is None or self._news is None or self._closed:
                raise StopAsyncIteration
            self._news.clear()
            try:
                events, _ = self._subscription.next(0)
            except Closed:
                raise StopAsyncIteration from None
            if events:
                self._pending.extend(events)
            else:
                await self._news.wait()
        return self._pending.popleft()

    def close(self) -> None:
        """Ends the iteration. Idempotent."""
        self._closed = True
        if self._watched is not None:
            self._watched.close()
        if self._subscription is not None:
            self._subscription.close()
        if self._news is not None:
            self._news.set()

    def __enter__(self) -> Events:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Events:
        await self.astart()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
