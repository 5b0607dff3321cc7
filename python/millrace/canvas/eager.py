"""A canvas in the caller's own process: tasks run at once, one after the other, and nothing is enqueued."""

from __future__ import annotations

import asyncio
import threading
import time
import traceback
import uuid
from collections.abc import Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from millrace import lifecycle, states
from millrace.canvas.joining import kind_of
from millrace.canvas.signature import maybe_signature, merged_options, owned
from millrace.canvas.stamping import STAMPED, several
from millrace.errors import (
    Ignore,
    Reject,
    ReplaceJob,
    Retry,
    TaskRevokedError,
    WaitForChildren,
    WrongState,
)
from millrace.headers import Place, with_place
from millrace.job_image import JobImage
from millrace.options import check_headers
from millrace.request import Request, current_request
from millrace.result.eager import EagerResult
from millrace.signals import RUNNING

if TYPE_CHECKING:
    from millrace import _core
    from millrace.app import Millrace
    from millrace.task import Task


_NESTED: Final[dict[str, Any]] = {"_nested": True}
"""An option that tells a part that it is not the whole canvas."""

_OF_THE_END: Final = ("group_id", "group_index", "chord")


class EagerRequest(Request):
    """Of a task that runs in the caller's process."""

    is_eager = True


# --- One task -------------------------------------------------------------------------------------


