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
from millrace.app import Celery, Millrace
from millrace.errors import (
    DependencyFailed,
    Ignore,
    JobLost,
    MaxRetriesExceededError,
    MillraceError,
    PayloadUnreadable,
    RateLimited,
    Reject,
    RemoteError,
    Retry,
    SoftTimeLimitExceeded,
    TaskRevokedError,
    TimeLimitExceeded,
    Timeout,
)
from millrace.prepared import PreparedJob
from millrace.request import Request
from millrace.result import AsyncResult, ResultSet
from millrace.task import Task

if TYPE_CHECKING:
    from millrace.flows import Flow
    from millrace.limits import Rate
    from millrace.links import After, Dedup, Parent
    from millrace.log import get_task_logger
    from millrace.schedules import Solar
    from millrace.worker import Worker, WorkerOptions

__all__ = [
    "After",
    "AsyncResult",
    "Celery",
    "Dedup",
    "DependencyFailed",
    "Flow",
    "Ignore",
    "JobLost",
    "MaxRetriesExceededError",
    "Millrace",
    "MillraceError",
    "Parent",
    "PayloadUnreadable",
    "PreparedJob",
    "Rate",
    "RateLimited",
    "Reject",
    "RemoteError",
    "Request",
    "ResultSet",
    "Retry",
    "SoftTimeLimitExceeded",
    "Solar",
    "Task",
    "TaskRevokedError",
    "TimeLimitExceeded",
    "Timeout",
    "Worker",
    "WorkerOptions",
    "__version__",
    "get_task_logger",
]


_LAZY = {
    "After": "links",
    "Dedup": "links",
    "Flow": "flows",
    "Parent": "links",
    "Rate": "limits",
    "Solar": "schedules",
    "Worker": "worker",
    "WorkerOptions": "worker",
    "get_task_logger": "log",
}


def __getattr__(name: str) -> Any:
    """Loads what not every program uses when it is asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
