"""The routes: a job's status, its events while it runs, cancelling it, and submitting one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Response, params
from fastapi.responses import JSONResponse, StreamingResponse

from millrace import options
from millrace.contrib.fastapi.answers import CALLERS, REFUSALS, Cancelled, Status, refused
from millrace.contrib.fastapi.submit import Tasks, add_submit_routes
from millrace.contrib.job_stream import JobStream, open_stream, read_job
from millrace.contrib.job_view import job_view
from millrace.errors import InvalidArgument
from millrace.loop import bridge

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from millrace.app import Millrace

_EVENT_ID: Final = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")
_EVENTS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "Server-sent events", "content": {"text/event-stream": {}}},
    204: {"description": "The client has had the end"},
}
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold events back
}

Queue = Annotated[str, Query(description="Decides if several queues have a job of this id.")]


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
    tasks: Tasks = (),
    prefix: str = "/jobs",
    dependencies: Sequence[params.Depends] | None = None,
    keep_alive: float = 15.0,
) -> APIRouter:
    """The routes of an application's jobs, for `FastAPI.include_router`.

    Args:
        app: The application.
        tasks: Those that may be submitted, each by `POST` to its name; or a mapping of paths to tasks.
        prefix: Path before the ids.
        dependencies: Of every route, such as one that checks who asks.
        keep_alive: Seconds without an event after which a comment is sent, so that no proxy ends the connection.
    """
    if not isinstance(keep_alive, int | float) or isinstance(keep_alive, bool) or keep_alive <= 0:
        raise options.wrong_type("keep_alive", "a positive number of seconds", keep_alive)
    routes = APIRouter(prefix=prefix, dependencies=dependencies, tags=["jobs"])

    add_submit_routes(routes, app, tasks)

    @routes.get("/{job_id}", summary="Status of a job", response_model=Status, responses=REFUSALS)
    async def status(job_id: str, queue: Queue = "") -> JSONResponse:
        try:
            return JSONResponse(job_view(await read_job(app, job_id, queue)))
        except CALLERS as error:
            raise refused(error) from None

    _add_events_route(routes, app, keep_alive)

    @routes.post(
        "/{job_id}/cancel", summary="Cancel a job", response_model=Cancelled, responses=REFUSALS
    )
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
        except CALLERS as error:
            raise refused(error) from None
        return JSONResponse({"id": job["id"], "queue": job["queue"], "outcome": outcome})

    return routes


def _add_events_route(routes: APIRouter, app: Millrace, keep_alive: float) -> None:
    @routes.get(
        "/{job_id}/events",
        status_code=200,
        summary="Events of a job as they happen",
        response_class=StreamingResponse,
        responses={**REFUSALS, **_EVENTS},
    )
    async def events(
        job_id: str,
        queue: Queue = "",
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> Response:
        after = last_event_id or None
        if after is not None and _EVENT_ID.fullmatch(after) is None:
            raise refused(
                InvalidArgument(f"Last-Event-ID must be an event's id, not {after[:60]!r}")
            )
        try:
            stream = await open_stream(app, job_id, queue=queue, after=after)
        except CALLERS as error:
            raise refused(error) from None
        # 204 tells an EventSource not to come back: it has had the end.
        return Response(status_code=204) if stream is None else _EventResponse(stream, keep_alive)
