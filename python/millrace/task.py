"""Tasks: functions that can be run as jobs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Final,
    Generic,
    NoReturn,
    ParamSpec,
    TypeVar,
    cast,
    overload,
)

from millrace import _core, options, task_options
from millrace.current import get_current_app
from millrace.errors import ForkedChild, MaxRetriesExceededError, OperationalError
from millrace.own_headers import IGNORE_RESULT
from millrace.own_job import OwnJob
from millrace.parameters import (
    BatchParameters,
    Parameters,
    Payload,
    by_position,
    generic_bind,
    is_coroutine_function,
)
from millrace.prepared import PreparedJob
from millrace.request import Request, current_request
from millrace.result import AsyncResult, ResultSet
from millrace.signals import PUBLISHING
from millrace.task_attributes import TaskAttributes
from millrace.task_canvas import TaskCanvas
from millrace.task_hooks import HOOKS, TaskHooks, overridden

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from millrace.aio import TaskCalls
    from millrace.app import Millrace
    from millrace.effects import JobTransaction
    from millrace.options import DurabilityName
    from millrace.task_options import JobOptions
    from millrace.transaction import Transaction

P = ParamSpec("P")
R = TypeVar("R")

_MADE_ON_DEMAND: Final = frozenset({"spec", "policy", "auto_policy", "batch_wait_s", "parameters"})


class Task(TaskCanvas[P, R], OwnJob, TaskHooks, TaskAttributes, Generic[P, R]):
    """A registered task. Made by `@app.task`, which documents the options; or by a class of your own.

    `delay` and its relatives take the function's own arguments; arguments that do not fit are a TypeError before
    anything is written. All of them block for the commit; `aio` has the same for asyncio programs.

        class Resize(Task):
            name = "resize"
            max_retries = 5

            def run(self, url: str) -> None: ...

        resize = app.register_task(Resize())

    Options are class attributes; a class without a `run` of its own serves as `@app.task(base=...)`. One object runs
    all jobs of a process, so that what `__init__` makes is made once.
    """

    MaxRetriesExceededError: ClassVar = MaxRetriesExceededError
    OperationalError: ClassVar = OperationalError
    Request: ClassVar = Request
    Strategy: ClassVar = "millrace.worker.runner:Runner"
    request_stack: ClassVar = current_request

    is_async = False
    is_bound = True

    # Made when the task becomes one of an application.
    app: Millrace
    function: Callable[..., Any]
    parameters: Parameters
    spec: _core.JobSpec
    policy: _core.RetryPolicy
    auto_policy: _core.RetryPolicy
    batch_wait_s: float
    hooks: frozenset[str]
    hooked: bool
    awaits: bool
    _bind: Callable[..., Payload]
    _call: Callable[..., Any]
    _plain: bool
    _queue: str

    def __init__(self, app: Any = None, function: Any = None, **given: Any) -> None:
        if app is not None:
            from millrace.registry import attach_function

            attach_function(self, app, function, given)

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """The task's work; a class of tasks overrides it, `@app.task` puts the function here."""
        raise NotImplementedError(f"{type(self).__name__} has no run()")

    def attach(self, app: Millrace) -> None:
        """Makes it a task of an application. Raises TypeError or InvalidArgument for options that cannot be."""
        mine = self.__dict__
        mine["app"] = app
        run = self.run
        own = getattr(run, "__func__", None)
        mine["is_bound"] = own is not None and getattr(run, "__self__", None) is self
        self.function = own if own is not None and self.is_bound else run
        task_options.check(self)
        self._read_parameters()
        task_options.resolve(self)
        self._settle_calls()
        self.on_bound(app)

    def _read_parameters(self) -> None:
        mine = self.__dict__
        if self.batch:
            mine["parameters"] = BatchParameters(self.name)
        else:
            mine["parameters"] = Parameters(self.function, skip_first=self.is_bound)
        checked = self.app.strict_typing if self.typing is None else self.typing
        bind = self.parameters.bind if checked or self.batch else generic_bind
        if self.pydantic:
            from millrace.validation import Validator, dumping, validating

            validator = Validator(self)
            bind = dumping(bind, validator)
            mine["run"] = validating(self, validator)
        mine["_bind"] = bind  # read once for every call of delay()

    def _settle_calls(self) -> None:
        """Finds out once what otherwise every call and every job would have to ask."""
        mine, app = self.__dict__, self.app
        mine["hooks"] = frozenset(name for name in HOOKS if overridden(self, name))
        mine["hooked"] = bool(self.hooks)
        mine["awaits"] = any(is_coroutine_function(getattr(self, name)) for name in self.hooks)
        # Where a class says how its tasks are called, the worker must call them so.
        custom = type(self).__call__ not in _OWN_CALLS
        mine["_call"] = self.__call__ if custom else self.run
        own_apply = type(self).apply_async is Task.apply_async and "apply_async" not in mine
        named = overridden(self, "shadow_name")
        mine["_plain"] = own_apply and not named and not app.needs_routing

    def refresh(self) -> None:
        """Looks at the settings again, which have changed."""
        task_options.resolve(self)
        self._settle_calls()

    def __getattr__(self, name: str) -> Any:
        # Only for what is not there: a task that nobody has registered belongs to the current application.
        if name == "app":
            return get_current_app()
        if name in _MADE_ON_DEMAND or name in {
            "hooks",
            "hooked",
            "awaits",
            "_bind",
            "_call",
            "_plain",
            "_queue",
        }:
            self.attach(self.app)
            return self.__dict__[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name in task_options.SPEC_ATTRIBUTES and "spec" in self.__dict__:
            self.__dict__.get("_from_settings", {}).pop(name, None)
            task_options.resolve(self)

    def __repr__(self) -> str:
        return f"<task {self.name} of {self.app.name}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"task {self.name} cannot be pickled; pass its name")

    @classmethod
    def bind(cls, app: Millrace) -> Any:
        """Makes it a class of the application's tasks."""
        cls.app = app
        return cls

    @property
    def backend(self) -> Any:
        """Where results are: the application's."""
        return self.app.backend

    # --- Enqueue ----------------------------------------------------------------------------------

    @overload
    def delay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[R]: ...
    @overload
    def delay(
        self, *args: Any, tx: Transaction | JobTransaction, **kwargs: Any
    ) -> AsyncResult[R]: ...
    def delay(self, *args: Any, **kwargs: Any) -> AsyncResult[R]:
        """Enqueues one job with these arguments. Durable on return as the store's durability says.

        `tx=tx` with a transaction adds it there, for a task without an argument of that name. Type checkers accept it,
        and then know the result but not the parameters, which Python's types cannot say beside a name of ours; they
        check those of `tx.enqueue(task.si(...))`.
        """
        if not self._plain or PUBLISHING or current_request.get() is not None:
            return self._publish(args, kwargs)
        if "tx" in kwargs and is_transaction(kwargs["tx"]):
            tx = kwargs.pop("tx")
            return self._send(self.encode(self._bind(*args, **kwargs)), None, tx)
        payload = self._bind(*args, **kwargs)
        app = self.app
        try:
            ack = (app._engine or app.engine).enqueue_value(self.spec, payload)
        except ForkedChild:
            ack = app.reopened().enqueue_value(self.spec, payload)
        except TypeError as error:
            raise TypeError(f"{self.name}(): argument {error}") from None
        return AsyncResult(ack[0], app=app, queue=self._queue, ack=ack)

    def _publish(self, args: Any, kwargs: dict[str, Any]) -> AsyncResult[R]:
        """What `delay` does where more is to be done than to enqueue."""
        given: dict[str, Any] = {}
        if "tx" in kwargs and is_transaction(kwargs["tx"]):
            given["tx"] = kwargs.pop("tx")
        return self.apply_async(args, kwargs, **given)

    def _fields(self, payload: Payload) -> dict[str, Any] | None:
        """What settings and the class say of a job, for one of many."""
        if self._plain:
            return None
        from millrace import publish

        args, kwargs = self.parameters.arguments(payload)
        split = by_position(self.parameters.positional, args, kwargs)
        return publish.fields_of(self, *split, {})

    def _send(self, spec: _core.JobSpec, durability: Any, tx: object) -> AsyncResult[R]:
        if tx is None:
            return self.app._enqueue([spec], durability)[0]
        from millrace.transaction import add_in

        return add_in(tx, self.app, [spec], durability)[0]

    def apply_async(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        task_id: str | None = None,
        producer: Any = None,
        link: Any = None,
        link_error: Any = None,
        shadow: str | None = None,
        **job_options: Unpack[JobOptions],
    ) -> AsyncResult[R]:
        """Enqueues one job, with options for this job alone.

        Args:
            args: Positional arguments of the task.
            kwargs: Keyword arguments of the task.
            task_id: An id of your own. If the queue has it, nothing is written: the answer is that job (`existing`).
            producer: Ignored.
            link: A signature, or a list of them, to be run with the result when the job has succeeded.
            link_error: The same for when it has failed.
            shadow: Another name for logs.
            **job_options: See below.

        Options:
            countdown: Seconds (or a timedelta) before which it is not started.
            eta: The same as a datetime; a naive one is UTC.
            expires: Seconds from now, or a datetime: not started by then, it ends as REVOKED.
            queue: Another queue than the task's: a name, or a `Queue`.
            exchange, routing_key: The same by what `task_queues` say; a key that none of them has is a queue's name.
            priority: Lower comes first; jobs of one priority are served in the order of enqueueing.
            lifo: Before the older jobs of its priority.
            headers: Values by name, shown to the task as `self.request.headers`, and as attributes of the request.
            time_limit, soft_time_limit, ignore_result: Instead of the task's own.
            group: Its lane within the queue; lanes take turns, so that a long one keeps no other waiting.
            dedup: A key, or a `Dedup`: whether another job with the same key counts instead of this one, or goes.
            delivery: "at_most_once": never started again after a crash; it fails with `JobLost`.
            after: Jobs that must end before it starts: results, ids, or `millrace.After`; one or a list.
            join: "forward" or "collect": not run; it ends with the first result of `after`, or the list of all.
            parent: A blocked job that is to wait for this one too: a result, an id, or a `millrace.Parent`.
            sealing: "encrypt", "sign" or "none" instead of the store's rule for payloads.
            durability: "memory", "process" or "power" instead of the store's.
            tx: The transaction that it is part of, from `app.transaction()` or `self.transaction()`.
            Those of canvases and of brokers are in `task_options.JobOptions`; the latter are ignored.
        """
        given = cast("dict[str, Any]", job_options)
        if (
            self._plain
            and not (link or link_error or shadow or PUBLISHING)
            and given.keys() <= task_options.PLAIN_JOB_OPTIONS
            and current_request.get() is None
        ):
            durability, tx = given.pop("durability", None), given.pop("tx", None)
            if task_id is not None:
                given["task_id"] = task_id
            fields = options.write_options(**given) if given else None
            return self._send(self.encode(self.payload(args, kwargs), fields), durability, tx)
        from millrace import publish

        named = {
            "task_id": task_id,
            "producer": producer,
            "link": link,
            "link_error": link_error,
            "shadow": shadow,
        }
        given.update((name, value) for name, value in named.items() if value is not None)
        answer: AsyncResult[R] = publish.apply_async(self, args, kwargs, given)
        return answer

    def prepare(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **job_options: Any,
    ) -> PreparedJob[R]:
        """A job with the options of `apply_async`, to be enqueued by `app.enqueue_many` together with others."""
        if not job_options and self._plain:
            return PreparedJob(self.app, self.encode(self.payload(args, kwargs)))
        from millrace import publish

        fields = publish.fields_of(self, args, kwargs, job_options)
        return PreparedJob(self.app, self.encode(self.payload(args, kwargs), fields))

    def delay_many(
        self,
        calls: Iterable[Sequence[Any] | Mapping[str, Any]],
        *,
        durability: DurabilityName | None = None,
    ) -> ResultSet[R]:
        """Enqueues one job for each element: a mapping of arguments by name, or a sequence of positional ones.

        All of them are added, or none: they are one commit. Much faster than calling `delay` in a loop.
        """
        self.app.load_announced()
        bind = self._bind
        payloads: list[Payload] = []
        for call in calls:
            if isinstance(call, tuple | list):
                payloads.append(bind(*call))
            elif isinstance(call, Mapping):
                payloads.append(bind(**call))
            else:
                raise options.wrong_type(
                    f"calls[{len(payloads)}]", "a tuple, a list or a mapping", call
                )
        if durability is not None:
            options.check_durability(durability)
        if not payloads:
            return ResultSet((), self.app)
        if not self._plain or PUBLISHING or current_request.get() is not None:
            if self.app.setting("task_always_eager"):
                from millrace.canvas.eager_many import apply_payloads

                return apply_payloads(self, payloads)
            specs = [self.encode(each, self._fields(each)) for each in payloads]
            return self.app._enqueue(specs, durability)
        try:
            acks = self.app.engine.enqueue_values(self.spec, payloads, durability=durability)
        except ForkedChild:
            acks = self.app.reopened().enqueue_values(self.spec, payloads, durability=durability)
        except TypeError as error:
            raise TypeError(f"{self.name}(): argument {error}") from None
        return ResultSet.of_acks(self.app, acks, self._queue)

    @property
    def aio(self) -> TaskCalls[P, R]:
        """The same calls, to be awaited. They never block the event loop."""
        made: TaskCalls[P, R] | None = self.__dict__.get("_aio")
        if made is None:
            from millrace.aio import TaskCalls

            made = self.__dict__["_aio"] = TaskCalls(self)
        return made

    def AsyncResult(self, task_id: str, **_kwargs: Any) -> AsyncResult[R]:  # noqa: N802 - Celery's name
        """The result of a job of this task by its id."""
        queue = "" if self.app.needs_routing else self._queue
        return AsyncResult(options.check_text("task_id", task_id), app=self.app, queue=queue)

    def payload(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None
    ) -> Payload:
        """The payload of a call; raises TypeError if the arguments do not fit the function."""
        if args is None:
            args = ()
        elif type(args) is not tuple and (  # abstract classes are slow to ask
            isinstance(args, str | bytes) or not isinstance(args, Sequence)
        ):
            raise options.wrong_type("args", "a tuple or a list", args)
        if kwargs is not None and type(kwargs) is not dict and not isinstance(kwargs, Mapping):
            raise options.wrong_type("kwargs", "a mapping", kwargs)
        return self._bind(*args, **(kwargs or {}))

    def encode(self, payload: Payload, fields: Mapping[str, Any] | None = None) -> _core.JobSpec:
        """The job with this payload and these fields of `JobSpec.replace`."""
        try:
            return self.spec.replace(value=payload, **(fields or {}))
        except TypeError as error:
            raise TypeError(f"{self.name}(): argument {error}") from None

    # --- For the worker ---------------------------------------------------------------------------

    def invoke(self, payload: Any) -> Any:
        """Calls the function with a job's payload."""
        args, kwargs = self.parameters.arguments(payload)
        return self._call(*args, **kwargs)

    def invoke_batch(self, requests: list[Any]) -> Any:
        """Calls the function with the jobs of a batch."""
        return self.run(requests)

    def retry_policy(self, max_retries: int | None) -> _core.RetryPolicy:
        """The policy that the worker tells the store after a failed attempt."""
        return self.policy if max_retries is None else task_options.policy(self, max_retries)

    def is_retryable(self, error: BaseException) -> bool:
        """Whether a failed attempt is retried without the task asking for it."""
        return isinstance(error, self.autoretry_for) and not isinstance(  # type: ignore[arg-type]
            error,
            self.dont_autoretry_for,  # type: ignore[arg-type]
        )

    def ignores(self, request: Any) -> bool:
        """Whether the result of a job is not stored."""
        job = request._job
        if job is not None and (headers := job.headers) and IGNORE_RESULT in headers:
            return bool(request.ignore_result)
        return self.ignore_result  # type: ignore[return-value]

    def result_value(self, value: Any) -> Any:
        """What is stored of a result."""
        return None if self.ignore_result else value

    def _call_here(self, args: Any, kwargs: Any) -> Any:
        """Calls the function without a job; or, for a class that overrides `__call__`, for the job that runs."""
        running = current_request.get()
        if running is not None and running.owner is self and not running.entered:
            running.entered = True
            return self.run(*args, **kwargs)
        token = current_request.set(Request(self, called_with=(args, kwargs)))
        try:
            return self.run(*args, **kwargs)
        finally:
            current_request.reset(token)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function here and now."""
        return self._call_here(args, kwargs)


def is_transaction(value: object) -> bool:
    """Whether it is what `tx=` takes, and not an argument of a task."""
    return type(value).__name__ in ("Transaction", "JobTransaction") and hasattr(value, "_add")


class FunctionTask(Task[P, R]):
    """A task made of a plain function."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Calls the function here and now."""
        return self._call_here(args, kwargs)  # type: ignore[no-any-return]


class CoroutineTask(Task[P, R]):
    """A task made of an `async def` function."""

    is_async = True

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """Calls the function here and now; the answer is its coroutine."""
        return self._call_here(args, kwargs)  # type: ignore[no-any-return]


_OWN_CALLS: Final = (Task.__call__, FunctionTask.__call__, CoroutineTask.__call__)
