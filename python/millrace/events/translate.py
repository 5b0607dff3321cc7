"""From the store's events to Celery's: what a monitor that was written for Celery understands."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from millrace.errors import MillraceError
from millrace.worker.job_info import plain, split_payload

if TYPE_CHECKING:
    from millrace import _core

Celery = dict[str, Any]

_REJECT: Final = "Reject"
_OFFSET: Final = time.timezone // 3600


class Translator:
    """Makes Celery's events of the store's. What an event does not say is read from its job, while that exists.

    Args:
        engine: The store.
    """

    def __init__(self, engine: _core.Engine) -> None:
        self._engine = engine
        self._clock = 0

    def translate(self, event: _core.Event) -> list[Celery]:
        """The events that Celery would have had, in their order; none for what it does not know."""
        kind, state, prev = event.type, event.state, event.prev
        if kind == "custom":
            return self._custom(event)
        if kind == "added":
            return [self._sent(event)]
        if kind == "active":
            return self._started(event)
        if kind == "completed":
            return [self._succeeded(event)]
        if kind == "failed":
            return [self._failed(event)]
        if kind == "cancelled":
            return [
                self._made(
                    event,
                    "task-revoked",
                    terminated=prev == "active",
                    signum=None,
                    expired=_expired(event),
                )
            ]
        if kind in {"ready", "scheduled"} and prev == "active":
            if event.data:
                error = _error(event.data)
                del error["kind"]
                return [self._made(event, "task-retried", **error)]
            return [self._made(event, "task-rejected", requeue=True)]
        if kind == "rescued":
            lost = {"exception": "WorkerLostError('the worker died')", "traceback": None}
            return [self._made(event, "task-retried", **lost)] if state != "failed" else []
        return []

    def _made(self, event: _core.Event, kind: str, **fields: Any) -> Celery:
        self._clock += 1
        return {
            "type": kind,
            "uuid": event.job_id,
            "timestamp": event.at_ms / 1000,
            "clock": self._clock,
            "utcoffset": _OFFSET,
            "pid": 0,
            "hostname": fields.pop("hostname", None) or self._worker(event.queue),
            "queue": event.queue,
            **fields,
        }

    def _job(self, event: _core.Event) -> _core.JobInfo | None:
        try:
            return self._engine.get_job(event.job_id, event.queue)
        except MillraceError:
            return None

    def _worker(self, queue: str) -> str:
        """The only worker of a queue: which of several it was, an event does not say."""
        names = {each.name for each in self._engine.list_workers() if queue in each.queues}
        return names.pop() if len(names) == 1 else "unknown"

    def _about(self, event: _core.Event, job: _core.JobInfo | None) -> dict[str, Any]:
        about: dict[str, Any] = {"name": event.name, "retries": max(0, event.attempt - 1)}
        if job is None:
            return about
        from millrace.headers import read_place

        spec = job.spec
        try:
            payload = json.loads(spec.data) if isinstance(spec.data, str) else None
        except ValueError:
            payload = None
        args, kwargs = split_payload(payload if payload is not None else {})
        place = read_place(spec.headers)
        return {
            **about,
            "name": spec.name,
            "args": repr(tuple(plain(args))),
            "kwargs": repr(plain(kwargs)),
            "eta": _iso(job.due_at_ms),
            "expires": _iso(spec.expires_at_ms),
            "exchange": "",
            "routing_key": spec.queue,
            "root_id": place.root_id or spec.id,
            "parent_id": place.parent_id or None,
        }

    def _sent(self, event: _core.Event) -> Celery:
        return self._made(event, "task-sent", **self._about(event, self._job(event)))

    def _started(self, event: _core.Event) -> list[Celery]:
        job = self._job(event)
        worker = job.worker if job is not None else None
        received = self._made(event, "task-received", hostname=worker, **self._about(event, job))
        return [received, self._made(event, "task-started", hostname=worker)]

    def _runtime(self, event: _core.Event) -> float:
        job = self._job(event)
        if job is None or not job.started_at_ms:
            return 0.0
        return max(0, event.at_ms - job.started_at_ms) / 1000

    def _succeeded(self, event: _core.Event) -> Celery:
        result = repr(json.loads(event.data)) if event.data else None
        return self._made(event, "task-succeeded", result=result, runtime=self._runtime(event))

    def _failed(self, event: _core.Event) -> Celery:
        error = _error(event.data)
        if error.pop("kind") == _REJECT:
            return self._made(event, "task-rejected", requeue=False)
        return self._made(event, "task-failed", **error)

    def _custom(self, event: _core.Event) -> list[Celery]:
        try:
            fields = json.loads(event.data) if event.data else {}
        except ValueError:
            return []
        if not isinstance(fields, dict):
            fields = {"data": fields}
        made = self._made(event, event.name)
        if not event.job_id:
            del made["uuid"], made["queue"]
        return [{**made, **fields, "type": event.name, "clock": made["clock"]}]


def _iso(at_ms: int) -> str | None:
    import datetime as dt

    return dt.datetime.fromtimestamp(at_ms / 1000, dt.timezone.utc).isoformat() if at_ms else None


def _expired(event: _core.Event) -> bool:
    return '"JobExpired"' in (event.data or "")


def _error(data: str | None) -> dict[str, Any]:
    try:
        body = json.loads(data) if data else {}
    except ValueError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    kind, message = str(body.get("type", "Error")), str(body.get("message", ""))
    return {
        "exception": f"{kind}({message!r})",
        "traceback": body.get("stack") or None,
        "kind": kind,
    }
