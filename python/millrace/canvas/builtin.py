"""The tasks that every worker has: what a canvas needs to have done besides the users' own tasks."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from millrace.errors import NotRegistered

if TYPE_CHECKING:
    from millrace.app import Millrace
    from millrace.task import Task

MAP: Final = "millrace.map"
STARMAP: Final = "millrace.starmap"
LAUNCH: Final = "millrace.launch"


def find_task(app: Millrace, name: str) -> Task[..., Any] | None:
    """A task of the application, or one that every worker has; None if there is none of this name."""
    task = app.tasks.get(name)
    if task is not None or name not in _MAKERS:
        return task
    made: dict[str, Task[..., Any]] = vars(app).setdefault("_builtin_tasks", {})
    if name not in made:
        from millrace.task import FunctionTask

        made[name] = FunctionTask(app, _MAKERS[name](app), name=name)
    return made[name]


def known_task(app: Millrace, name: str) -> Task[..., Any]:
    """The same; raises NotRegistered if there is none."""
    task = find_task(app, name)
    if task is None:
        raise NotRegistered(f"no task {name!r} is registered in {app!r}")
    return task


def _call(app: Millrace, sig: Mapping[str, Any], args: Sequence[Any]) -> Any:
    """Calls a task's function; a coroutine is run to its end in this thread, which no event loop runs in."""
    from millrace.canvas.signature import maybe_signature

    value = maybe_signature(dict(sig), app=app)(*args)
    if not inspect.isawaitable(value):
        return value
    import asyncio

    async def awaited() -> Any:
        return await value

    return asyncio.run(awaited())


def _map(app: Millrace) -> Callable[..., Any]:
    def run(task: Mapping[str, Any], it: Sequence[Any]) -> list[Any]:
        return [_call(app, task, (each,)) for each in it]

    return run


def _starmap(app: Millrace) -> Callable[..., Any]:
    def run(task: Mapping[str, Any], it: Sequence[Sequence[Any]]) -> list[Any]:
        return [_call(app, task, each) for each in it]

    return run


def _launch(app: Millrace) -> Callable[..., Any]:
    def run(taken: Any = None, *, signature: Mapping[str, Any]) -> str:
        """Enqueues a canvas: as an errback with the failed job's id as its argument, for a schedule without any."""
        from millrace.canvas.signature import maybe_signature

        args = () if taken is None else (taken,)
        return str(maybe_signature(dict(signature), app=app).apply_async(args))

    return run


_MAKERS: Final[Mapping[str, Callable[[Any], Callable[..., Any]]]] = {
    MAP: _map,
    STARMAP: _starmap,
    LAUNCH: _launch,
}
