"""The tasks of an application: the decorator that makes them, and how they are named."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
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

from millrace import current, options, serializer
from millrace.errors import AlreadyRegistered, NotRegistered
from millrace.main_script import main_module_name
from millrace.parameters import is_coroutine_function
from millrace.task import CoroutineTask, FunctionTask, Task

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from millrace.app import Millrace
    from millrace.task_options import BatchOptions, TaskOptions

P = ParamSpec("P")
R = TypeVar("R")
E = TypeVar("E", bound=type[Exception])
T = TypeVar("T", bound=Task[..., Any])

# Options that say how to make a task, and are no attributes of it.
_MAKING = frozenset({"name", "bind", "base", "shared", "lazy"})


class Tasks(dict[str, Task[..., Any]]):
    """The tasks of an application by name."""

    NotRegistered = NotRegistered

    def __missing__(self, name: str) -> Task[..., Any]:
        raise NotRegistered(f"no task {name!r} is registered; its module may not be imported")

    def unregister(self, name: str | Task[..., Any]) -> None:
        """Removes a task. Raises NotRegistered."""
        key = name if isinstance(name, str) else name.name
        _ = self[key]
        del self[key]

    def regular(self) -> dict[str, Task[..., Any]]:
        """All of them: none is periodic by itself."""
        return dict(self)


class Registry:
    """The part of `Millrace` that knows tasks and error classes. Not used by itself.

    Attributes:
        name: The application's name.
        tasks: All tasks by name.
        registered_errors: The exception classes that results may raise, by the names under which they travel.
    """

    def __init__(self, name: str, task_cls: type[Task[..., Any]] | str | None = None) -> None:
        self.name = options.check_text("name", name)
        self.tasks = Tasks()
        self.registered_errors: dict[str, type[Exception]] = {}
        self._task_cls = task_cls

    @property
    def main(self) -> str:
        """The application's name, under Celery's."""
        return self.name

    @overload
    def task(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> CoroutineTask[P, R]: ...  # type: ignore[overload-overlap]
    @overload
    def task(self, function: Callable[P, R], /) -> FunctionTask[P, R]: ...
    @overload
    def task(
        self, *, bind: Literal[True], **task_options: Unpack[TaskOptions]
    ) -> BoundDecorator: ...
    @overload
    def task(
        self, *, bind: Literal[False] = False, **task_options: Unpack[TaskOptions]
    ) -> Decorator: ...
    @overload
    def task(
        self, *, batch: int, **task_options: Unpack[BatchOptions]
    ) -> Callable[[Callable[..., Any]], Task[..., Any]]: ...
    @overload
    def task(self, *, base: type[Task[..., Any]], **task_options: Any) -> AnyDecorator: ...
    def task(  # type: ignore[misc]
        self, function: Callable[..., Any] | None = None, /, **task_options: Any
    ) -> Any:
        """Makes a function a task: `@app.task` or `@app.task(max_retries=5)`. `async def` functions are welcome.

        Args:
            function: The function, when used without parentheses.
            **task_options: See below.

        Options:
            name: How producers name it; default "module.function".
            bind: Pass the task itself as the first argument, for `self.retry`, `self.request` and so on.
            base: A class of tasks: its methods, hooks and options. Other options may be attributes of it.
            queue: Where its jobs go: a name, or a `Queue`; default what `task_routes` say, or the application's.
            exchange, routing_key: The same by what `task_queues` say.
            priority: Lower comes first; default 0.
            max_retries: How often a failed job is run again; None without bound.
            default_retry_delay: Seconds between attempts.
            autoretry_for: Exceptions that are retried without the task asking. Any other ends the job at once.
            dont_autoretry_for: Exceptions among these that are not.
            retry_kwargs: For these retries: `max_retries` and `countdown` instead of the task's.
            retry_backoff: True doubles the delay with each retry, from 1 s; a number is the factor in seconds.
            retry_backoff_max: Bound of that delay in seconds.
            retry_jitter: Whether that delay is drawn at random between 0 and its value.
            rate_limit: "100/s", "10/m", "5/h": starts in a time, of all workers together. Told to the store by workers
                that start; see `app.limits`.
            throws: Exceptions that are expected: they fail the job, but are logged as information only.
            ignore_result: Do not store what it returns. Errors are stored all the same, whatever
                `store_errors_even_if_ignored` says.
            expires: Jobs not started within so many seconds, or by this datetime, end as REVOKED.
            time_limit: Seconds after which the attempt is failed, and its process killed where the pool can.
            soft_time_limit: Seconds after which SoftTimeLimitExceeded is raised inside the task.
            delivery: "at_most_once": a job is never started again after a crash; it fails with `JobLost`.
            acks_late: False means at most once, True at least once; not given means at least once too.
            reject_on_worker_lost: False means at most once. `acks_on_failure` and its like have no effect: a job that
                failed is always kept, among the dead letters.
            sealing: "encrypt", "sign" or "none" instead of the store's rule for payloads.
            pydantic: Validate arguments and results by the function's type hints; see `millrace.validation`, also for
                `pydantic_strict`, `pydantic_context` and `pydantic_dump_kwargs`.
            typing: False does not check the arguments of `delay` against the function's.
            trail: Whether results know the jobs that the task has enqueued.
            before_start, on_success, on_failure, on_retry, after_return: Functions in place of the hooks.
            resultrepr_maxsize: How much of a result is logged.
            serializer, compression, backend, send_events, track_started, shared, lazy, abstract: Accepted without
                effect: payloads are JSON, every start is known, and every task is made at once.
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

    def _register(self, function: Callable[..., Any], **task_options: Any) -> Task[..., Any]:
        app = cast("Millrace", self)
        made = make_task(app, function, task_options)
        known = self.tasks.get(made.name)
        # The same function again is the same module loaded twice, as `python -m tasks` does.
        if known is not None and getattr(known.function, "__qualname__", None) != getattr(
            function, "__qualname__", None
        ):
            raise AlreadyRegistered(
                f"there is a task {made.name!r} already: {known.function!r}; give one of them a name="
            )
        return self._add(made)

    def _add(self, made: T) -> T:
        self.tasks[made.name] = made
        errors: Any = (made.autoretry_for, made.dont_autoretry_for, made.throws)
        for error in {each for several in errors for each in several}:
            if issubclass(error, Exception):
                self.register_error(error)
        return made

    def adopt(self, function: Callable[..., Any], task_options: dict[str, Any]) -> None:
        """Makes a function that `shared_task` was given a task of this application, unless it has one of that name."""
        if (task_options.get("name") or self.task_name(function)) not in self.tasks:
            self._register(function, **task_options)

    def register_task(self, task: Any, **task_options: Any) -> Any:
        """Makes an object of a class of tasks a task of this application; a class is made an object.

        Args:
            task: It.
            **task_options: Attributes for it.
        """
        if isinstance(task, type):
            task = task()
        if not isinstance(task, Task):
            raise options.wrong_type("task", "a Task, or a class of tasks", task)
        for name, value in task_options.items():
            task.__dict__[name] = value
        if not task.name:
            kind = type(task)
            task.__dict__["name"] = self.gen_task_name(kind.__name__, kind.__module__)
        known = self.tasks.get(task.name)
        if known is not None and type(known) is not type(task):
            raise AlreadyRegistered(
                f"there is a task {task.name!r} already: {known!r}; give one of them another name"
            )
        task.attach(cast("Millrace", self))
        return self._add(task)

    def task_name(self, function: Callable[..., Any]) -> str:
        """The name of a task that was given none: "module.function"."""
        own: str = getattr(function, "__qualname__", type(function).__qualname__)
        return self.gen_task_name(own, getattr(function, "__module__", None) or "__main__")

    def gen_task_name(self, name: str, module: str) -> str:
        """The name of a task: that of its module, which is the one that a worker imports, and its own.

        Subclasses may override it.
        """
        if module == "__main__":
            module = main_module_name() or self.name
        return f"{module}.{name}"

    # --- Classes of tasks ---------------------------------------------------------------------------

    @property
    def task_cls(self) -> type[Task[..., Any]]:
        """The class of tasks that are given no `base`."""
        if isinstance(self._task_cls, str):
            from importlib import import_module

            module, _, name = self._task_cls.replace(":", ".").rpartition(".")
            self._task_cls = getattr(import_module(module), name)
        made: Any = self._task_cls or Task
        return cast("type[Task[..., Any]]", made)

    @task_cls.setter
    def task_cls(self, value: type[Task[..., Any]] | str | None) -> None:
        self._task_cls = value

    def create_task_cls(self) -> type[Task[..., Any]]:
        """A class of tasks that belongs to this application."""
        return cast(
            "type[Task[..., Any]]",
            self.subclass_with_self(self.task_cls, name="Task", attribute="app"),
        )

    @property
    def Task(self) -> type[Task[..., Any]]:  # noqa: N802 - Celery's name
        """The base of this application's classes of tasks."""
        made = self.__dict__.get("_task_base")
        if made is None:
            made = self.__dict__["_task_base"] = self.create_task_cls()
        return cast("type[Task[..., Any]]", made)

    @Task.setter
    def Task(self, value: type[Task[..., Any]]) -> None:  # noqa: N802
        self.__dict__["_task_base"] = self._task_cls = value

    def subclass_with_self(
        self,
        Class: type,  # noqa: N803 - Celery's name
        name: str | None = None,
        attribute: str = "app",
        **more: Any,
    ) -> type:
        """A subclass that has this application as an attribute."""
        return type(
            name or Class.__name__,
            (Class,),
            {attribute: self, "__module__": Class.__module__, "__doc__": Class.__doc__, **more},
        )

    def register_error(self, error: E) -> E:
        """Has `AsyncResult.get` raise this exception class where a task raised it. Usable as a decorator."""
        if not (isinstance(error, type) and issubclass(error, Exception)):
            raise options.wrong_type("error", "an exception class", error)
        self.registered_errors[serializer.error_type(error)] = error
        self.registered_errors.setdefault(error.__name__, error)
        return error


