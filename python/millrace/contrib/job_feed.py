"""The events of queues, handed to whoever listens to their jobs: one subscription a queue and event loop serves all."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from millrace import _core
from millrace.contrib import job_view
from millrace.errors import Closed, MillraceError
from millrace.loop import Watched, bridge

if TYPE_CHECKING:
    from millrace.app import Millrace

# Progress that a slow client has not taken; the oldest goes first, the end of a job never.
_PENDING_MAX: Final = 100
_PAGE_EVENTS: Final = 256


class Frame(NamedTuple):
    """One server-sent event."""

    event_id: str
    data: bytes
    final: bool


class Listener:
    """The frames that wait for one client."""

    def __init__(self) -> None:
        self._pending: deque[Frame] = deque()
        self._news = asyncio.Event()
        self._closed = False

    def offer(self, frame: Frame) -> None:
        """Adds a frame."""
        if len(self._pending) >= _PENDING_MAX and not self._pending[0].final:
            self._pending.popleft()
        self._pending.append(frame)
        self._news.set()

    def close(self) -> None:
        """No frame will come any more."""
        self._closed = True
        self._news.set()

    async def next(self, timeout: float) -> Frame | None:
        """The next frame; None after the time-out in seconds. Raises Closed."""
        if not self._pending and not self._closed:
            self._news.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._news.wait(), timeout)
        if self._pending:
            return self._pending.popleft()
        if self._closed:
            raise Closed("the queue's events ended")
        return None


class QueueFeed:
    """The events of one queue, handed to whoever listens to their jobs. Used from one event loop."""

    def __init__(self, app: Millrace, queue: str) -> None:
        self._app = app
        self._queue = queue
        self._listeners: dict[str, set[Listener]] = {}
        self._news = asyncio.Event()
        self._watched: Watched | None = None
        self._subscription: _core.Subscription | None = None
        self._reader: asyncio.Task[None] | None = None
        self._closed = False
        self.started = asyncio.ensure_future(self._start())

    async def _start(self) -> None:
        engine = await bridge(self._app).engine()
        watched = Watched(asyncio.get_running_loop(), self._news.set)
        try:
            subscription = await asyncio.to_thread(
                engine.subscribe,
                self._queue,
                after="$",
                types=job_view.EVENT_TYPES,
                limit=_PAGE_EVENTS,
                notifier=watched.notifier,
            )
        except BaseException:
            watched.close()
            raise
        self._watched, self._subscription = watched, subscription
        if self._closed:  # while it was being opened
            self._release()
            raise Closed("the application was closed")
        self._reader = asyncio.create_task(self._read(subscription))

    async def _read(self, subscription: _core.Subscription) -> None:
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                # Results may be large: they are read from the disk beside the loop.
                while (page := await asyncio.to_thread(subscription.next, 0))[0]:
                    for event in page[0]:
                        self._dispatch(event)
        except MillraceError:
            self.close()  # clients come back by themselves, and are told why if it lasts

    def _dispatch(self, event: _core.Event) -> None:
        listeners = self._listeners.get(event.job_id)
        if not listeners:
            return
        frame = Frame(event.id, job_view.event_frame(event), event.type != "progress")
        for listener in listeners:
            listener.offer(frame)

    def add(self, job_id: str, listener: Listener) -> None:
        """Hands this job's events to a listener from now on."""
        self._listeners.setdefault(job_id, set()).add(listener)

    def discard(self, job_id: str, listener: Listener) -> bool:
        """Forgets a listener; true if nobody listens any more."""
        listeners = self._listeners.get(job_id)
        if listeners is not None:
            listeners.discard(listener)
            if not listeners:
                del self._listeners[job_id]
        return not self._listeners

    @property
    def closed(self) -> bool:
        """Whether it will tell nothing any more."""
        return self._closed

    def close(self) -> None:
        """Ends the subscription, and with it the listeners' streams. Idempotent."""
        self._closed = True
        self._release()
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.close()

    def _release(self) -> None:
        if self._watched is not None:
            self._watched.close()
        if self._subscription is not None:
            self._subscription.close()
        if self._reader is not None and self._reader is not asyncio.current_task():
            self._reader.cancel()


class Feeds:
    """The feeds of one application on one event loop, each open while somebody listens."""

    def __init__(self) -> None:
        self._feeds: dict[str, QueueFeed] = {}

    @property
    def queues(self) -> list[str]:
        """The queues that somebody follows."""
        return list(self._feeds)

    async def join(self, app: Millrace, queue: str, job_id: str) -> tuple[QueueFeed, Listener]:
        """Begins to listen to a job; what happens to it after this call will be told."""
        feed = self._feeds.get(queue)
        if feed is None or feed.closed:
            feed = self._feeds[queue] = QueueFeed(app, queue)
        listener = Listener()
        feed.add(job_id, listener)
        try:
            await asyncio.shield(feed.started)
        except BaseException:
            self.leave(queue, feed, job_id, listener)
            raise
        return feed, listener

    def leave(self, queue: str, feed: QueueFeed, job_id: str, listener: Listener) -> None:
        """Ends listening. The last listener of a queue closes its feed."""
        if feed.discard(job_id, listener):
            feed.close()
        if feed.closed and self._feeds.get(queue) is feed:
            del self._feeds[queue]

    def close(self) -> None:
        """Ends all streams."""
        feeds, self._feeds = self._feeds, {}
        for feed in feeds.values():
            feed.close()


_all: weakref.WeakKeyDictionary[
    asyncio.AbstractEventLoop, weakref.WeakKeyDictionary[Millrace, Feeds]
] = weakref.WeakKeyDictionary()


def feeds_of(app: Millrace) -> Feeds:
    """The feeds of an application on the running loop."""
    of_loop = _all.setdefault(asyncio.get_running_loop(), weakref.WeakKeyDictionary())
    found = of_loop.get(app)
    if found is None:
        found = of_loop[app] = Feeds()
    return found
