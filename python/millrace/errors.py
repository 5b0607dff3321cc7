"""Every exception that Millrace raises or understands.

Errors of the store derive from `MillraceError` and carry a `code`. Those that a task raises to steer its own job
(`Retry`, `Reject`, `RateLimited` ...) and those that a caller meets in a result have the names that Celery gave them.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from millrace import _core

__all__ = [
    "AlreadyRegistered",
    "Busy",
    "Closed",
    "Corrupt",
    "DependencyFailed",
    "DiskFull",
    "FlowRefused",
    "ForkedChild",
    "Ignore",
    "InternalError",
    "InvalidArgument",
    "IoError",
    "JobLost",
    "LeaseLost",
    "MaxRetriesExceededError",
    "MillraceError",
    "NewerSchema",
    "NotAStore",
    "NotFound",
    "NotRegistered",
    "PayloadUnreadable",
    "PermissionDenied",
    "QueueFull",
    "RateLimited",
    "Reject",
    "RemoteError",
    "ReplaceJob",
    "Retry",
    "SoftTimeLimitExceeded",
    "TaskError",
    "TaskPredicate",
    "TaskRevokedError",
    "TimeLimitExceeded",
    "Timeout",
    "TooLarge",
    "UnsupportedFilesystem",
    "WaitForChildren",
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


class RateLimited(TaskPredicate):
    """A service asked for patience: the job goes back to its place, the attempt does not count, and its like wait too.

    Args:
        seconds: For how long nothing of the scope is started, by any worker: a number of seconds, or a timedelta.
        scope: "queue" (the default), "task", "group" (of the job), or "store".
    """

    def __init__(self, seconds: float | dt.timedelta, *, scope: str = "queue") -> None:
        from millrace import options

        super().__init__(seconds, scope)
        options.check_choice("scope", scope, ("queue", "task", "group", "store"))
        self.throttle: Any = (scope, max(1, options.to_ms("seconds", seconds)))

    def __str__(self) -> str:
        return f"rate limited for {self.args[0]} s (scope {self.args[1]})"

    def __reduce__(self) -> Any:
        return _rate_limited, self.args


def _rate_limited(seconds: float, scope: str) -> RateLimited:
    return RateLimited(seconds, scope=scope)


class WaitForChildren(TaskPredicate):
    """The job waits for its children and is called again when they have ended; raised by `self.wait_for_children()`.

    Attributes:
        jobs: Children that are added in the same commit.
    """

    def __init__(self, jobs: list[_core.JobSpec]) -> None:
        super().__init__("waits for its children")
        self.jobs = jobs


class ReplaceJob(TaskPredicate):
    """The job ends as others do, which are added in its place; raised by `self.replace()`.

    Attributes:
        jobs: These others.
    """

    def __init__(self, jobs: list[_core.JobSpec]) -> None:
        super().__init__("is replaced by other jobs")
        self.jobs = jobs


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


class JobLost(WorkerLostError):
    """The worker died under a job of delivery "at_most_once", which is never started again."""


class PayloadUnreadable(TaskError):
    """A payload cannot be opened: its key is missing, it was changed in the file, or it is not sealed and must be."""


class DependencyFailed(TaskError):
    """A job that this one waited for failed or was cancelled, so that this one was not run. Its error is the cause.

    Attributes:
        job_id: The id of the job that failed.
        name: The name of its task.
        queue: Its queue.
    """

    def __init__(
        self, message: str = "", *, job_id: str = "", name: str = "", queue: str = ""
    ) -> None:
        super().__init__(message)
        self.job_id = job_id
        self.name = name
        self.queue = queue


class FlowRefused(TaskError):
    """The jobs that a task wanted to wait for, or to be replaced by, could not be added; the message says why."""


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