def make_task(
    app: Millrace, function: Callable[..., Any], task_options: dict[str, Any]
) -> Task[..., Any]:
    """A task made of a function, not registered yet.

    Each has a class of its own, so that options and hooks are what a class's attributes and methods are.
    """
    base = task_options.get("base")
    coroutine = is_coroutine_function(function)
    if base is None:
        own = app.task_cls
        base = (CoroutineTask if coroutine else FunctionTask) if own is Task else own
    elif not (isinstance(base, type) and issubclass(base, Task)):
        raise options.wrong_type("base", "a class of tasks", base)
    bind = options.check_flag("bind", task_options.get("bind", False))
    name = task_options.get("name")
    attributes = {key: value for key, value in task_options.items() if key not in _MAKING}
    options.refuse_unknown(
        "app.task()",
        [key for key in attributes if not hasattr(base, key)],
        [*_MAKING, *(key for key in dir(base) if not key.startswith("_"))],
    )
    made: Task[..., Any] = type(
        getattr(function, "__name__", "task"),
        (base,),
        {
            **attributes,
            "run": function if bind else staticmethod(function),
            "is_async": coroutine,
            "name": app.task_name(function) if name is None else name,
            "abstract": False,
            "__doc__": function.__doc__,
            "__module__": getattr(function, "__module__", __name__),
            "__wrapped__": function,
        },
    )()
    made.__dict__["__name__"] = getattr(function, "__name__", made.name)
    made.attach(app)
    return made


