"""The tasks of an application: the decorator that makes them, and how they are named."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Literal,
    ParamSpec,
    Protocol,
    TypeVar,
    cast,
    overload,
)

from millrace import options, serializer
from millrace.errors import AlreadyRegistered
from millrace.parameters import is_coroutine_function
from millrace.task import CoroutineTask, FunctionTask, Task

if TYPE_CHECKING:
    from millrace.app import Millrace
    from millrace.options import DeliveryName, SealingName, Seconds

P = ParamSpec("P")
R = TypeVar("R")
E = TypeVar("E", bound=type[Exception])


class Registry:
    """The part of `Millrace` that knows tasks and error classes. Not used by itself.

    Attributes:
        name: The application's name.
        tasks: All tasks by name.
        registered_errors: The exception classes that results may raise, by the names under which they travel.
    """

    def __init__(self, name: str) -> None:
        self.name = options.check_text("name", name)
        self.tasks: dict[str, Task[..., Any]] = {}
        self.registered_errors: dict[str, type[Exception]] = {}

    @overload
    def task(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> CoroutineTask[P, R]: ...  # type: ignore[overload-overlap]
    @overload
    def task(self, function: Callable[P, R], /) -> FunctionTask[P, R]: ...
    @overload
    def task(
        self,
        *,
        bind: Literal[True],
        name: str | None = None,
        queue: str | None = None,
        priority: int = 0,
        max_retries: int | None = 3,
        default_retry_delay: Seconds = 180,
        autoretry_for: type[BaseException] | Sequence[type[BaseException]] = (),
        dont_autoretry_for: type[BaseException] | Sequence[type[BaseException]] = (),
        retry_backoff: bool | float = False,
        retry_backoff_max: Seconds = 600,
        retry_jitter: bool = True,
        ignore_result: bool = False,
        expires: Seconds | dt.datetime | None = None,
        time_limit: Seconds | None = None,
        soft_time_limit: Seconds | None = None,
        delivery: DeliveryName = "at_least_once",
        sealing: SealingName = "default",
    ) -> _BoundDecorator: ...
    @overload
    def task(
        self,
        *,
        bind: Literal[False] = False,
        name: str | None = None,
        queue: str | None = None,
        priority: int = 0,
        max_retries: int | None = 3,
        default_retry_delay: Seconds = 180,
        autoretry_for: type[BaseException] | Sequence[type[BaseException]] = (),
        dont_autoretry_for: type[BaseException] | Sequence[type[BaseException]] = (),
        retry_backoff: bool | float = False,
        retry_backoff_max: Seconds = 600,
        retry_jitter: bool = True,
        ignore_result: bool = False,
        expires: Seconds | dt.datetime | None = None,
        time_limit: Seconds | None = None,
        soft_time_limit: Seconds | None = None,
        delivery: DeliveryName = "at_least_once",
        sealing: SealingName = "default",
    ) -> _Decorator: ...
    @overload
    def task(
        self,
        *,
        batch: int,
        batch_wait: Seconds = 0.05,
        bind: bool = False,
        name: str | None = None,
        queue: str | None = None,
        priority: int = 0,
        max_retries: int | None = 3,
        default_retry_delay: Seconds = 180,
        autoretry_for: type[BaseException] | Sequence[type[BaseException]] = (),
        dont_autoretry_for: type[BaseException] | Sequence[type[BaseException]] = (),
        retry_backoff: bool | float = False,
        retry_backoff_max: Seconds = 600,
        retry_jitter: bool = True,
        ignore_result: bool = False,
        expires: Seconds | dt.datetime | None = None,
        time_limit: Seconds | None = None,
        soft_time_limit: Seconds | None = None,
        delivery: DeliveryName = "at_least_once",
        sealing: SealingName = "default",
    ) -> Callable[[Callable[..., Any]], Task[..., Any]]: ...
    def task(  # type: ignore[misc]
        self, function: Callable[..., Any] | None = None, /, **task_options: Any
    ) -> Any:
        """Makes a function a task: `@app.task` or `@app.task(max_retries=5)`. `async def` functions are welcome.

        Args:
            function: The function, when used without parentheses.
            **task_options: See below.

        Options:
            bind: Pass the task itself as the first argument, for `self.retry`, `self.request` and so on.
            name: How producers name it; default "module.function".
            queue: Where its jobs go; default the application's.
            priority: Lower comes first; default 0.
            max_retries: How often a failed job is run again; None without bound.
            default_retry_delay: Seconds between attempts.
            autoretry_for: Exceptions that are retried without the task asking. Any other ends the job at once.
            dont_autoretry_for: Exceptions among these that are not.
            retry_backoff: True doubles the delay with each retry, from 1 s; a number is the factor in seconds.
            retry_backoff_max: Bound of that delay in seconds.
            retry_jitter: Whether that delay is drawn at random between 0 and its value.
            ignore_result: Do not store what it returns.
            expires: Jobs not started within so many seconds, or by this datetime, end as REVOKED.
            time_limit: Seconds after which the attempt is failed, and its process killed where the pool can.
            soft_time_limit: Seconds after which SoftTimeLimitExceeded is raised inside the task.
            delivery: "at_most_once": a job is never started again after a crash; it fails with `JobLost`.
            sealing: "encrypt", "sign" or "none" instead of the store's rule for payloads.
            batch: Up to so many jobs in one call: the function gets a list of their requests (`millrace.Request`, with
                `id`, `kwargs` and so on) and returns a list of the same length: for each job its result, or an
                exception, with which that job fails, is retried and so on as if it had been raised. An exception that
                the function raises ends all of them. Producers pass arguments by name.
            batch_wait: Seconds that the first job of a batch waits at most for others. They count for its time limit.
        """
        if function is not None and not callable(function):
            raise options.wrong_type(
                "function", "callable (options are keywords: @app.task(name=...))", function
            )

        def decorate(inner: Callable[..., Any]) -> Task[..., Any]:
            if not callable(inner):
                raise options.wrong_type("function", "callable", inner)
            return self._register(inner, **task_options)

        return decorate if function is None else decorate(function)

    def _register(
        self, function: Callable[..., Any], *, name: str | None = None, **task_options: Any
    ) -> Task[..., Any]:
        if name is None:
            name = self.task_name(function)
        kind: type[Task[..., Any]] = (
            CoroutineTask if is_coroutine_function(function) else FunctionTask
        )
        made = kind(cast("Millrace", self), function, name=name, **task_options)
        known = self.tasks.get(name)
        # The same function again is the same module loaded twice, as `python -m tasks` does.
        if known is not None and known.__wrapped__.__qualname__ != getattr(
            function, "__qualname__", None
        ):
            raise AlreadyRegistered(
                f"there is a task {name!r} already: {known.__wrapped__!r}; give one of them a name="
            )
        self.tasks[name] = made
        for error in made.autoretry_for:
            if issubclass(error, Exception):
                self.register_error(error)
        return made

    def task_name(self, function: Callable[..., Any]) -> str:
        """The name of a task that was given none: "module.function"."""
        module = getattr(function, "__module__", None) or "__main__"
        if module == "__main__":
            from pathlib import Path

            # The name that a worker gets when it imports the same file.
            main = sys.modules["__main__"]
            spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
            module = spec.name if spec else Path(file).stem if file else self.name
        return f"{module}.{getattr(function, '__qualname__', type(function).__qualname__)}"

    def register_error(self, error: E) -> E:
        """Has `AsyncResult.get` raise this exception class where a task raised it. Usable as a decorator."""
        if not (isinstance(error, type) and issubclass(error, Exception)):
            raise options.wrong_type("error", "an exception class", error)
        self.registered_errors[serializer.error_type(error)] = error
        self.registered_errors.setdefault(error.__name__, error)
        return error


class _Decorator(Protocol):
    """What `app.task(...)` answers."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> CoroutineTask[P, R]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, function: Callable[P, R], /) -> FunctionTask[P, R]: ...


class _BoundDecorator(Protocol):
    """What `app.task(bind=True, ...)` answers; the task's first parameter is not its callers'."""

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]], /
    ) -> CoroutineTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[Any, P], R], /) -> FunctionTask[P, R]: ...
