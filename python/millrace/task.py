"""Tasks: functions that can be run as jobs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, NoReturn, ParamSpec, TypeVar

from millrace import _core, options, serializer
from millrace.errors import (
    ForkedChild,
    InvalidArgument,
    MaxRetriesExceededError,
    Retry,
    TimeLimitExceeded,
)
from millrace.request import Request, current_request
from millrace.result import AsyncResult, ResultSet
from millrace.signature import Payload, Signature

if TYPE_CHECKING:
    from millrace.aio import TaskCalls
    from millrace.app import Millrace
    from millrace.options import DurabilityName, Seconds

P = ParamSpec("P")
R = TypeVar("R")

_DIRECT = Request()


class PreparedJob(Generic[R]):
    """A job that is ready to be enqueued with others by `app.enqueue_many`. Made by `task.prepare`."""

    __slots__ = ("spec", "task")

    def __init__(self, task: Task[..., R], spec: _core.JobSpec) -> None:
        self.task = task
        self.spec = spec


class Task(Generic[P, R]):
    """A registered task. Made by `@app.task`, which documents the options.

    `delay` and its relatives take the function's own arguments; arguments that do not fit are a TypeError before
    anything is written. All of them block for the commit; `aio` has the same for asyncio programs.
    """

    MaxRetriesExceededError = MaxRetriesExceededError
    is_async = False

    def __init__(
        self,
        app: Millrace,
        function: Callable[..., Any],
        *,
        name: str,
        bind: bool = False,
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
    ) -> None:
        self.app = app
        self.function = function
        self.name = options.check_text("name", name)
        self.bind = options.check_flag("bind", bind)
        self.queue = app.default_queue if queue is None else options.check_text("queue", queue)
        self.priority = options.check_int("priority", priority)
        self.max_retries = max_retries
        self.default_retry_delay = default_retry_delay
        self.autoretry_for = options.check_exceptions("autoretry_for", autoretry_for)
        self.dont_autoretry_for = options.check_exceptions("dont_autoretry_for", dont_autoretry_for)
        self.retry_backoff = retry_backoff
        self.retry_backoff_max = retry_backoff_max
        self.retry_jitter = retry_jitter
        self.ignore_result = options.check_flag("ignore_result", ignore_result)
        self.expires = expires
        self.time_limit = time_limit
        self.soft_time_limit = soft_time_limit
        self.policy = self._policy(max_retries)
        # A hard time limit and the like are found by the store itself, which then goes by the job's own policy; after
        # all other failures the worker tells the task's.
        self._unattended = (
            self.policy if self.is_retryable(TimeLimitExceeded()) else _core.RetryPolicy()
        )
        self.signature = Signature(function, skip_first=bind)
        self.spec = self._template()
        self.__name__: str = getattr(function, "__name__", name)
        self.__doc__ = function.__doc__
        self.__module__ = getattr(function, "__module__", __name__)
        self.__wrapped__ = function
        # Read once for every call of delay().
        self._bind = self.signature.bind
        self._aio: TaskCalls[P, R] | None = None

    def __repr__(self) -> str:
        return f"<task {self.name} of {self.app.name}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"task {self.name} cannot be pickled; pass its name")

    def _policy(self, max_retries: int | None) -> _core.RetryPolicy:
        return options.retry_policy(
            max_retries=max_retries,
            default_retry_delay=self.default_retry_delay,
            retry_backoff=self.retry_backoff,
            retry_backoff_max=self.retry_backoff_max,
            retry_jitter=self.retry_jitter,
        )

    def _template(self) -> _core.JobSpec:
        """What all jobs of this task have in common."""
        hard_ms = options.limit_to_ms("time_limit", self.time_limit)
        soft_ms = options.limit_to_ms("soft_time_limit", self.soft_time_limit)
        if hard_ms and soft_ms >= hard_ms:
            raise InvalidArgument(
                f"soft_time_limit ({soft_ms} ms) must be below time_limit ({hard_ms} ms)"
            )
        expiry = {} if self.expires is None else options.expiry(self.expires)
        return _core.JobSpec(
            self.queue,
            self.name,
            priority=self.priority,
            retry=self._unattended,
            time_limit_ms=hard_ms,
            soft_time_limit_ms=soft_ms,
            **expiry,
        )

    # --- Enqueue ----------------------------------------------------------------------------------

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[R]:
        """Enqueues one job with these arguments. Durable on return as the store's durability says."""
        payload = self._bind(*args, **kwargs)
        app = self.app
        try:
            ack = (app._engine or app.engine).enqueue_value(self.spec, payload)
        except ForkedChild:
            ack = app.reopened().enqueue_value(self.spec, payload)
        except TypeError as error:
            raise TypeError(f"{self.name}(): argument {error}") from None
        return AsyncResult(ack[0], app, self.queue, ack)

    def apply_async(
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        countdown: Seconds | None = None,
        eta: dt.datetime | None = None,
        expires: Seconds | dt.datetime | None = None,
        queue: str | None = None,
        priority: int | None = None,
        task_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        time_limit: Seconds | None = None,
        soft_time_limit: Seconds | None = None,
        lifo: bool = False,
        durability: DurabilityName | None = None,
    ) -> AsyncResult[R]:
        """Enqueues one job, with options for this job alone.

        Args:
            args: Positional arguments of the task.
            kwargs: Keyword arguments of the task.
            countdown: Seconds (or a timedelta) before which it is not started.
            eta: The same as a datetime; a naive one is UTC.
            expires: Seconds from now, or a datetime: not started by then, it ends as REVOKED.
            queue: Another queue than the task's.
            priority: Lower comes first; jobs of one priority are served in the order of enqueueing.
            task_id: An id of your own. If the queue has it already, nothing is written, the answer is the existing job
                and its `existing` is true.
            headers: Strings by name, shown to the task as `self.request.headers`.
            time_limit: Instead of the task's own.
            soft_time_limit: Instead of the task's own.
            lifo: Before the older jobs of its priority.
            durability: "memory", "process" or "power" instead of the store's.
        """
        prepared = self.prepare(
            args,
            kwargs,
            countdown=countdown,
            eta=eta,
            expires=expires,
            queue=queue,
            priority=priority,
            task_id=task_id,
            headers=headers,
            time_limit=time_limit,
            soft_time_limit=soft_time_limit,
            lifo=lifo,
        )
        return self.app.enqueue_many([prepared], durability=durability)[0]

    def prepare(
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **job_options: Any,
    ) -> PreparedJob[R]:
        """A job with the options of `apply_async`, to be enqueued by `app.enqueue_many` together with others."""
        fields = options.write_options(**job_options)
        return PreparedJob(self, self.encode(self.payload(args, kwargs), fields))

    def delay_many(
        self,
        calls: Iterable[Sequence[Any] | Mapping[str, Any]],
        *,
        durability: DurabilityName | None = None,
    ) -> ResultSet[R]:
        """Enqueues one job for each element: a mapping of arguments by name, or a sequence of positional ones.

        All of them are added, or none: they are one commit. Much faster than calling `delay` in a loop.
        """
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
            return ResultSet(self.app, [])
        try:
            acks = self.app.engine.enqueue_values(self.spec, payloads, durability=durability)
        except ForkedChild:
            acks = self.app.reopened().enqueue_values(self.spec, payloads, durability=durability)
        except TypeError as error:
            raise TypeError(f"{self.name}(): argument {error}") from None
        return ResultSet(self.app, acks, self.queue)

    @property
    def aio(self) -> TaskCalls[P, R]:
        """The same calls, to be awaited. They never block the event loop."""
        if self._aio is None:
            from millrace.aio import TaskCalls

            self._aio = TaskCalls(self)
        return self._aio

    def AsyncResult(self, task_id: str) -> AsyncResult[R]:  # noqa: N802 - Celery's name
        """The result of a job of this task by its id."""
        return AsyncResult(options.check_text("task_id", task_id), self.app, self.queue)

    def payload(self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Payload:
        """The payload of a call; raises TypeError if the arguments do not fit the function."""
        if isinstance(args, str | bytes) or not isinstance(args, Sequence):
            raise options.wrong_type("args", "a tuple or a list", args)
        if kwargs is not None and not isinstance(kwargs, Mapping):
            raise options.wrong_type("kwargs", "a mapping", kwargs)
        return self._bind(*args, **(kwargs or {}))

    def encode(self, payload: Payload, fields: Mapping[str, Any] | None = None) -> _core.JobSpec:
        """The job with this payload and these fields of `JobSpec.replace`."""
        try:
            return self.spec.replace(value=payload, **(fields or {}))
        except TypeError as error:
            raise TypeError(f"{self.name}(): argument {error}") from None

    # --- Inside a running task --------------------------------------------------------------------

    @property
    def request(self) -> Request:
        """The job that the current code runs for."""
        return current_request.get() or _DIRECT

    def retry(
        self,
        *,
        exc: BaseException | None = None,
        countdown: Seconds | None = None,
        eta: dt.datetime | None = None,
        max_retries: int | None = None,
        throw: bool = True,
    ) -> Retry:
        """Ends this attempt and has the job run again: `raise self.retry(exc=error)`.

        Args:
            exc: What went wrong. Raised itself when no retry is left.
            countdown: Time until the next attempt. Without it the task's back-off decides.
            eta: The same as a datetime.
            max_retries: Bound for this job instead of the task's own.
            throw: If false, the `Retry` is returned and not raised; raise it.

        Raises:
            Retry: Always, unless `throw` is false.
            MaxRetriesExceededError: No retry is left and `exc` is None.
        """
        request = self.request
        if request.called_directly:
            raise exc or RuntimeError(f"{self.name}: retry() outside a worker has no job to retry")
        bound = (
            self.max_retries
            if max_retries is None
            else options.check_int("max_retries", max_retries, least=0)
        )
        if bound is not None and request.retries >= bound:
            raise exc or MaxRetriesExceededError(
                f"{self.name}[{request.id}] has been retried {bound} times"
            )
        if countdown is not None and eta is not None:
            raise InvalidArgument("countdown and eta say the same thing: give one of them")
        delay_ms: int | None = None
        if countdown is not None:
            delay_ms = options.to_ms("countdown", countdown)
        elif eta is not None:
            delay_ms = max(0, options.to_epoch_ms("eta", eta) - self.app.engine.now_ms())
        retry = Retry(
            str(exc) if exc is not None else "retry",
            exc,
            delay_ms=delay_ms,
            max_retries=max_retries,
        )
        if throw:
            raise retry from exc
        return retry

    def update_state(self, *, state: str = "PROGRESS", meta: Any = None) -> None:
        """Tells how far the task is: `AsyncResult.state` and `.info` show it, and followers of events see it.

        It is stored as the job's progress, which every language reads: for the state "PROGRESS" that is `meta` itself
        (any JSON), for another name `{"$state": name, "meta": meta}`. It is written with the worker's next commit. Has
        no effect outside a worker.
        """
        options.check_text("state", state)
        self.request.set_progress(meta if state == "PROGRESS" else {"$state": state, "meta": meta})

    def log(self, line: str) -> None:
        """Adds a line to the job's own log; `AsyncResult.logs()` reads it. Has no effect outside a worker."""
        if not isinstance(line, str):
            raise options.wrong_type("line", "a str", line)
        self.request.log(line)

    # --- For the worker ---------------------------------------------------------------------------

    def invoke(self, payload: Any) -> Any:
        """Calls the function with a job's payload."""
        args, kwargs = self.signature.arguments(payload)
        if self.bind:
            return self.function(self, *args, **kwargs)
        return self.function(*args, **kwargs)

    def retry_policy(self, max_retries: int | None) -> _core.RetryPolicy:
        """The policy that the worker tells the store after a failed attempt."""
        return self.policy if max_retries is None else self._policy(max_retries)

    def is_retryable(self, error: BaseException) -> bool:
        """Whether a failed attempt is retried without the task asking for it."""
        return isinstance(error, self.autoretry_for) and not isinstance(
            error, self.dont_autoretry_for
        )

    def result_value(self, value: Any) -> Any:
        """What is stored of a result."""
        return None if self.ignore_result else value


class FunctionTask(Task[P, R]):
    """A task made of a plain function."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Calls the function here and now."""
        if self.bind:
            return self.function(self, *args, **kwargs)  # type: ignore[no-any-return]
        return self.function(*args, **kwargs)  # type: ignore[no-any-return]


class CoroutineTask(Task[P, R]):
    """A task made of an `async def` function."""

    is_async = True

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """Calls the function here and now; the answer is its coroutine."""
        if self.bind:
            return self.function(self, *args, **kwargs)  # type: ignore[no-any-return]
        return self.function(*args, **kwargs)  # type: ignore[no-any-return]


def encode_named(
    name: str, args: Sequence[Any], kwargs: Mapping[str, Any], queue: str
) -> _core.JobSpec:
    """The job of a task that is not known here: by names if there are only names."""
    payload: Payload = {"$args": list(args), "$kwargs": dict(kwargs)} if args else dict(kwargs)
    try:
        return _core.JobSpec(queue, name, data=serializer.dumps(payload))
    except TypeError as error:
        raise TypeError(f"{name}(): argument {error}") from None
