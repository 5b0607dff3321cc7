"""Routes for FastAPI: the status of a job, its events while it runs, and cancelling it.

    from fastapi import FastAPI
    from millrace.contrib.fastapi import lifespan, router
    from tasks import app as jobs

    web = FastAPI(lifespan=lifespan(jobs))
    web.include_router(router(jobs))

    GET  /jobs/{id}          its status
    GET  /jobs/{id}/events   server-sent events `progress`, `completed`, `failed`, `cancelled`, `removed`; every one but
                             the first is the last
    POST /jobs/{id}/cancel   `{"id", "queue", "outcome"}`: "cancelled", "requested" (it runs and was told) or "finished"

With `?queue=` where several queues have a job of the same id. Unknown jobs answer 404, refused values 400, both with
`{"detail": {"code", "message"}}`. Anybody who knows an id may use them: pass `dependencies` to ask who it is.

A server that waits for open connections when it stops (uvicorn does, without end) needs a bound for that, such as
uvicorn's `timeout_graceful_shutdown`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, FastAPI, Header, HTTPException, Query, Response, params
from fastapi.responses import JSONResponse, StreamingResponse

from millrace import options
from millrace.contrib.job_feed import feeds_of
from millrace.contrib.job_stream import JobStream, open_stream, read_job
from millrace.contrib.job_view import job_view
from millrace.errors import InvalidArgument, MillraceError, NotFound, TooLarge
from millrace.loop import bridge

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from millrace.app import Millrace

__all__ = ["lifespan", "router"]

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[Any]]

_CALLERS: Final = (NotFound, InvalidArgument, TooLarge)  # what the caller did wrong
_EVENT_ID: Final = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold events back
}

Queue = Annotated[str, Query(description="Decides if several queues have a job of this id.")]


def _refused(error: MillraceError) -> HTTPException:
    status = 404 if isinstance(error, NotFound) else 400
    return HTTPException(status, detail={"code": error.code, "message": str(error)})


class _EventResponse(StreamingResponse):
    """Streams a job's events and lets go of them as soon as the client is gone."""

    def __init__(self, stream: JobStream, keep_alive: float) -> None:
        self._stream = stream
        self._frames = stream.frames(keep_alive)
        super().__init__(self._frames, media_type="text/event-stream", headers=_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's
        sending = asyncio.ensure_future(self.stream_response(send))
        leaving = asyncio.ensure_future(self.listen_for_disconnect(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            results = await asyncio.gather(sending, leaving, return_exceptions=True)
            async with aclosing(self._frames):  # type: ignore[type-var]
                self._stream.close()
        failure = results[0]
        # A client that is gone shows as an OSError of the server's.
        if isinstance(failure, Exception) and not isinstance(failure, OSError):
            raise failure


def router(
    app: Millrace,
    *,
    prefix: str = "/jobs",
    dependencies: Sequence[params.Depends] | None = None,
    keep_alive: float = 15.0,
) -> APIRouter:
    """The routes of an application's jobs, for `FastAPI.include_router`.

    Args:
        app: The application.
        prefix: Path before the ids.
        dependencies: Of every route, such as one that checks who asks.
        keep_alive: Seconds without an event after which a comment is sent, so that no proxy ends the connection.
    """
    if not isinstance(keep_alive, int | float) or isinstance(keep_alive, bool) or keep_alive <= 0:
        raise options.wrong_type("keep_alive", "a positive number of seconds", keep_alive)
    routes = APIRouter(prefix=prefix, dependencies=dependencies, tags=["jobs"])

    @routes.get("/{job_id}", summary="Status of a job")
    async def status(job_id: str, queue: Queue = "") -> JSONResponse:
        try:
            return JSONResponse(job_view(await read_job(app, job_id, queue)))
        except _CALLERS as error:
            raise _refused(error) from None

    @routes.get("/{job_id}/events", summary="Events of a job as they happen")
    async def events(
        job_id: str,
        queue: Queue = "",
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> Response:
        after = last_event_id or None
        if after is not None and _EVENT_ID.fullmatch(after) is None:
            raise _refused(
                InvalidArgument(f"Last-Event-ID must be an event's id, not {after[:60]!r}")
            )
        try:
            stream = await open_stream(app, job_id, queue=queue, after=after)
        except _CALLERS as error:
            raise _refused(error) from None
        # 204 tells an EventSource not to come back: it has had the end.
        return Response(status_code=204) if stream is None else _EventResponse(stream, keep_alive)

    @routes.post("/{job_id}/cancel", summary="Cancel a job")
    async def cancel(
        job_id: str,
        queue: Queue = "",
        reason: str = "",
    ) -> JSONResponse:
        try:
            job = await read_job(app, job_id, queue)
            outcome = await bridge(app).call(
                lambda engine: engine.cancel(job["id"], job["queue"], reason=reason)
            )
        except _CALLERS as error:
            raise _refused(error) from None
        return JSONResponse({"id": job["id"], "queue": job["queue"], "outcome": outcome})

    return routes


def lifespan(app: Millrace, inner: Lifespan | None = None) -> Lifespan:
    """A lifespan for FastAPI that opens the store before the first request and closes it after the last.

    Args:
        app: The application.
        inner: A lifespan of your own; it runs while the store is open, and its state is passed on.
    """

    @asynccontextmanager
    async def manage(web: FastAPI) -> AsyncIterator[Mapping[str, Any] | None]:
        await app.aio.open()
        try:
            if inner is None:
                yield None
            else:
                async with inner(web) as state:
                    yield state
        finally:
            feeds_of(app).close()
            await app.aio.close()

    return manage
