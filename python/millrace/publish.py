"""Enqueueing with more to do than to enqueue: options of Celery's, routes, signals, eager mode, links to other jobs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from millrace import _core, options, routing, serializer, signals
from millrace.errors import InvalidArgument
from millrace.own_headers import IGNORE_RESULT, REPLY_TO, SHADOW
from millrace.own_job import note_child
from millrace.request import current_request
from millrace.task_options import CANVAS_OPTIONS, IGNORED_JOB_OPTIONS

if TYPE_CHECKING:
    from millrace.app.base import Millrace
    from millrace.parameters import Payload
    from millrace.request import Request
    from millrace.result import AsyncResult
    from millrace.result.base import Acks
    from millrace.task import Task

_RETRY_OPTIONS: Final = (
    "max_retries",
    "default_retry_delay",
    "retry_backoff",
    "retry_backoff_max",
    "retry_jitter",
)
_HEADERS: Final = {"shadow": SHADOW, "reply_to": REPLY_TO}


def apply_async(
    task: Task[..., Any],
    args: Sequence[Any] | None,
    kwargs: Mapping[str, Any] | None,
    given: dict[str, Any],
) -> AsyncResult[Any]:
    """Enqueues a job of a task with the options of `Task.apply_async`."""
    app = task.app
    app.load_announced()
    if app.setting("task_always_eager"):
        given.pop("tx", None)
        eager: AsyncResult[Any] = task.apply(args, kwargs, **given)
        return eager
    follow(given)
    if is_canvas(given):
        made: AsyncResult[Any] = signature_of(task, args, kwargs, task.app).apply_async(**given)
        return made
    durability, tx = given.pop("durability", None), given.pop("tx", None)
    to_parent = given.pop("add_to_parent", True)
    spec = task.prepare(args, kwargs, **given).spec
    result = task._send(spec, durability, tx)
    if to_parent:
        note_child(result)
    return result


def is_canvas(given: Mapping[str, Any]) -> bool:
    """Whether these options make more than one job of a call, or one that has its place among others."""
    return any(given.get(name) for name in CANVAS_OPTIONS)


def follow(given: dict[str, Any]) -> None:
    """What is to follow as `chain`, the last first, said as a link. `chord` is what canvases make of themselves."""
    steps = given.pop("chain", None)
    given.pop("chord", None)
    if steps:
        from millrace.canvas import chain

        link = given.get("link")
        links = list(link) if isinstance(link, list | tuple) else [] if link is None else [link]
        given["link"] = [*links, chain(*reversed(steps))]


def signature_of(
    task: Task[..., Any] | str, args: Any, kwargs: Any, app: Millrace | None = None
) -> Any:
    """The call as a signature."""
    from millrace.canvas import Signature

    return Signature(task, tuple(args or ()), dict(kwargs or {}), app=app)


def send_task(
    app: Millrace,
    name: str,
    args: Sequence[Any] | None,
    kwargs: Mapping[str, Any] | None,
    given: dict[str, Any],
) -> AsyncResult[Any]:
    """Enqueues a job of a task by name."""
    app.load_announced()
    warn_if_eager(app, "send_task")
    follow(given)
    if is_canvas(given):
        made: AsyncResult[Any] = signature_of(name, args, kwargs, app).apply_async(**given)
        return made
    durability, tx = given.pop("durability", None), given.pop("tx", None)
    to_parent = given.pop("add_to_parent", True)
    spec = app.named_job(name, args, kwargs, **given)
    if tx is not None:
        from millrace.transaction import add_in

        return add_in(tx, app, [spec], durability)[0]
    result = app._enqueue([spec], durability)[0]
    if to_parent:
        note_child(result)
    return result


def warn_if_eager(app: Millrace, call: str) -> None:
    """Says that a call enqueues although `task_always_eager` is on; its caller is to blame."""
    if app.setting("task_always_eager"):
        import warnings

        from millrace.exceptions import AlwaysEagerIgnored

        text = f"task_always_eager has no effect on {call}"
        warnings.warn(text, AlwaysEagerIgnored, stacklevel=4)


def unknown_job(
    app: Millrace,
    name: str,
    args: Sequence[Any] | None,
    kwargs: Mapping[str, Any] | None,
    given: Mapping[str, Any],
) -> _core.JobSpec:
    """The job of a task that is not known here: by names if there are only names."""
    if args is None:
        args = ()
    if isinstance(args, str | bytes) or not isinstance(args, Sequence):
        raise options.wrong_type("args", "a tuple or a list", args)
    if kwargs is not None and not isinstance(kwargs, Mapping):
        raise options.wrong_type("kwargs", "a mapping", kwargs)
    policy = {key: given[key] for key in _RETRY_OPTIONS if key in given}
    native = native_options(app, {key: given[key] for key in given if key not in policy})
    place = app.router.route(
        given.get("route_name") or name, args, kwargs, given, dynamic=app.router.dynamic
    )
    fields = options.write_options(**native)
    if policy:
        fields["retry"] = options.retry_policy(**policy)
    priority = app.setting("task_default_priority") if place.priority is None else place.priority
    if priority is not None:
        fields.setdefault("priority", priority)
    payload: Payload = (
        {"$args": list(args), "$kwargs": dict(kwargs or {})} if args else dict(kwargs or {})
    )
    try:
        spec = _core.JobSpec(place.queue or app.default_queue, name, data=serializer.dumps(payload))
    except TypeError as error:
        raise TypeError(f"{name}(): argument {error}") from None
    return spec.replace(**fields)


# --- Options --------------------------------------------------------------------------------------


def fields_of(
    task: Task[..., Any],
    args: Sequence[Any] | None,
    kwargs: Mapping[str, Any] | None,
    given: Mapping[str, Any],
) -> dict[str, Any]:
    """Options of `apply_async` as keywords of `JobSpec.replace`."""
    app = task.app
    app.load_announced()
    native = native_options(app, given)
    if app.needs_routing:
        if app.router.dynamic and "queue" not in native:
            place = app.router.route(task.name, args or (), kwargs, given, task, dynamic=True)
            if place.queue is not None:
                native["queue"] = place.queue
            if place.priority is not None:
                native.setdefault("priority", place.priority)
        _inherit_priority(task, native)
    if "shadow" not in given:
        shadow = task.shadow_name(args or (), kwargs or {}, given)
        if shadow:
            native["headers"] = {**native.get("headers", {}), SHADOW: shadow}
    return options.write_options(**native) if native else native


def _inherit_priority(task: Task[..., Any], native: dict[str, Any]) -> None:
    request = current_request.get()
    if (
        request is not None
        and "priority" not in native
        and task.app.setting("task_inherit_parent_priority")
    ):
        native["priority"] = request.priority


def native_options(app: Millrace, given: Mapping[str, Any]) -> dict[str, Any]:
    """Options of `apply_async` without those of brokers, and with what Celery says otherwise said our way."""
    if not given:
        return {}
    native = {
        name: value
        for name, value in given.items()
        if value is not None and name not in IGNORED_JOB_OPTIONS
    }
    headers: dict[str, Any] = {}
    for name, header in _HEADERS.items():
        value = native.pop(name, None)
        if value is not None:
            headers[header] = options.check_text(name, value)
    ignore = native.pop("ignore_result", None)
    if ignore is not None:
        headers[IGNORE_RESULT] = "1" if options.check_flag("ignore_result", ignore) else "0"
    if headers:
        own = native.get("headers")
        if own is not None and not isinstance(own, Mapping):
            raise options.wrong_type("headers", "a mapping by name", own)
        native["headers"] = {**(own or {}), **headers}
    if isinstance(native.get("expires"), str):
        native["expires"] = _moment("expires", native["expires"])
    if isinstance(native.get("eta"), str):
        native["eta"] = _moment("eta", native["eta"])
    if native.keys() & {"queue", "exchange", "routing_key"}:
        routing.check_exclusive(native)
        where = app.router.destination(
            {name: native.pop(name, None) for name in ("queue", "exchange", "routing_key")}
        )
        if where.queue is not None:
            _ = app.router.queues[where.queue]
            native["queue"] = where.queue
    for name in ("add_to_parent", "route_name", *CANVAS_OPTIONS):
        native.pop(name, None)
    unknown = native.keys() - _NATIVE
    if unknown:
        options.refuse_unknown(
            "apply_async()", sorted(unknown), [*_NATIVE, *CANVAS_OPTIONS, *_HEADERS]
        )
    return native


_NATIVE: Final = frozenset(
    {
        "after",
        "countdown",
        "dedup",
        "delivery",
        "eta",
        "expires",
        "group",
        "headers",
        "join",
        "lifo",
        "parent",
        "priority",
        "queue",
        "sealing",
        "soft_time_limit",
        "task_id",
        "time_limit",
    }
)


def _moment(name: str, text: str) -> Any:
    import datetime as dt

    try:
        return dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise InvalidArgument(
            f"{name} must be an ISO 8601 time if it is a str, not {text!r}"
        ) from None


# --- What others are told -------------------------------------------------------------------------


def before(app: Millrace, specs: list[_core.JobSpec]) -> list[_core.JobSpec]:
    """The jobs as they are enqueued: with a link to the job that enqueues them, and what receivers have added."""
    request = current_request.get()
    if request is not None and request.id is not None:
        specs = [_with_parent(spec, request) for spec in specs]
    if signals.PUBLISHING:
        specs = [_announce(app, spec) for spec in specs]
    return specs


def _with_parent(spec: _core.JobSpec, request: Request) -> _core.JobSpec:
    from millrace.headers import Place, has_place, with_place

    if has_place(spec.headers):
        return spec
    place = Place(root_id=request.root_id or "", parent_id=request.id or "")
    return spec.replace(headers=with_place(spec.headers, place))


def _announce(app: Millrace, spec: _core.JobSpec) -> _core.JobSpec:
    """Sends `before_task_publish`; headers that receivers add travel."""
    if not signals.before_task_publish.receivers:
        return spec
    from millrace.utils import uuid

    job_id = spec.id or uuid()
    own: dict[str, Any] = json.loads(spec.headers) if spec.headers else {}
    told = _described(spec, job_id, own)
    headers = told["headers"]
    signals.before_task_publish.send(
        sender=spec.name,
        declare=[],
        retry_policy=dict(app.conf.task_publish_retry_policy or {}),
        **told,
    )
    changed = {name: value for name, value in headers.items() if name not in _TOLD}
    kept = options.check_headers(changed) if changed != own else spec.headers
    return spec.replace(id=job_id, headers=kept)


_TOLD: Final = frozenset({"id", "task", "lang", "argsrepr", "kwargsrepr", "eta", "expires"})


def _described(spec: _core.JobSpec, job_id: str, own: dict[str, Any]) -> dict[str, Any]:
    """A job as a broker's message would be."""
    args, kwargs = _arguments(spec)
    return {
        "body": (args, kwargs, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}),
        "exchange": "",
        "routing_key": spec.queue,
        "headers": {
            "lang": "py",
            "task": spec.name,
            "id": job_id,
            "argsrepr": repr(tuple(args)),
            "kwargsrepr": repr(kwargs),
            "eta": None,
            "expires": None,
            **own,
        },
        "properties": {"correlation_id": job_id, "reply_to": "", "priority": spec.priority},
    }


def _arguments(spec: _core.JobSpec) -> tuple[list[Any], dict[str, Any]]:
    payload = serializer.loads(spec.data) if isinstance(spec.data, str) and spec.data else {}
    if isinstance(payload, dict) and "$args" in payload:
        return payload["$args"], payload.get("$kwargs", {})
    return [], payload if isinstance(payload, dict) else {}


def after(specs: list[_core.JobSpec], acks: Acks) -> None:
    """Tells that the jobs are in the store."""
    for index, spec in enumerate(specs):
        job_id = acks[index][0]
        own: dict[str, Any] = json.loads(spec.headers) if spec.headers else {}
        told = _described(spec, job_id, own)
        properties = told.pop("properties")
        if signals.after_task_publish.receivers:
            signals.after_task_publish.send(sender=spec.name, **told)
        if signals.task_sent.receivers:
            signals.task_sent.send(
                sender=spec.name,
                task_id=properties["correlation_id"],
                task=spec.name,
                args=told["body"][0],
                kwargs=told["body"][1],
                eta=None,
                taskset=None,
            )
