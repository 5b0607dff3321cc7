"""The arguments of a job in a canvas: its own, with what it takes from the jobs that it has waited for before them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millrace.errors import DependencyFailed, Ignore, NotFound
from millrace.headers import CHORD_CHILD, Place, read_place

if TYPE_CHECKING:
    from millrace import _core
    from millrace.app import Millrace
    from millrace.dependencies import Dependency
    from millrace.request import Request
    from millrace.task import Task


def take(request: Request, task: Task[..., Any], payload: Any) -> Any:
    """The payload with which a job's function is called. Ask for jobs only that have waited for others.

    Raises:
        Ignore: It is an errback that has nothing to do: the failure was another job's, and told there. Or the job
            before it was ignored.
    """
    place = request.place
    if not place.after or place.after == "join":
        return payload
    if place.after == "failure":
        given = _failure(request, task, place)
    elif place.after == "result":
        before = request.dependencies[0]
        if before.is_null and _was_ignored(task, before):
            raise Ignore  # a chain ends where a task ignores its job
        given = [] if place.immutable else [before.result]
    elif place.immutable:
        return payload
    else:
        given = [_results(request, place)]
    return prepended(payload, given)


def prepended(payload: Any, given: list[Any]) -> Any:
    """A payload with values before its positional arguments."""
    if not given:
        return payload
    if not isinstance(payload, dict):
        return {"$args": given, "$kwargs": payload or {}}
    if "$args" in payload and payload.keys() <= {"$args", "$kwargs"}:
        return {"$args": [*given, *payload["$args"]], "$kwargs": payload.get("$kwargs", {})}
    return {"$args": given, "$kwargs": payload}


def _results(request: Request, place: Place) -> list[Any]:
    """Of the header of a chord: what it was enqueued with, and what was added to it since."""
    return [
        each.result
        for index, each in enumerate(request.dependencies)
        if index < place.count or each.name == CHORD_CHILD
    ]


def _was_ignored(task: Task[..., Any], before: Dependency) -> bool:
    from millrace.result.base import was_ignored

    try:
        return was_ignored(task.app.engine.get_outcome(before.id, before.queue))
    except NotFound:
        return False


def _failure(request: Request, task: Task[..., Any], place: Place) -> list[Any]:
    """What an errback gets: (request, error, traceback) if it takes that many, else the id of the failed job."""
    from millrace.result.failures import failure_of

    failed = request.dependencies[0]
    info = task.app.engine.get_job(failed.id, failed.queue)
    follows = info.spec.join == "run" and read_place(info.spec.headers).after == "result"
    if follows and isinstance(failed.error, DependencyFailed):
        # The job before it in the chain has failed, and has had its own errbacks called.
        raise Ignore
    if place.immutable:
        return []
    if not takes_error(task):
        return [failed.id]
    error, stack = failure_of(task.app, failed.id, failed.queue)
    return [_past_request(task.app, info), error, stack]


def _past_request(app: Millrace, info: _core.JobInfo) -> Request:
    """A job that has ended, as the request that its task saw."""
    from millrace import serializer
    from millrace.job_image import image_of_info
    from millrace.request import Request as AnyRequest

    image = image_of_info(info)
    data = serializer.loads(image.data) if isinstance(image.data, str) else {}
    owner = app.tasks.get(image.name)
    if owner is not None:
        request = AnyRequest(owner, image)
        request.take_payload(data)
        return request
    given = data if isinstance(data, dict) else {}
    if "$args" in given:
        return AnyRequest(None, image, called_with=(given["$args"], given.get("$kwargs", {})))
    return AnyRequest(None, image, called_with=([], given))


def takes_error(task: Task[..., Any]) -> bool:
    """Whether an errback is called with (request, error, traceback): it takes more than one positional argument."""
    import inspect

    try:
        parameters = list(inspect.signature(task.function).parameters.values())
    except (TypeError, ValueError):
        return False
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return True
    positional = [
        each
        for each in parameters
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    return len(positional) - (1 if task.is_bound else 0) > 1