def apply_task(
    task: Task[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    options: dict[str, Any],
    *,
    task_id: str | None = None,
    retries: int = 0,
    throw: bool | None = None,
) -> EagerResult[Any]:
    """Runs a task with its retries, then its callbacks or errbacks; `Task.apply` documents it."""
    if throw is None:
        throw = bool(task.app.conf.task_eager_propagates)
    image = _image(task, options, task_id or str(uuid.uuid4()), retries)
    image.data = task.payload(args, kwargs)
    state, value, text, request = _run(task, image)
    result: EagerResult[Any] = EagerResult(image.id, value, state, text, task.name, app=task.app)
    if state == states.SUCCESS:
        for link in several(options.get("link")):
            made = maybe_signature(link, app=task.app).apply((value,))
            result._children.append(made)
    elif state in states.PROPAGATE_STATES:
        for errback in several(options.get("link_error")):
            _apply_errback(task.app, errback, request, value, text)
    if task.store_eager_result:
        _store(task.app, image, state, value)
    if throw and state in states.PROPAGATE_STATES:
        raise value
    return result


def _image(task: Task[..., Any], options: Mapping[str, Any], job_id: str, retries: int) -> JobImage:
    stamps = {key: options[key] for key in several(options.get(STAMPED)) if key in options}
    place = Place(
        root_id=options.get("root_id") or "",
        parent_id=options.get("parent_id") or "",
        group_id=options.get("group_id") or "",
        group_index=options.get("group_index") or 0,
        stamps=stamps,
    )
    headers = options.get("headers")
    text = check_headers(headers) if headers else ""
    return JobImage(
        id=job_id,
        name=task.name,
        queue=str(options.get("queue") or task.spec.queue),
        headers=with_place(text, place),
        attempt=retries + 1,
        priority=options.get("priority") or 0,
        max_attempts=task.policy.max_attempts,
    )


def _run(task: Task[..., Any], image: JobImage) -> tuple[str, Any, str | None, Request]:
    """(state, value or error, traceback, request) of all its attempts."""
    while True:
        request = EagerRequest(task, cast("_core.LeasedJob", image))
        request.take_payload(image.data)
        token = current_request.set(request)
        hooked = task.hooked or bool(RUNNING)
        try:
            state, value, text, again = _attempt(task, image, request, hooked)
        finally:
            current_request.reset(token)
        if not again:
            return state, value, text, request
        image.attempt += 1
        if isinstance(value, Retry) and value.call is not None:
            image.data = task.payload(*value.call)


def _attempt(
    task: Task[..., Any], image: JobImage, request: Request, hooked: bool
) -> tuple[str, Any, str | None, bool]:
    """(state, value or error, traceback, whether it is to be run again) of one attempt."""
    began = time.perf_counter()
    try:
        if hooked and (rest := lifecycle.started(task, request)) is not None:
            run_coroutine(rest)
        value = task.invoke(image.data)
        if task.is_async:
            value = run_coroutine(value)
    except Exception as error:  # noqa: BLE001 - whatever a task raises is its result
        ended = _ended(task, image, request, error)
        if hooked:
            told = states.RETRY if ended[3] else ended[0]
            _tell(task, lifecycle.failed(task, request, told, error))
        return ended
    if hooked:
        _tell(task, lifecycle.succeeded(task, request, value, time.perf_counter() - began))
    return states.SUCCESS, task.result_value(value), None, False


def _tell(task: Task[..., Any], telling: Coroutine[Any, Any, None]) -> None:
    """Tells a task's hooks of the end."""
    if task.awaits:
        run_coroutine(telling)
    else:
        lifecycle.run_plain(telling)


def _ended(
    task: Task[..., Any], image: JobImage, request: Request, error: Exception
) -> tuple[str, Any, str | None, bool]:
    """What an attempt means that raised."""
    if isinstance(error, Retry):
        if request.attempt < _bound(task, error):
            return states.RETRY, error, None, True
        return states.FAILURE, error.exc or error, None, False
    if isinstance(error, Ignore):
        return states.IGNORED, None, None, False
    if isinstance(error, Reject):
        return states.REJECTED, error, None, False
    if isinstance(error, ReplaceJob):
        return (*_replaced(error), False)
    if isinstance(error, WaitForChildren):
        failure = WrongState("a task that runs in the caller's process cannot wait for children")
        return states.FAILURE, failure, None, False
    if isinstance(error, TaskRevokedError):
        return states.REVOKED, error, None, False
    if task.is_retryable(error) and image.attempt < task.auto_policy.max_attempts:
        return states.RETRY, error, None, True
    return states.FAILURE, error, traceback.format_exc(), False


def _bound(task: Task[..., Any], error: Retry) -> int:
    limit = error.max_retries if error.max_retries is not None else task.max_retries
    return 1_000_000 if limit is None else limit + 1


def _replaced(error: ReplaceJob) -> tuple[str, Any, str | None]:
    """How what stands in the place of a task has ended."""
    result = error.signature.apply()
    if not hasattr(result, "state"):  # a group's
        try:
            return states.SUCCESS, result.get(), None
        except Exception as failure:  # noqa: BLE001
            return states.FAILURE, failure, traceback.format_exc()
    return result.state, result.result, result.traceback


def run_coroutine(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Runs a coroutine to its end: in a thread of its own if this one's event loop runs."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    import contextvars

    answer: list[Any] = []
    context = contextvars.copy_context()

    def run() -> None:
        try:
            answer.append((True, context.run(asyncio.run, coroutine)))
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is wanted
            answer.append((False, error))

    thread = threading.Thread(target=run, name="millrace-eager")
    thread.start()
    thread.join()
    succeeded, value = answer[0]
    if succeeded:
        return value
    raise value


def _apply_errback(
    app: Millrace, errback: Any, request: Request, error: Any, text: str | None
) -> None:
    from millrace.worker.intake import takes_error

    sig = maybe_signature(errback, app=app)
    task = sig.known_type() if kind_of(sig) is None else None
    if task is not None and not sig.immutable and takes_error(task):
        sig.apply((request, error, text))
    else:
        sig.apply((request.id,))


def _store(app: Millrace, image: JobImage, state: str, value: Any) -> None:
    """Puts the result into the store (`task_store_eager_result`): a job that is completed by this process."""
    from millrace import _core, serializer

    queue = "millrace.eager"
    engine = app.engine
    spec = _core.JobSpec(queue, image.name, id=image.id, value=image.data, headers=image.headers)
    session = engine.open_session([queue], slots=1, prefetch=0, worker_name="eager")
    try:
        engine.enqueue([spec])
        for job in session.take(1, 5_000):
            if state in states.PROPAGATE_STATES:
                body = serializer.encode_error(value)
                session.settle(_core.Outcome(job.token, "failed", body, retryable=False))
            else:
                session.complete(job.token, value)
    finally:
        session.close()


# --- Several --------------------------------------------------------------------------------------


def _call(
    sig: Any, args: Sequence[Any] | None, options: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any], bool]:
    """(positional arguments, options, whether it is the whole canvas) with which a canvas is applied."""
    merged = merged_options(sig.options, options)
    is_whole = not merged.pop("_nested", False)
    given = tuple(args or ())
    return (given if sig.immutable else (*given, *sig.args)), merged, is_whole


def apply_chain(
    sig: Any,
    args: Sequence[Any] | None,
    kwargs: Mapping[str, Any] | None,
    options: Mapping[str, Any],
) -> Any:
    """Runs the steps of a chain; the answer is the last one's result. None for an empty chain."""
    given, merged, _ = _call(sig, args, options)
    link, task_id = merged.pop("link", None), merged.pop("task_id", None)
    link_error = merged.pop("link_error", None)
    at_end: dict[str, Any] = {key: merged.pop(key) for key in _OF_THE_END if key in merged}
    steps = sig.steps()
    last: Any = None
    for position, step in enumerate(steps):
        each = owned(step.clone(), sig.app)
        if link_error:
            _link_error(each, link_error)
        if position == len(steps) - 1:
            if link:
                (each.body if kind_of(each) == "chord" else each).extend_list_option("link", link)
            if task_id and kind_of(each) is None:
                each.options.setdefault("task_id", task_id)
            if kind_of(each) is None:
                merged.update(at_end)
        if last is not None and getattr(last, "state", None) == states.IGNORED:
            break  # a chain ends where a task ignores its job
        taken = given if last is None else (last.get(),)
        result = each.apply(taken, kwargs if last is None else None, **merged, **_NESTED)
        merged = {}
        if result is not None:
            _first(result).parent = last
            last = result
    return last


def _link_error(sig: Any, errbacks: Any) -> None:
    for errback in several(errbacks):
        sig.link_error(errback)


def _first(result: Any) -> Any:
    while result.parent is not None:
        result = result.parent
    return result


def apply_group(
    sig: Any,
    args: Sequence[Any] | None,
    kwargs: Mapping[str, Any] | None,
    options: Mapping[str, Any],
) -> Any:
    """Runs the tasks of a group; the answer is a `GroupResult`."""
    from millrace.result.groups import GroupResult

    given, merged, is_whole = _call(sig, args, options)
    group_id = merged.pop("task_id", None) or str(uuid.uuid4())
    results = [
        owned(each, sig.app).apply(
            given, kwargs, **{**merged, **_NESTED, "group_id": group_id, "group_index": position}
        )
        for position, each in enumerate(sig.unrolled())
    ]
    if is_whole and len(results) == 1 and isinstance(results[0], GroupResult):
        return results[0]
    return GroupResult(group_id, results, app=sig.app)


def apply_chord(
    sig: Any,
    args: Sequence[Any] | None,
    kwargs: Mapping[str, Any] | None,
    options: Mapping[str, Any],
) -> Any:
    """Runs a header and a body; the answer is the body's result."""
    given, merged, _ = _call(sig, args, options)
    more = dict(kwargs or {})
    body = owned(maybe_signature(more.pop("body", None) or sig.body, clone=True), sig.app)
    for option in ("link", "link_error"):
        for each in several(merged.pop(option, None)):
            getattr(body, option)(each)
    task_id = merged.pop("task_id", None)
    header = owned(sig.header(), sig.app).apply(
        given, {**sig.kwargs.get("kwargs", {}), **more}, **_NESTED
    )
    own = {"task_id": task_id} if task_id and kind_of(body) is None else {}
    result = body.apply((header.get(),), **own, **_NESTED)
    if result is not None:
        _first(result).parent = header
    return result
