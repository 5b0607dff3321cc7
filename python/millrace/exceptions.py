"""The exceptions under the names and from the module that Celery's users know.

Those that Millrace raises are made in `millrace.errors`; here are also some that only code of users raises or catches.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, NoReturn

from millrace.errors import (
    AlreadyRegistered,
    ChordError,
    DependencyFailed,
    FlowRefused,
    Ignore,
    ImproperlyConfigured,
    IncompleteStream,
    InvalidArgument,
    InvalidTaskError,
    JobLost,
    MaxRetriesExceededError,
    MillraceError,
    NotRegistered,
    OperationalError,
    PayloadUnreadable,
    QueueFull,
    QueueNotFound,
    RateLimited,
    Reject,
    RemoteError,
    Retry,
    SecurityError,
    SoftTimeLimitExceeded,
    TaskError,
    TaskPredicate,
    TaskRevokedError,
    Terminated,
    TimeLimitExceeded,
    Timeout,
    WorkerLostError,
)

__all__ = [
    "AlreadyRegistered",
    "AlwaysEagerIgnored",
    "BackendError",
    "BackendGetMetaError",
    "BackendStoreError",
    "CDeprecationWarning",
    "CPendingDeprecationWarning",
    "CeleryCommandException",
    "CeleryError",
    "CeleryWarning",
    "ChordError",
    "DependencyFailed",
    "DuplicateNodenameWarning",
    "DuplicateTaskNameWarning",
    "FixupWarning",
    "FlowRefused",
    "Ignore",
    "ImproperlyConfigured",
    "IncompleteStream",
    "InvalidArgument",
    "InvalidTaskError",
    "JobLost",
    "MaxRetriesExceededError",
    "MillraceError",
    "NotConfigured",
    "NotRegistered",
    "OperationalError",
    "PayloadUnreadable",
    "QueueFull",
    "QueueNotFound",
    "RateLimited",
    "Reject",
    "RemoteError",
    "Retry",
    "RetryTaskError",
    "SecurityError",
    "SecurityWarning",
    "SoftTimeLimitExceeded",
    "SystemTerminate",
    "TaskError",
    "TaskPredicate",
    "TaskRevokedError",
    "Terminated",
    "TimeLimitExceeded",
    "TimeoutError",
    "WorkerLostError",
    "WorkerShutdown",
    "WorkerTerminate",
    "reraise",
]

CeleryError = MillraceError
TimeoutError = Timeout  # noqa: A001 - Celery's name
RetryTaskError = Retry


class CeleryWarning(UserWarning):
    """Base of the warnings."""


class AlwaysEagerIgnored(CeleryWarning):
    """It enqueues although `task_always_eager` is on: `send_task` may not know the function, a flow needs the store."""


class DuplicateNodenameWarning(CeleryWarning):
    """Several workers have the same node name."""


class DuplicateTaskNameWarning(CeleryWarning):
    """Several functions have the same task name. Here that is an error: `AlreadyRegistered`."""


class FixupWarning(CeleryWarning):
    """Something about a framework that the application adapts to."""


class NotConfigured(CeleryWarning):
    """The module with the settings was not found."""


class SecurityWarning(CeleryWarning):
    """Something may be unsafe."""


class CDeprecationWarning(DeprecationWarning):
    """Something will be gone."""


class CPendingDeprecationWarning(PendingDeprecationWarning):
    """Something will be deprecated."""


class BackendError(OperationalError):
    """Results cannot be read or written. Millrace itself raises its base, `OperationalError`."""


class BackendGetMetaError(BackendError):
    """A result cannot be read."""

    def __init__(self, *args: Any, task_id: str = "") -> None:
        super().__init__(*args)
        self.task_id = task_id


class BackendStoreError(BackendError):
    """A result cannot be written."""

    def __init__(self, *args: Any, state: str = "", task_id: str = "") -> None:
        super().__init__(*args)
        self.state = state
        self.task_id = task_id


class WorkerShutdown(SystemExit):
    """Raised by a task: the worker stops once the running jobs have ended; its argument is the exit status.

    The task's own job has failed with it, and is not run again: it would stop the next worker too.
    """


class WorkerTerminate(SystemExit):
    """Raised by a task: the worker stops now, and gives the other running jobs back to their queues.

    The task's own job has failed with it, and is not run again.
    """


SystemTerminate = WorkerTerminate


class CeleryCommandException(MillraceError):
    """A command of the command line failed.

    Attributes:
        exit_code: The exit status.
    """

    code = "command"

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def reraise(
    tp: type[BaseException],  # noqa: ARG001 - Celery's signature
    value: BaseException,
    tb: TracebackType | None = None,
) -> NoReturn:
    """Raises the exception with another traceback."""
    raise value if value.__traceback__ is tb else value.with_traceback(tb)
