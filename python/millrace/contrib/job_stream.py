"""What a client that follows one job is sent, from its coming to the job's end."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from millrace import _core, states
from millrace.contrib import job_view
from millrace.contrib.job_feed import Frame, Listener, QueueFeed, feeds_of
from millrace.errors import Closed
from millrace.loop import bridge

if TYPE_CHECKING:
    from millrace.app import Millrace

KEEP_ALIVE: Final = b": keep-alive\n\n"

# Progress that a client has missed and is sent when it comes back.
_MISSED_MAX: Final = 1_000
_PAGE_EVENTS: Final = 256


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
