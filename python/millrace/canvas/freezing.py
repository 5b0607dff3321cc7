"""Ids for the jobs of a canvas before they exist, and the results that will have them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from millrace.canvas.joining import kind_of
from millrace.canvas.signature import maybe_signature, owned
from millrace.errors import InvalidArgument
from millrace.result import AsyncResult

if TYPE_CHECKING:
    from millrace.app import Millrace


def new_id(app: Millrace) -> str:
    """An id that no other job has; of the store if the application has one."""
    try:
        return app.engine.new_id()
    except InvalidArgument:
        return str(uuid.uuid4())


def freeze(sig: Any, job_id: str | None, app: Millrace | None = None) -> Any:
    """Gives each part the option `task_id`, unless it has one; answers the result of the whole."""
    if app is not None:
        owned(sig, app)
    kind = kind_of(sig)
    if kind == "chain":
        return _freeze_chain(sig, job_id)
    if kind == "group":
        return _freeze_group(sig, job_id)
    if kind == "chord":
        return _freeze_chord(sig, job_id)
    made = sig.options.get("task_id") or job_id or new_id(sig.app)
    sig.options["task_id"] = made
    return AsyncResult(made, app=sig.app)


def _freeze_chain(sig: Any, job_id: str | None) -> Any:
    steps = sig.tasks = sig.steps()
    before: Any = None
    for position, step in enumerate(steps):
        is_last = position == len(steps) - 1
        last_id = sig.options.get("task_id") or job_id
        result = freeze(step, last_id if is_last else None, sig.app)
        _first(result).parent = before
        before = result
    return before


def _freeze_group(sig: Any, group_id: str | None) -> Any:
    from millrace.result.groups import GroupResult

    sig.tasks = [maybe_signature(each) for each in sig.unrolled()]
    made = sig.options.get("task_id") or group_id or new_id(sig.app)
    sig.options["task_id"] = made
    return GroupResult(made, [freeze(each, None, sig.app) for each in sig.tasks], app=sig.app)


def _freeze_chord(sig: Any, job_id: str | None) -> Any:
    sig.tasks = sig.header()
    header = freeze(sig.tasks, None, sig.app)
    if sig.body is None:
        return header
    body = freeze(sig.body, sig.options.get("task_id") or job_id, sig.app)
    _first(body).parent = header
    return body


def _first(result: Any) -> Any:
    """The first of a chain of results."""
    while result.parent is not None:
        result = result.parent
    return result
