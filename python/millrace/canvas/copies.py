"""The arguments and options of a job that exists, for another one like it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millrace.canvas.stamping import STAMPED

if TYPE_CHECKING:
    from millrace.request import Request


def copied_arguments(request: Request) -> tuple[list[Any], dict[str, Any]]:
    """(positional, by name), with what the job took from others among them."""
    payload = request.payload
    if isinstance(payload, dict) and "$args" in payload:
        return list(payload["$args"]), dict(payload.get("$kwargs", {}))
    return [], dict(payload or {})


def copied_options(request: Request) -> dict[str, Any]:
    """What `apply_async` would have to be given."""
    hard, soft = request.timelimit
    found: dict[str, Any] = {
        "queue": request.queue,
        "priority": request.priority or None,
        "expires": request.expires,
        "headers": request.headers or None,
        "time_limit": hard,
        "soft_time_limit": soft,
    }
    place = request.place
    if place.root_id:
        found["root_id"] = place.root_id
    if place.stamps:
        found.update(place.stamps)
        found[STAMPED] = list(place.stamps)
    return {key: value for key, value in found.items() if value is not None}
