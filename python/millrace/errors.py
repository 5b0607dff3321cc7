"""Every exception that Millrace raises or understands.

Errors of the store derive from `MillraceError` and carry a `code`. Those that a task raises to steer its own job
(`Retry`, `Reject`, `Ignore`) and those that a caller meets in a result have the names that Celery gave them.
"""

from __future__ import annotations

from typing import Any

from millrace._core import (
    Busy,
    Closed,
    Corrupt,
    DiskFull,
    ForkedChild,
    InternalError,
    InvalidArgument,
    IoError,
    LeaseLost,
    MillraceError,
    NewerSchema,
    NotAStore,
    NotFound,
    PermissionDenied,
    QueueFull,
    Timeout,
    TooLarge,
    UnsupportedFilesystem,
    WrongState,
)

__all__ = [
    "AlreadyRegistered",
    "Busy",
    "Closed",
    "Corrupt",
    "DiskFull",
    "ForkedChild",
    "Ignore",
    "InternalError",
    "InvalidArgument",
    "IoError",
    "LeaseLost",
    "MaxRetriesExceededError",
    "MillraceError",
    "NewerSchema",
    "NotAStore",
    "NotFound",
    "NotRegistered",
    "PermissionDenied",
    "QueueFull",
    "Reject",
    "RemoteError",
    "Retry",
    "SoftTimeLimitExceeded",
    "TaskError",
    "TaskPredicate",
    "TaskRevokedError",
    "TimeLimitExceeded",
    "Timeout",
    "TooLarge",
    "UnsupportedFilesystem",
    "WorkerLostError",
    "WrongState",
]


class TaskPredicate(MillraceError):
    """Base of what a task raises to say what shall become of its job."""

    code = "task_predicate"


class Retry(TaskPredicate):
    """The job is to be run again; raised by `self.retry()`.

    Attributes:
        exc: The error that made the task ask for it, or None.
        delay_ms: Time until the next attempt; None leaves it to the task's policy.
        max_retries: Bound for this job instead of the task's own; None keeps the task's.
    """

    def __init__(
        self,
        message: str = "",
        exc: BaseException | None = None,
        *,
        delay_ms: int | None = None,
        max_retries: int | None = None,
    ) -> None:
        super().__init__(message)
        self.exc = exc
        self.delay_ms = delay_ms
        self.max_retries = max_retries


class Ignore(TaskPredicate):
    """The job counts as done; it has no result."""


class Reject(TaskPredicate):
    """The job is not done by this attempt.

    With `requeue` it goes back to its place in the queue and the attempt does not count; without, it goes to the dead
    letters at once.
    """

    def __init__(self, reason: object = None, requeue: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.requeue = requeue


class TaskError(MillraceError):
    """Base of what can be wrong with a task or with one run of it."""

    code = "task_error"


class NotRegistered(TaskError, LookupError):
    """The worker knows no task of this name."""


class AlreadyRegistered(TaskError):
    """Two tasks of one application have the same name."""


class MaxRetriesExceededError(TaskError):
    """`self.retry()` was called, and all retries had been used."""


class SoftTimeLimitExceeded(TaskError):
    """Raised inside a running task when its `soft_time_limit` has passed."""


class TimeLimitExceeded(TaskError):
    """The task ran longer than its `time_limit` and was ended."""


class WorkerLostError(TaskError):
    """The worker process died under the job more often than the job allows."""


class TaskRevokedError(TaskError):
    """The job was revoked, or was not started before it expired."""


class RemoteError(TaskError):
    """A task failed with an error that has no local class.

    Attributes:
        type: The error's class name where it was raised.
        message: Its text.
        stack: Its stack or traceback as text; may be empty.
        data: What the error carried beside it, or None.
    """

    def __init__(self, type: str, message: str, stack: str = "", data: Any = None) -> None:  # noqa: A002
        super().__init__(f"{type}: {message}")
        self.type = type
        self.message = message
        self.stack = stack
        self.data = data
