"""What a worker tells of a job, with the names that Celery's `inspect` gives."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from millrace import serializer

if TYPE_CHECKING:
    from millrace import _core
    from millrace.request import Request


def plain(value: Any) -> Any:
    """A value as JSON has it; what JSON cannot say, as `repr` does."""
    try:
        return json.loads(serializer.dumps(value))
    except (TypeError, ValueError, RecursionError):
        return repr(value)


def split_payload(payload: Any) -> tuple[list[Any], dict[str, Any]]:
    """The positional and the named arguments of a payload."""
    if not isinstance(payload, dict):
        return [payload], {}
    if "$args" not in payload:
        return [], payload
    named = payload.get("$kwargs")
    args = payload["$args"]
    return (list(args) if isinstance(args, list) else [args]), named if isinstance(
        named, dict
    ) else {}


def _info(
    job_id: str, name: str, payload: Any, worker: str, delivery: dict[str, Any]
) -> dict[str, Any]:
    args, kwargs = split_payload(payload)
    return {
        "id": job_id,
        "name": name,
        "args": plain(args),
        "kwargs": plain(kwargs),
        "type": name,
        "hostname": worker,
        "time_start": None,
        "acknowledged": False,
        "delivery_info": delivery,
        "worker_pid": None,
    }


def describe_request(request: Request, worker: str) -> dict[str, Any]:
    """A job that runs in this process."""
    delivery = {"exchange": "", **request.delivery_info}
    job = request._job
    try:
        payload = serializer.loads(job.data) if job is not None else {}
    except (TypeError, ValueError):
        payload = {}
    info = _info(request.id or "", request.name or "", payload, worker, delivery)
    began = request.started_at
    info["time_start"] = began.timestamp() if began is not None else None
    info["acknowledged"] = True
    info["worker_pid"] = os.getpid()
    return info


def describe_job(job: _core.JobInfo, worker: str) -> dict[str, Any]:
    """A job as it stands in the store."""
    spec = job.spec
    try:
        payload = serializer.loads(spec.data) if isinstance(spec.data, str) else repr(spec.data)
    except ValueError:
        payload = repr(spec.data)
    delivery = {
        "exchange": "",
        "routing_key": spec.queue,
        "priority": spec.priority,
        "redelivered": job.attempts_started > 1,
    }
    info = _info(spec.id, spec.name, payload, worker, delivery)
    info["time_start"] = job.started_at_ms / 1000 or None
    return info
