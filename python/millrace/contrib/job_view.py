"""How a job and its events look to a web client: the same JSON from every language.

The payload, the headers and the stack of an error stay inside: they may hold what no visitor should read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from millrace import states

if TYPE_CHECKING:
    from millrace import _core

EVENT_TYPES: Final = ("progress", "completed", "failed", "cancelled", "removed")
"""What a client is told of; every one but the first ends the stream."""

_AS_STORED: Final = ("id", "queue", "name", "state")
_FIGURES: Final = (
    "attempts_started",
    "attempts_made",
    "crashes",
    "cancel_requested",
    "created_at_ms",
    "due_at_ms",
    "started_at_ms",
    "finished_at_ms",
)


def _float(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def parse(text: str) -> Any:
    """The value of a JSON text that can be written as JSON again. Raises ValueError or RecursionError."""
    return json.loads(text, parse_float=_float, parse_constant=_no_constant)


def dumps(value: Any) -> str:
    """JSON text in one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _split_progress(value: Any) -> tuple[str | None, Any]:
    """The word that `update_state` gave, if any, and the progress itself."""
    if isinstance(value, dict) and "$state" in value:
        return str(value["$state"]), value.get("meta")
    return None, value


def _public_error(error: Any) -> dict[str, str] | None:
    if error is None:
        return None
    if not isinstance(error, Mapping):
        return {"type": "Error", "message": str(error)}
    return {"type": str(error.get("type", "Error")), "message": str(error.get("message", ""))}


def job_view(job: Mapping[str, Any]) -> dict[str, Any]:
    """The status of a job, from the store's answer about it.

    `state` is the store's word, `status` Celery's: a custom one while the job runs, if the task has set it.
    """
    word, progress = _split_progress(job["progress"])
    status = states.from_store(job["state"], job["attempts_made"])
    if status == states.STARTED and progress is not None:
        status = word or "PROGRESS"
    return {
        **{field: job[field] for field in _AS_STORED},
        "status": status,
        "progress": progress,
        "result": job["result"],
        "error": _public_error(job["error"]),
        "max_attempts": job["options"]["max_attempts"],
        **{field: job[field] for field in _FIGURES},
    }


def _frame(kind: str, event_id: str, body: str) -> bytes:
    return f"event: {kind}\nid: {event_id}\ndata: {body}\n\n".encode()


def event_frame(event: _core.Event) -> bytes:
    """An event of the log as a server-sent event."""
    try:
        value = parse(event.data) if event.data else None
    except (ValueError, RecursionError):
        value = event.data
    return value_frame(event.type, event.id, event.job_id, event.queue, value)


def value_frame(kind: str, event_id: str, job_id: str, queue: str, value: Any) -> bytes:
    """A server-sent event of a job; the value is its progress, result or error."""
    body: dict[str, Any] = {"id": job_id, "queue": queue}
    if kind == "progress":
        word, body["progress"] = _split_progress(value)
        body["status"] = word or "PROGRESS"
    elif kind == "completed":
        body["result"] = value
    elif kind != "removed":
        body["error"] = _public_error(value)
    return _frame(kind, event_id, dumps(body))


def final_value(job: Mapping[str, Any]) -> Any:
    """What a finished job ended with: its result or its error."""
    return job["result"] if job["state"] == "completed" else job["error"]
