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
    GroupFull,
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
    "ChordError",
    "Closed",
    "Corrupt",
    "DependencyFailed",
    "DiskFull",
    "FlowRefused",
    "ForkedChild",
    "GroupFull",
    "Ignore",
    "ImproperlyConfigured",
    "IncompleteStream",
    "InternalError",
    "InvalidArgument",
    "InvalidTaskError",
    "IoError",
    "JobLost",
    "LeaseLost",
    "MaxRetriesExceededError",
    "MillraceError",
    "NewerSchema",
    "NotAStore",
    "NotFound",
    "NotRegistered",
    "OperationalError",
    "PayloadUnreadable",
    "PermissionDenied",
    "QueueFull",
    "QueueNotFound",
    "RateLimited",
    "Reject",
    "RemoteError",
    "ReplaceJob",
    "Retry",
    "SecurityError",
    "SoftTimeLimitExceeded",
    "TaskError",
    "TaskPredicate",
    "TaskRevokedError",
    "Terminated",
    "TimeLimitExceeded",
    "Timeout",
    "TooLarge",
    "UnsupportedFilesystem",
    "WaitForChildren",
    "WorkerLostError",
    "WrongState",
]


class OperationalError(MillraceError):
    """The store cannot be used at the moment, or not at all: base of `IoError`, `Busy`, `DiskFull` and their like."""

    code = "operational"


# Their classes are made by the core, which has no word for what they have in common.
for _kind in (Busy, Closed, Corrupt, DiskFull, IoError, NewerSchema, NotAStore, PermissionDenied):
    _kind.__bases__ = (OperationalError, *_kind.__bases__[1:])
UnsupportedFilesystem.__bases__ = (OperationalError, *UnsupportedFilesystem.__bases__[1:])


class ImproperlyConfigured(InvalidArgument):
    """A setting cannot be used; the message says what to write instead."""

    code = "improperly_configured"


class SecurityError(MillraceError):
    """Base of what is refused because it cannot be trusted."""

    code = "security"


class TaskPredicate(MillraceError):
    """Base of what a task raises to say what shall become of its job."""

    code = "task_predicate"


class Retry(TaskPredicate):
    """The job is to be run again; raised by `self.retry()`, or by the task itself.

    Attributes:
        message: What to say about it.
        exc: The error that made the task ask for it, or None.
        excs: The same as text.
        when: When: seconds from now, a timedelta or a datetime; None leaves it to the task's policy.
        is_eager: Whether it was raised by a task that was called eagerly.
        sig: The signature that is to run, if it is another one.
        delay_ms: `when` in milliseconds from now, or None.
        max_retries: Bound for this job instead of the task's own; None keeps the task's.
    """

    def __init__(
        self,
        message: str | None = None,
        exc: BaseException | str | None = None,
        when: float | dt.timedelta | dt.datetime | None = None,
        is_eager: bool = False,
        sig: Any = None,
        *,
        delay_ms: int | None = None,
        max_retries: int | None = None,
    ) -> None:
        super().__init__(message or "")
        self.message = message
        self.exc = exc if isinstance(exc, BaseException) else None
        self.excs = exc if isinstance(exc, str) else None if exc is None else repr(exc)
        self.when = when
        self.is_eager = is_eager
        self.sig = sig
        self.delay_ms = _from_now_ms(when) if delay_ms is None else delay_ms
        self.max_retries = max_retries
        # Set by `self.retry()` where the next attempt is to be another call: its arguments, and the job that makes it.
        self.call: tuple[Any, Any] | None = None
        self.jobs: list[_core.JobSpec] = []

    def humanize(self) -> str:
        """When, in words."""
        if self.when is None:
            return "by the task's policy"
        return f"in {self.when}s" if isinstance(self.when, int | float) else f"at {self.when}"

    def __str__(self) -> str:
        if self.message:
            return self.message
        return f"Retry {self.humanize()}" + (f": {self.excs}" if self.excs else "")


def _from_now_ms(when: float | dt.timedelta | dt.datetime | None) -> int | None:
    if when is None:
        return None
    from millrace import options

    if not isinstance(when, dt.datetime):
        return options.to_ms("when", when)
    import time

    return max(0, options.to_epoch_ms("when", when) - round(time.time() * 1000))


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
        signature: What they were made of.
    """

    def __init__(self, jobs: list[_core.JobSpec], signature: Any = None) -> None:
        super().__init__("is replaced by other jobs")
        self.jobs = jobs
        self.signature = signature


class TaskError(MillraceError):
    """Base of what can be wrong with a task or with one run of it."""

    code = "task_error"


class NotRegistered(TaskError, KeyError):
    """No task of this name is known here."""

    def __str__(self) -> str:
        return Exception.__str__(self)


class QueueNotFound(TaskError, KeyError):
    """A job was routed to a queue that the settings do not name, and `task_create_missing_queues` is off."""

    def __str__(self) -> str:
        return Exception.__str__(self)


class InvalidTaskError(TaskError):
    """A job's payload is not what the task can be called with."""


class IncompleteStream(TaskError):
    """A stream of data ended too early. Nothing here raises it; it is for tasks that do."""


class ChordError(TaskError):
    """A job that others waited for has failed."""


class AlreadyRegistered(TaskError):
    """Two tasks of one application have the same name."""


class MaxRetriesExceededError(TaskError):
    """`self.retry()` was called, and all retries had been used.

    Attributes:
        task_args: The positional arguments of the task.
        task_kwargs: Its keyword arguments.
    """

    def __init__(self, *args: Any, task_args: Any = (), task_kwargs: Any = None) -> None:
        super().__init__(*args)
        self.task_args = task_args
        self.task_kwargs = {} if task_kwargs is None else task_kwargs


class SoftTimeLimitExceeded(TaskError):
    """Raised inside a running task when its `soft_time_limit` has passed."""

    def __str__(self) -> str:
        return super().__str__() or "the task ran longer than its soft time limit"


class TimeLimitExceeded(TaskError):
    """The task ran longer than its `time_limit` and was ended."""


class WorkerLostError(TaskError):
    """The worker process died under the job more often than the job allows."""


class Terminated(TaskError):
    """The process that ran the job was ended because somebody revoked it with `terminate`."""


class JobLost(WorkerLostError):
    """The worker died under a job of delivery "at_most_once", which is never started again."""


class PayloadUnreadable(TaskError, SecurityError):
    """A payload cannot be opened: its key is missing, it was changed in the file, or it is not sealed and must be."""


class DependencyFailed(ChordError):
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
