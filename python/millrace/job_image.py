"""A job as its request shows it, without a lease: of one that runs in the caller's process, or that has ended."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from millrace import _core


@dataclasses.dataclass
class JobImage:
    """The attributes of `_core.LeasedJob`, for a `Request`."""

    id: str
    name: str
    queue: str = ""
    data: Any = "{}"
    headers: str = ""
    progress: str = ""
    attempt: int = 1
    crashes: int = 0
    priority: int = 0
    max_attempts: int = 1
    created_at_ms: int = 0
    started_at_ms: int = 0
    due_at_ms: int = 0
    expires_at_ms: int = 0
    time_limit_ms: int = 0
    soft_time_limit_ms: int = 0
    checkpoint: str = ""
    group: str = ""
    token: int = 0
    content_type: str = "json"
    dependencies: list[_core.DependencyInfo] = dataclasses.field(default_factory=list)
    dependency_count: int = 0


def image_of_info(info: _core.JobInfo) -> _core.LeasedJob:
    """Of a job as it is read from the store."""
    spec = info.spec
    return _as_job(
        JobImage(
            id=spec.id,
            name=spec.name,
            queue=spec.queue,
            data=spec.data,
            headers=spec.headers,
            progress=info.progress or "",
            attempt=max(1, info.attempts_made),
            crashes=info.crashes,
            priority=spec.priority,
            max_attempts=spec.retry.max_attempts,
            created_at_ms=info.created_at_ms,
            started_at_ms=info.started_at_ms,
            due_at_ms=info.due_at_ms,
            expires_at_ms=spec.expires_at_ms,
            time_limit_ms=spec.time_limit_ms,
            soft_time_limit_ms=spec.soft_time_limit_ms,
            checkpoint=info.checkpoint or "",
            group=spec.group,
        )
    )


def _as_job(image: JobImage) -> _core.LeasedJob:
    return cast("_core.LeasedJob", image)