def attach_function(
    task: Task[..., Any], app: Millrace, function: Callable[..., Any], given: dict[str, Any]
) -> None:
    """Fills in a task that was made by its class: `FunctionTask(app, function, name="x")`."""
    mine = task.__dict__
    bind = given.pop("bind", False)
    mine.update(given)
    if not task.name:
        mine["name"] = app.task_name(function)
    mine["run"] = function.__get__(task) if bind else function
    mine["is_async"] = is_coroutine_function(function)
    mine["__wrapped__"] = function
    mine["__name__"] = getattr(function, "__name__", task.name)
    task.attach(app)


def adopt_shared(app: Millrace) -> None:
    """Gives a new application what `shared_task` was given before."""
    for function, task_options in current.shared:
        app.adopt(function, task_options)


class AnyDecorator(Protocol):
    """What `app.task(base=...)` answers: the parameters are the function's, the task is of the class."""

    def __call__(self, function: Callable[P, R], /) -> FunctionTask[P, R]:
        """Makes the function a task."""
        ...


class Decorator(Protocol):
    """What `app.task(...)` answers."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> CoroutineTask[P, R]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, function: Callable[P, R], /) -> FunctionTask[P, R]: ...


class BoundDecorator(Protocol):
    """What `app.task(bind=True, ...)` answers; the task's first parameter is not its callers'."""

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]], /
    ) -> CoroutineTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[Any, P], R], /) -> FunctionTask[P, R]: ...
