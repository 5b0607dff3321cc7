"""What the routes answer, as OpenAPI shows it, and how errors of the store become answers."""

from __future__ import annotations

from typing import Any, Final, Literal

from fastapi import HTTPException
from pydantic import BaseModel, Field

from millrace.errors import InvalidArgument, MillraceError, NotFound, QueueFull, TooLarge

CALLERS: Final[tuple[type[MillraceError], ...]] = (NotFound, InvalidArgument, TooLarge, QueueFull)
"""What the caller did wrong."""

_STATUS: Final[tuple[tuple[type[MillraceError], int], ...]] = (
    (NotFound, 404),
    (QueueFull, 429),
)
_BAD: Final = 400


class Refusal(BaseModel):
    """Why a request was refused."""

    code: str = Field(description="The store's word, such as `not_found`.")
    message: str


class Refused(BaseModel):
    """The body of an error."""

    detail: Refusal


class Failure(BaseModel):
    """What a job failed with."""

    type: str
    message: str


class Submitted(BaseModel):
    """A job that was enqueued."""

    id: str
    queue: str
    name: str


class Status(BaseModel):
    """A job's status. What does not apply is null."""

    id: str
    queue: str
    name: str
    state: Literal["scheduled", "ready", "blocked", "active", "completed", "failed", "cancelled"]
    status: str = Field(description="Celery's word, or a custom one while the job runs.")
    progress: Any = None
    result: Any = None
    error: Failure | None = None
    max_attempts: int
    attempts_started: int
    attempts_made: int
    crashes: int
    cancel_requested: bool
    created_at_ms: int
    due_at_ms: int | None = None
    started_at_ms: int | None = None
    finished_at_ms: int | None = None


class Cancelled(BaseModel):
    """What became of the wish to cancel a job."""

    id: str
    queue: str
    outcome: Literal["cancelled", "requested", "finished"] = Field(
        description="`requested`: it runs and was told; `finished`: too late."
    )


REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"model": Refused, "description": "A value that is refused"},
    404: {"model": Refused, "description": "No such job"},
}


def refused(error: MillraceError) -> HTTPException:
    """The answer to a caller who did something wrong."""
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), _BAD)
    return HTTPException(status, detail={"code": error.code, "message": str(error)})
