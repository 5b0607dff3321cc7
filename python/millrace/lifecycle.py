"""What tasks and receivers of signals are told of an attempt: hooks and signals, in Celery's order.

Asked for only where a task has hooks or somebody is connected: see `Task.hooked` and `signals.RUNNING`. Told before the
end of the attempt goes to the store: a worker that dies meanwhile runs the job again, so that no hook is left out, and
what a hook logs is in the job's log.

Hooks may be `async def`. What tells of an end is therefore a coroutine: of a task with such a hook (`Task.awaits`) it
is for an event loop, of any other `run_plain` runs it to its end at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from millrace import signals, states
from millrace.einfo import ExceptionInfo
from millrace.errors import (
    Ignore,
    RateLimited,
    Reject,
    ReplaceJob,
    Retry,
    TaskRevokedError,
    WaitForChildren,
)
from millrace.log import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from millrace.request import Request
    from millrace.task import Task

# After these `after_return` is not called: the job goes on, or has no end that the task should know of.
_NO_RETURN: Final = frozenset({states.IGNORED, states.REJECTED, states.RETRY, states.REVOKED})


def run_plain(telling: Coroutine[Any, Any, None]) -> None:
    """Runs what tells of an end to its own end, for a task whose hooks are plain functions."""
    try:
        telling.send(None)
    except StopIteration:
        return
    telling.close()
    raise RuntimeError("a hook that is no coroutine function has waited for something")


def started(task: Task[..., Any], request: Request) -> Coroutine[Any, Any, None] | None:
    """Before the task's function. What `before_start` raises is the task's; answers it if it is to be awaited."""
    call = {"args": request.args, "kwargs": request.kwargs}
    if signals.task_prerun.receivers:
        signals.task_prerun.send(sender=task, task_id=request.id, task=task, **call)
    if "before_start" in task.hooks:
        hook: Callable[..., Any] = task.before_start
        answer = hook(request.id or "", call["args"], call["kwargs"])
        if answer is not None and hasattr(answer, "__await__"):
            return _awaited(task, "before_start", answer)
    return None


async def _awaited(task: Task[..., Any], name: str, answer: Any) -> None:
    if not task.awaits:
        answer.close()
        raise TypeError(
            f"{task.name}: {name} has answered a coroutine and is no `async def` function itself: make it one"
        )
    await answer


def state_of(error: BaseException, task: Task[..., Any], request: Request) -> str | None:
    """How an attempt ended that raised; None if the job was given back."""
    if isinstance(error, Reject):
        return states.REJECTED
    if isinstance(error, TaskRevokedError) and request.cancelled:
        return states.REVOKED
    if isinstance(error, Ignore | WaitForChildren | ReplaceJob | RateLimited):
        return states.IGNORED
    if isinstance(error, Retry):
        bound = task.max_retries if error.max_retries is None else error.max_retries
        return states.RETRY if bound is None or request.retries < bound else states.FAILURE
    if isinstance(error, SystemExit):
        return states.FAILURE
    if not isinstance(error, Exception):
        return None
    if task.is_retryable(error) and request.attempt < task.auto_policy.max_attempts:
        return states.RETRY
    return states.FAILURE


async def succeeded(task: Task[..., Any], request: Request, value: Any, runtime: float) -> None:
    """The task's function has returned what can be stored."""
    if "on_success" in task.hooks:
        await _call(task, request, task.on_success, value, request.id, request.args, request.kwargs)
    if signals.task_success.receivers:
        signals.task_success.send(sender=task, result=value, runtime=runtime)
    await _returned(task, request, states.SUCCESS, value, None)


async def failed(task: Task[..., Any], request: Request, state: str, error: BaseException) -> None:
    """The task's function has raised, or the job was revoked."""
    einfo = ExceptionInfo(error)
    if state == states.RETRY:
        await _retried(task, request, error, einfo)
    elif state == states.FAILURE:
        await _failed(task, request, error, einfo)
    elif state == states.REJECTED:
        signals.task_rejected.send(sender=task, message=request, exc=error)
    elif state == states.REVOKED:
        terminated = request.cancel_reason == "terminate"
        signals.task_revoked.send(
            sender=task, request=request, terminated=terminated, signum=None, expired=False
        )
    await _returned(task, request, state, error, einfo)


async def _retried(
    task: Task[..., Any], request: Request, error: BaseException, einfo: ExceptionInfo
) -> None:
    reason = error if isinstance(error, Retry) else Retry(exc=error)
    if "on_retry" in task.hooks:
        call = (reason.exc, request.id, request.args, request.kwargs, einfo)
        await _call(task, request, task.on_retry, *call)
    if signals.task_retry.receivers:
        signals.task_retry.send(sender=task, request=request, reason=reason, einfo=einfo)


async def _failed(
    task: Task[..., Any], request: Request, error: BaseException, einfo: ExceptionInfo
) -> None:
    if "on_failure" in task.hooks:
        call = (error, request.id, request.args, request.kwargs, einfo)
        await _call(task, request, task.on_failure, *call)
    if signals.task_failure.receivers:
        signals.task_failure.send(
            sender=task,
            task_id=request.id,
            exception=error,
            args=request.args,
            kwargs=request.kwargs,
            traceback=einfo.tb,
            einfo=einfo,
        )


async def _returned(
    task: Task[..., Any], request: Request, state: str, value: Any, einfo: ExceptionInfo | None
) -> None:
    if "after_return" in task.hooks and state not in _NO_RETURN:
        call = (state, value, request.id, request.args, request.kwargs, einfo)
        await _call(task, request, task.after_return, *call)
    if signals.task_postrun.receivers:
        signals.task_postrun.send(
            sender=task,
            task_id=request.id,
            task=task,
            args=request.args,
            kwargs=request.kwargs,
            retval=value,
            state=state,
        )


async def _call(
    task: Task[..., Any], request: Request, hook: Callable[..., Any], *arguments: Any
) -> None:
    """Calls a hook. What it raises changes nothing: how the job ended is settled."""
    try:
        answer = hook(*arguments)
        if answer is not None and hasattr(answer, "__await__"):
            await _awaited(task, getattr(hook, "__name__", "a hook"), answer)
    except BaseException as error:  # noqa: BLE001 - a hook's trouble is not the job's
        logger.error(
            "Task %s[%s]: %s raised %s: %s",
            task.name,
            request.id,
            getattr(hook, "__name__", hook),
            type(error).__name__,
            error,
            exc_info=error,
        )
        internal_error(task, request, error)


def internal_error(task: Task[..., Any], request: Request, error: BaseException) -> None:
    """Something went wrong around a task that is not the task's failure."""
    if signals.task_internal_error.receivers:
        signals.task_internal_error.send(
            sender=task,
            task_id=request.id,
            args=request.args,
            kwargs=request.kwargs,
            request=request,
            exception=error,
            traceback=error.__traceback__,
            einfo=ExceptionInfo(error, internal=True),
        )
