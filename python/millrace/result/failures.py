"""The error of a job, as the users of a canvas know it: that of the job where the trouble began."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from millrace import serializer
from millrace.errors import DependencyFailed, NotFound, TaskRevokedError
from millrace.headers import read_place

if TYPE_CHECKING:
    from millrace import _core
    from millrace.app import Millrace

_DEPENDENCY = '"DependencyFailed"'
_JOINS = ("millrace.collect", "millrace.forward")


def decoded(app: Millrace, text: str | None, *, cancelled: bool) -> Exception:
    """The exception of a stored error."""
    error = serializer.decode_error(text or "{}", app.registered_errors)
    if cancelled and not isinstance(error, TaskRevokedError):
        return TaskRevokedError(str(error))
    return error


def stack_of(text: str | None) -> str | None:
    """The traceback, or the stack of another language, in a stored error."""
    try:
        stack = json.loads(text or "{}").get("stack")
    except (ValueError, AttributeError):
        return None
    return stack if isinstance(stack, str) else None


def error_of(app: Millrace, job_id: str, queue: str, outcome: _core.JobOutcome) -> Exception:
    """The error of a job that has failed or was cancelled."""
    if outcome.error is not None and _DEPENDENCY in outcome.error:
        return failure_of(app, job_id, queue)[0]
    return decoded(app, outcome.error, cancelled=outcome.state == "cancelled")


def failure_of(app: Millrace, job_id: str, queue: str) -> tuple[Exception, str | None]:
    """The error of a failed job with its traceback.

    A job of a chain that was not run has the error of the one that failed before it; the body of a chord has a
    `ChordError` with that of its header as the cause. A job that waits for others without a canvas keeps its own
    `DependencyFailed`.
    """
    chords: list[str] = []
    was_body = False
    while True:
        try:
            info = app.engine.get_job(job_id, queue)
        except NotFound:
            return _wrapped(DependencyFailed(f"job {job_id} is gone", job_id=job_id), chords), None
        after = _after(info)
        if was_body and after != "join":
            chords.append(job_id)
            was_body = False
        cause = _cause(info.error) if after in ("result", "results", "join") else None
        if cause is None:
            error = decoded(app, info.error, cancelled=info.state == "cancelled")
            return _wrapped(error, chords), stack_of(info.error)
        was_body = was_body or after == "results"
        job_id, queue = cause


def _after(info: _core.JobInfo) -> str:
    """What the jobs are to it that it waits for; a job that was replaced ends as the others do."""
    if info.spec.join == "run" or info.spec.name.startswith(_JOINS):
        return read_place(info.spec.headers).after
    return "join"


def _cause(text: str | None) -> tuple[str, str] | None:
    """(id, queue) of the job that was waited for and failed; None if the error is the job's own."""
    if text is None or _DEPENDENCY not in text:
        return None
    body: Any = json.loads(text)
    if body.get("type") != "DependencyFailed" or not isinstance(body.get("data"), dict):
        return None
    data = body["data"]
    return str(data.get("id") or ""), str(data.get("queue") or "")


def _wrapped(error: Exception, chords: list[str]) -> Exception:
    """The error of the body of the outermost of these chords, given by the ids of the jobs that failed in them."""
    for job_id in reversed(chords):
        outer = DependencyFailed(f"Dependency {job_id} raised {error!r}", job_id=job_id)
        outer.__cause__ = error
        error = outer
    return error
