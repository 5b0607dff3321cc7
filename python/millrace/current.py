"""The application and the task that the current code belongs to, and tasks for whatever application there will be."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, TypeVar, cast, overload

from millrace.request import current_request

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from millrace.app import Millrace
    from millrace.registry import AnyDecorator, BoundDecorator, Decorator
    from millrace.task import CoroutineTask, FunctionTask, Task
    from millrace.task_options import TaskOptions

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_lock = threading.RLock()


class _Apps:
    """Which application is current. An object, so that no search of modules for an application finds it here."""

    __slots__ = ("current", "default")

    def __init__(self) -> None:
        self.current: Millrace | None = None
        self.default: Millrace | None = None


_apps = _Apps()

# The functions that `shared_task` was given, with their options.
shared: list[tuple[Callable[..., Any], dict[str, Any]]] = []


def set_current_app(app: Millrace) -> None:
    """Makes it the current application, in all threads."""
    _apps.current = app


def set_default_app(app: Millrace) -> None:
    """Makes it the application that is current when no other is."""
    _apps.default = app


def forget_app(app: Millrace) -> None:
    """It is no longer the current application."""
    if _apps.current is app:
        _apps.current = None
    if _apps.default is app:
        _apps.default = None


def get_current_app() -> Millrace:
    """The application made last, unless it or another one was told otherwise; a new one if there is none.

    That new one has its store from the environment variable MILLRACE_STORE.
    """
    found = _apps.current or _apps.default
    if found is not None:
        return found
    with _lock:
        if _apps.default is None:
            from millrace.app import Millrace

            _apps.default = Millrace("default", set_as_current=False)
        return _apps.default


def get_current_task() -> Task[..., Any] | None:
    """The task that the current code runs for; None outside tasks."""
    request = current_request.get()
    return request.owner if request is not None else None


def app_or_default(app: Millrace | None = None) -> Millrace:
    """This application, or the current one."""
    return app if app is not None else get_current_app()


class Proxy(Generic[T]):
    """Stands for an object that is looked up whenever it is used."""

    __slots__ = ("_find",)

    def __init__(self, find: Callable[[], T]) -> None:
        object.__setattr__(self, "_find", find)

    def _get_current_object(self) -> T:
        return cast("T", object.__getattribute__(self, "_find")())

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self._get_current_object())

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return self._get_current_object().__doc__

    def __getattr__(self, name: str) -> Any:
        return getattr(self._get_current_object(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._get_current_object(), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._get_current_object(), name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls that object."""
        return cast("Any", self._get_current_object())(*args, **kwargs)

    def __bool__(self) -> bool:
        return bool(self._get_current_object())

    def __eq__(self, other: object) -> bool:
        mine = self._get_current_object()
        return bool(mine == (other._get_current_object() if type(other) is type(self) else other))

    def __hash__(self) -> int:
        return hash(self._get_current_object())

    def __repr__(self) -> str:
        return repr(self._get_current_object())

    def __str__(self) -> str:
        return str(self._get_current_object())

    def __dir__(self) -> list[str]:
        return dir(self._get_current_object())

    def __reduce__(self) -> Any:
        return self._get_current_object().__reduce__()


current_app = cast("Millrace", Proxy(get_current_app))
"""The current application, looked up whenever it is used."""
current_task = cast("Task[..., Any]", Proxy(get_current_task))
"""The task that the current code runs for; false outside tasks."""


@overload
def shared_task(function: Callable[P, Coroutine[Any, Any, R]], /) -> CoroutineTask[P, R]: ...  # type: ignore[overload-overlap]
@overload
def shared_task(function: Callable[P, R], /) -> FunctionTask[P, R]: ...
@overload
def shared_task(*, bind: Literal[True], **task_options: Unpack[TaskOptions]) -> BoundDecorator: ...
@overload
def shared_task(
    *, bind: Literal[False] = False, **task_options: Unpack[TaskOptions]
) -> Decorator: ...
@overload
def shared_task(*, base: type[Task[..., Any]], **task_options: Any) -> AnyDecorator: ...
def shared_task(function: Any = None, /, **task_options: Any) -> Any:
    """As `app.task`, for a library that has no application: the task is one of every application.

    What it answers stands for the task of the current application.
    """
    if function is not None and not callable(function):
        raise TypeError("shared_task takes one function; options are keywords")

    def decorate(inner: Callable[..., Any]) -> Any:
        if type(inner) is Proxy:
            raise TypeError(f"@shared_task was applied twice to {inner!r}")
        from millrace.app.base import all_apps

        shared.append((inner, task_options))
        for app in all_apps():
            app.adopt(inner, task_options)

        def find() -> Any:
            app = get_current_app()
            return app.tasks[task_options.get("name") or app.task_name(inner)]

        return Proxy(find)

    return decorate if function is None else decorate(function)


def bugreport(app: Millrace | None = None) -> str:
    """As `app.bugreport()`, of the current application."""
    return app_or_default(app).bugreport()
