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
    from millrace.canvas import (
        Signature,
        chain,
        chord,
        chunks,
        group,
        maybe_signature,
        signature,
        subtask,
        xmap,
        xstarmap,
    )
    from millrace.current import bugreport, current_app, current_task, shared_task
    from millrace.flows import Flow
    from millrace.limits import Rate
    from millrace.links import After, Dedup, Parent
    from millrace.log import get_task_logger
    from millrace.result import EagerResult, GroupResult, allow_join_result
    from millrace.routing import Exchange, Queue
    from millrace.schedules import Solar
    from millrace.utils import uuid
    from millrace.worker import Worker, WorkerOptions

__all__ = [
    "After",
    "AsyncResult",
    "Celery",
    "Dedup",
    "DependencyFailed",
    "EagerResult",
    "Exchange",
    "Flow",
    "GroupResult",
    "Ignore",
    "JobLost",
    "MaxRetriesExceededError",
    "Millrace",
    "MillraceError",
    "Parent",
    "PayloadUnreadable",
    "PreparedJob",
    "Queue",
    "Rate",
    "RateLimited",
    "Reject",
    "RemoteError",
    "Request",
    "ResultSet",
    "Retry",
    "Signature",
    "SoftTimeLimitExceeded",
    "Solar",
    "Task",
    "TaskRevokedError",
    "TimeLimitExceeded",
    "Timeout",
    "Worker",
    "WorkerOptions",
    "__version__",
    "allow_join_result",
    "bugreport",
    "chain",
    "chord",
    "chunks",
    "current_app",
    "current_task",
    "get_task_logger",
    "group",
    "maybe_signature",
    "shared_task",
    "signature",
    "subtask",
    "uuid",
    "xmap",
    "xstarmap",
]


_LAZY = {
    "bugreport": "current",
    "uuid": "utils",
    "Exchange": "routing",
    "Queue": "routing",
    "shared_task": "current",
    "current_task": "current",
    "current_app": "current",
    "After": "links",
    "Dedup": "links",
    "EagerResult": "result",
    "Flow": "flows",
    "GroupResult": "result",
    "Parent": "links",
    "Rate": "limits",
    "Signature": "canvas",
    "Solar": "schedules",
    "Worker": "worker",
    "WorkerOptions": "worker",
    "allow_join_result": "result",
    "chain": "canvas",
    "chord": "canvas",
    "chunks": "canvas",
    "get_task_logger": "log",
    "group": "canvas",
    "maybe_signature": "canvas",
    "signature": "canvas",
    "subtask": "canvas",
    "xmap": "canvas",
    "xstarmap": "canvas",
}


def __getattr__(name: str) -> Any:
    """Loads what not every program uses when it is asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
