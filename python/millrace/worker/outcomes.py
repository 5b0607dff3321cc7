"""From what a task raised to what becomes of its job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millrace import _core, options, serializer, states
from millrace.einfo import task_frames
from millrace.errors import (
    Ignore,
    RateLimited,
    Reject,
    ReplaceJob,
    Retry,
    TaskPredicate,
    TaskRevokedError,
    WaitForChildren,
)
from millrace.log import logger

if TYPE_CHECKING:
    from millrace.request import Request
    from millrace.task import Task


class WorkerAbort(BaseException):
    """Raised inside running tasks when the worker must leave: the job goes back to its queue."""


def outcome_of(
    error: BaseException, task: Task[..., Any], request: Request, token: int
) -> _core.Outcome:
    """The outcome of an attempt that ended with this exception."""
    if isinstance(error, WorkerAbort):
        return _core.Outcome(token, "released")
    if isinstance(error, Ignore):
        return _core.Outcome(token, "completed", "null")
    if isinstance(error, Retry) and error.jobs:
        return _core.Outcome(token, "replaced", jobs=error.jobs)
    if isinstance(error, Retry):
        return _core.Outcome(
            token,
            "retry",
            serializer.encode_error(error.exc or error),
            delay_ms=error.delay_ms,
            policy=task.retry_policy(error.max_retries),
        )
    if isinstance(error, Reject) and error.requeue:
        return _core.Outcome(token, "released")
    if isinstance(error, WaitForChildren):
        return _core.Outcome(token, "waiting", jobs=error.jobs)
    if isinstance(error, ReplaceJob):
        return _core.Outcome(token, "replaced", jobs=error.jobs)
    if isinstance(error, RateLimited):
        return _core.Outcome(token, "released", throttle=error.throttle)
    if isinstance(error, TaskRevokedError) and request.cancelled:
        return _core.Outcome(token, "cancelled", serializer.encode_error(error))
    return _core.Outcome(
        token,
        "failed",
        serializer.encode_error(error),
        retryable=not isinstance(error, Reject | SystemExit) and task.is_retryable(error),
        policy=_left(task, request),
    )


def _left(task: Task[..., Any], request: Request) -> _core.RetryPolicy:
    """The policy of retries that the task does not ask for, without those that the job before this one has used."""
    before = request.retries - (request.attempt - 1)
    bound = task.auto_policy.max_attempts
    if not before or bound >= options.UNLIMITED_ATTEMPTS:
        return task.auto_policy
    return task.retry_policy(max(0, bound - 1 - before))


def revoked(token: int, reason: str) -> _core.Outcome:
    """The outcome of an attempt that was cancelled from outside."""
    return _core.Outcome(
        token, "cancelled", serializer.encode_error(TaskRevokedError(reason or "revoked"))
    )


def unknown_task(token: int, name: str, known: int) -> _core.Outcome:
    """The outcome of a job whose task this worker does not know. Another worker may: a redrive gives it the chance."""
    from millrace.errors import NotRegistered

    error = NotRegistered(
        f"no task {name!r} is registered in this worker, which knows {known}; import its module, or serve its queue "
        "with a worker that knows it"
    )
    return _core.Outcome(token, "failed", serializer.encode_error(error), retryable=False)


def report(error: BaseException, task: Task[..., Any], request: Request, state: str | None) -> None:
    """Logs how a task ended that did not return."""
    about = task.name, request.id
    if isinstance(error, WorkerAbort):
        logger.info("Task %s[%s] goes back to its queue: the worker stops", *about)
    elif state == states.REVOKED or request.cancelled:
        logger.info("Task %s[%s] was revoked: %s", *about, request.cancel_reason)
    elif state == states.RETRY:
        cause = error.exc if isinstance(error, Retry) else error
        logger.info("Task %s[%s] is retried after %s", *about, _told(cause or error))
    elif isinstance(error, task.throws):  # type: ignore[arg-type]
        logger.info("Task %s[%s] raised as expected %s", *about, _told(error))
    elif state != states.FAILURE and isinstance(error, TaskPredicate):
        logger.info("Task %s[%s] ended with %s", *about, _told(error))
    else:
        info = type(error), error, task_frames(error)
        logger.error("Task %s[%s] raised %s", *about, _told(error), exc_info=info)


def _told(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
