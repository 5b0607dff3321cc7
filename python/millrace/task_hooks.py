"""What a class of tasks may say about the life of their jobs: the part of `Task` that is there to be overridden."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from millrace.app import Millrace
    from millrace.einfo import ExceptionInfo

HOOKS: Final = ("before_start", "on_success", "on_failure", "on_retry", "after_return")


class TaskHooks:
    """Methods that the worker calls, if a class overrides them. Not used by itself.

    They run where the task ran, with the same `self.request`, and may be `async def`, of plain tasks too: then they are
    awaited, on the worker's loop or on one of the thread's own. What one of them raises is logged, and sent as the
    signal `task_internal_error`; what `before_start` raises fails the job.
    """

    app: Millrace
    name: str

    def before_start(
        self, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Awaitable[None] | None:
        """Called before the task's function."""

    def on_success(
        self, retval: Any, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Awaitable[None] | None:
        """Called when the attempt has succeeded."""

    def on_failure(
        self,
        exc: BaseException,
        task_id: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        einfo: ExceptionInfo,
    ) -> Awaitable[None] | None:
        """Called when the job has failed for good."""

    def on_retry(
        self,
        exc: BaseException | None,
        task_id: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        einfo: ExceptionInfo,
    ) -> Awaitable[None] | None:
        """Called when the job will be run again."""

    def after_return(
        self,
        status: str,
        retval: Any,
        task_id: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        einfo: ExceptionInfo | None,
    ) -> Awaitable[None] | None:
        """Called when the job has ended, last; `status` is of `millrace.states`, `retval` the result or the error."""

    def shadow_name(
        self,
        args: Sequence[Any],  # noqa: ARG002
        kwargs: Mapping[str, Any],  # noqa: ARG002
        options: Mapping[str, Any],  # noqa: ARG002
    ) -> str | None:
        """Another name for logs and `self.request.shadow`, for a job that is about to be enqueued."""
        return None

    @classmethod
    def on_bound(cls, app: Millrace) -> None:
        """Called when the task has become one of an application."""

    @classmethod
    def annotate(cls) -> None:
        """Celery applies `task_annotations` here; Millrace does so whenever the settings change."""

    def add_around(
        self, attr: str, around: Callable[[Callable[..., Any]], Callable[..., Any]]
    ) -> None:
        """Puts a function around one of the task's methods."""
        original = getattr(self, attr)
        made = around(original)
        made.__wrapped__ = original  # type: ignore[attr-defined]
        setattr(self, attr, made)

    def start_strategy(self, app: Any, consumer: Any, **_kwargs: Any) -> Any:
        """Celery's worker asks how to run a task; here that is the pool's, so nobody calls this."""
        del app, consumer


def overridden(task: TaskHooks, name: str) -> bool:
    """Whether a task has a method of its own in place of a hook that does nothing."""
    method = getattr(task, name)
    return getattr(method, "__func__", method) is not getattr(TaskHooks, name)
