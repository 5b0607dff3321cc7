"""What a client that follows one job is sent. One subscription a queue serves all listeners of an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from millrace import _core, states
from millrace.contrib import job_view
from millrace.errors import Closed, MillraceError
from millrace.loop import Watched, bridge

if TYPE_CHECKING:
    from millrace.app import Millrace

KEEP_ALIVE: Final = b": keep-alive\n\n"

# Progress that a slow client has not taken; the oldest goes first, the end of a job never.
_PENDING_MAX: Final = 100
# Progress that a client has missed and is sent when it comes back.
_MISSED_MAX: Final = 1_000
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


async def read_job(app: Millrace, job_id: str, queue: str) -> dict[str, Any]:
    """The store's answer about a job. Raises NotFound, InvalidArgument."""
    answer: dict[str, Any] = await bridge(app).call(
        lambda engine: job_view.parse(engine.job_json(job_id, queue))
    )
    return answer


class _Snapshot(NamedTuple):
    """How things stood when a client came."""

    job: dict[str, Any]
    position: str  # events up to here are in `job`
    missed: list[_core.Event] | None  # since the client's last event; None if it named none
    trimmed: bool  # some of these may be gone from the log


def _look(engine: _core.Engine, job_id: str, queue: str, after: str | None) -> _Snapshot:
    position = engine.read_events(queue, after="$", limit=1)[1]
    job = job_view.parse(engine.job_json(job_id, queue))
    if after is None or _core.event_id_less(position, after):  # an id that this store never gave
        return _Snapshot(job, position, None, False)
    oldest, _ = engine.read_events(queue, after="", limit=1)
    trimmed = not oldest or _core.event_id_less(after, oldest[0].id)
    missed: deque[_core.Event] = deque(maxlen=_MISSED_MAX)
    cursor = after
    while True:
        events, cursor = engine.read_events(
            queue, after=cursor, types=job_view.EVENT_TYPES, job_id=job_id, limit=_PAGE_EVENTS
        )
        if not events:
            return _Snapshot(job, cursor, list(missed), trimmed)
        missed.extend(events)


class JobStream:
    """The server-sent events of one job for one client. Made by `open_stream`; must be closed."""

    def __init__(self, app: Millrace, job_id: str, queue: str) -> None:
        self._app = app
        self._feeds = feeds_of(app)
        self._job_id = job_id
        self._queue = queue
        self._feed: QueueFeed | None = None
        self._listener = Listener()
        self._first: list[Frame] = []
        self._seen = ""

    async def join(self) -> None:
        """Listens from now on."""
        self._feed, self._listener = await self._feeds.join(self._app, self._queue, self._job_id)

    def begin(self, seen: _Snapshot) -> bool:
        """Takes what the client is sent first; false if it has had the job's end already."""
        job, self._seen = seen.job, seen.position
        for event in seen.missed or ():
            self._first.append(
                Frame(event.id, job_view.event_frame(event), event.type != "progress")
            )
            if event.type != "progress":
                return True
        if job["state"] in states.FINISHED:
            if seen.missed is not None and not seen.trimmed:
                return False
            self._first.append(self._frame(job["state"], job_view.final_value(job), True))
        elif seen.missed is None and job["progress"] is not None:
            self._first.append(self._frame("progress", job["progress"], False))
        return True

    def _frame(self, kind: str, value: Any, final: bool) -> Frame:
        data = job_view.value_frame(kind, self._seen, self._job_id, self._queue, value)
        return Frame(self._seen, data, final)

    async def frames(self, keep_alive: float) -> AsyncIterator[bytes]:
        """The events, until the job has ended; a comment after every `keep_alive` seconds without one."""
        for frame in self._first:
            yield frame.data
            if frame.final:
                return
        while True:
            try:
                news = await self._listener.next(keep_alive)
            except Closed:
                return
            if news is None:
                yield KEEP_ALIVE
            elif _core.event_id_less(self._seen, news.event_id):
                yield news.data
                if news.final:
                    return

    def close(self) -> None:
        """Stops listening. Idempotent."""
        feed, self._feed = self._feed, None
        if feed is not None:
            self._feeds.leave(self._queue, feed, self._job_id, self._listener)


async def open_stream(
    app: Millrace, job_id: str, *, queue: str = "", after: str | None = None
) -> JobStream | None:
    """Begins to follow a job for a client; None if the client has had its end already.

    Args:
        app: The application.
        job_id: The job.
        queue: Its queue; decides if several have a job of this id.
        after: The id of the last event that the client has seen.

    Raises NotFound, and InvalidArgument for an `after` that is no event's id.
    """
    job = await read_job(app, job_id, queue)
    stream = JobStream(app, job["id"], job["queue"])
    try:
        if job["state"] not in states.FINISHED:
            await stream.join()
        # Listening first and looking second: what happens between the two is not missed.
        seen = await bridge(app).call(lambda engine: _look(engine, job["id"], job["queue"], after))
        if stream.begin(seen):
            return stream
    except BaseException:
        stream.close()
        raise
    stream.close()
    return None
