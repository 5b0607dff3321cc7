"""Dependencies: the application's calls, and the job that a path names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from millrace.contrib.fastapi.answers import CALLERS, refused
from millrace.contrib.job_stream import read_job

if TYPE_CHECKING:
    from millrace.aio import AppCalls
    from millrace.app import Millrace
    from millrace.result import AsyncResult


def calls(app: Millrace) -> Callable[[], AppCalls]:
    """A dependency that is `app.aio`: what enqueues without blocking, and a test can replace.

    jobs = calls(app)

    @web.post("/orders")
    async def order(jobs: Annotated[AppCalls, Depends(jobs)]): ...
    """

    def dependency() -> AppCalls:
        return app.aio

    return dependency


def job(app: Millrace) -> Callable[..., Awaitable[AsyncResult[Any]]]:
    """A dependency that is the result of the job that the path parameter `job_id` names; 404 if there is none."""

    async def dependency(job_id: str, queue: str = "") -> AsyncResult[Any]:
        try:
            found = await read_job(app, job_id, queue)
        except CALLERS as error:
            raise refused(error) from None
        return app.AsyncResult(found["id"], queue=found["queue"])

    return dependency
