"""Bulk calls in the caller's own process (`task_always_eager`): one task after the other, and nothing is enqueued."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from millrace import options, serializer
from millrace.errors import NotRegistered
from millrace.prepared import PreparedJob
from millrace.result import ResultSet

if TYPE_CHECKING:
    from millrace.app import Millrace
    from millrace.parameters import Payload
    from millrace.task import Task


def apply_payloads(task: Task[..., Any], payloads: Iterable[Payload]) -> ResultSet[Any]:
    """What `Task.delay_many` does: the arguments of all calls have been checked."""
    calls = [task.parameters.arguments(payload) for payload in payloads]
    return ResultSet([task.apply(args, kwargs) for args, kwargs in calls], task.app)


def apply_jobs(app: Millrace, jobs: Iterable[Any], durability: object) -> ResultSet[Any]:
    """What `Millrace.enqueue_many` does."""
    if durability is not None:
        options.check_durability(durability)
    given = list(jobs)
    for index, job in enumerate(given):
        if not isinstance(job, PreparedJob) and not hasattr(job, "apply"):
            raise options.wrong_type(f"jobs[{index}]", "made by task.s(...) or task.prepare", job)
    return ResultSet([_apply(app, job) for job in given], app)


def _apply(app: Millrace, job: Any) -> Any:
    if not isinstance(job, PreparedJob):
        return job.apply_async()
    spec = job.spec
    task = app.tasks.get(spec.name)
    if task is None:
        raise NotRegistered(spec.name)
    args, kwargs = task.parameters.arguments(serializer.loads(cast("str", spec.data)))
    headers = json.loads(spec.headers) if spec.headers else None
    return task.apply(
        args, kwargs, task_id=spec.id or None, headers=headers, priority=spec.priority or None
    )
