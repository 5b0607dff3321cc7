"""Background tasks, queues and workers in one SQLite file, for Python and Node at once, with no server to run.

    from millrace import Millrace

    app = Millrace("shop", store="shop.db")

    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    add.delay(2, 3).get(timeout=10)

Run the tasks with `millrace worker tasks:app`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millrace._core import VERSION as __version__  # noqa: N811
from millrace.app import Millrace
from millrace.errors import (
    Ignore,
    MaxRetriesExceededError,
    MillraceError,
    Reject,
    RemoteError,
    Retry,
    SoftTimeLimitExceeded,
    TaskRevokedError,
    TimeLimitExceeded,
    Timeout,
)
from millrace.result import AsyncResult, ResultSet
from millrace.task import PreparedJob, Task

if TYPE_CHECKING:
    from millrace.log import get_task_logger
    from millrace.worker import Worker, WorkerOptions

__all__ = [
    "AsyncResult",
    "Ignore",
    "MaxRetriesExceededError",
    "Millrace",
    "MillraceError",
    "PreparedJob",
    "Reject",
    "RemoteError",
    "ResultSet",
    "Retry",
    "SoftTimeLimitExceeded",
    "Task",
    "TaskRevokedError",
    "TimeLimitExceeded",
    "Timeout",
    "Worker",
    "WorkerOptions",
    "__version__",
    "get_task_logger",
]


def __getattr__(name: str) -> Any:
    """Loads the worker and logging only for programs that use them."""
    if name in {"Worker", "WorkerOptions"}:
        from millrace import worker

        return getattr(worker, name)
    if name == "get_task_logger":
        from millrace.log import get_task_logger

        return get_task_logger
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
