"""Tasks: functions that can be run as jobs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, ParamSpec, TypeVar

from millrace import _core, options, serializer
from millrace.errors import (
    ForkedChild,
    InvalidArgument,
    MaxRetriesExceededError,
    TimeLimitExceeded,
)
from millrace.own_job import OwnJob
from millrace.parameters import BatchParameters, Parameters, Payload
from millrace.prepared import PreparedJob
from millrace.result import AsyncResult, ResultSet
from millrace.task_canvas import TaskCanvas

if TYPE_CHECKING:
    from millrace.aio import TaskCalls
    from millrace.app import Millrace
    from millrace.effects import JobTransaction
    from millrace.links import Dedup, Join, Parent
    from millrace.options import DeliveryName, DurabilityName, SealingName, Seconds
    from millrace.request import Request
    from millrace.transaction import Transaction

P = ParamSpec("P")
R = TypeVar("R")

BATCH_MAX: Final = 10_000


class Task(TaskCanvas[P, R], OwnJob, Generic[P, R]):
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
        delivery: DeliveryName = "at_least_once",
        sealing: SealingName = "default",
        batch: int = 0,
        batch_wait: Seconds = 0.05,
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
        self.delivery = options.check_choice("delivery", delivery, options.DELIVERIES)
        self.sealing = options.check_choice("sealing", sealing, options.SEALINGS)
        self.batch = options.check_int("batch", batch, least=0)
        self.batch_wait_s = options.to_ms("batch_wait", batch_wait) / 1000
        if self.batch > BATCH_MAX:
            raise InvalidArgument(f"batch must be at most {BATCH_MAX}, not {batch}")
        self.policy = self._policy(max_retries)
        # A hard time limit and the like are found by the store itself, which then goes by the job's own policy; after
        # all other failures the worker tells the task's.
        self._unattended = (
            self.policy if self.is_retryable(TimeLimitExceeded()) else _core.RetryPolicy()
        )
        self.parameters = BatchParameters(name) if batch else Parameters(function, skip_first=bind)
        self.spec = self._template()
        self.__name__: str = getattr(function, "__name__", name)
        self.__doc__ = function.__doc__
        self.__module__ = getattr(function, "__module__", __name__)
        self.__wrapped__ = function
        # Read once for every call of delay().
        self._bind = self.parameters.bind
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
        fields: dict[str, Any] = {} if self.expires is None else options.expiry(self.expires)
        if self.delivery != "at_least_once":
            fields["delivery"] = self.delivery
        if self.sealing != "default":
            fields["sealing"] = self.sealing
        return _core.JobSpec(
            self.queue,
            self.name,
            priority=self.priority,
            retry=self._unattended,
            time_limit_ms=hard_ms,
            soft_time_limit_ms=soft_ms,
            **fields,
        )

    # --- Enqueue ----------------------------------------------------------------------------------

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[R]:
        """Enqueues one job with these arguments. Durable on return as the store's durability says.

        `tx=tx` with a transaction adds it there, for a task without an argument of that name. Type checkers do not know
        that: for them write `tx.enqueue(task.s(...))`.
        """
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
        return AsyncResult(ack[0], app, queue=self.queue, ack=ack)

    def _send(self, spec: _core.JobSpec, durability: Any, tx: object) -> AsyncResult[R]:
        if tx is None:
            return self.app._enqueue([spec], durability)[0]
        from millrace.transaction import add_in

        return add_in(tx, self.app, [spec], durability)[0]

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
        group: str | None = None,
        dedup: Dedup | str | None = None,
        delivery: DeliveryName | None = None,
        after: Any = None,
        join: Join | None = None,
        parent: Parent | AsyncResult[Any] | str | None = None,
        sealing: SealingName | None = None,
        durability: DurabilityName | None = None,
        tx: Transaction | JobTransaction | None = None,
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
            lifo: Before the older jobs of its priority.
            task_id: An id of your own. If the queue has it, nothing is written: the answer is that job (`existing`).
            headers: Strings by name, shown to the task as `self.request.headers`.
            time_limit: Instead of the task's own.
            soft_time_limit: Instead of the task's own.
            group: Its lane within the queue; lanes take turns, so that a long one keeps no other waiting.
            dedup: A key, or a `Dedup`: whether another job with the same key counts instead of this one, or goes.
            delivery: "at_most_once": never started again after a crash; it fails with `JobLost`.
            after: Jobs that must end before it starts: results, ids, or `millrace.After`; one or a list.
            join: "forward" or "collect": not run; it ends with the first result of `after`, or the list of all.
            parent: A blocked job that is to wait for this one too: a result, an id, or a `millrace.Parent`.
            sealing: "encrypt", "sign" or "none" instead of the store's rule for payloads.
            durability: "memory", "process" or "power" instead of the store's.
            tx: The transaction that it is part of, from `app.transaction()` or `self.transaction()`.
        """
        links = {"after": after, "join": join, "parent": parent, "sealing": sealing}
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
            group=group,
            dedup=dedup,
            delivery=delivery,
            **links,
        )
        return self._send(prepared.spec, durability, tx)

    def prepare(
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **job_options: Any,
    ) -> PreparedJob[R]:
        """A job with the options of `apply_async`, to be enqueued by `app.enqueue_many` together with others."""
        fields = options.write_options(**job_options)
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
        try:
            acks = self.app.engine.enqueue_values(self.spec, payloads, durability=durability)
        except ForkedChild:
            acks = self.app.reopened().enqueue_values(self.spec, payloads, durability=durability)
        except TypeError as error:
            raise TypeError(f"{self.name}(): argument {error}") from None
        return ResultSet.of_acks(self.app, acks, self.queue)

    @property
    def aio(self) -> TaskCalls[P, R]:
        """The same calls, to be awaited. They never block the event loop."""
        if self._aio is None:
            from millrace.aio import TaskCalls

            self._aio = TaskCalls(self)
        return self._aio

    def AsyncResult(self, task_id: str) -> AsyncResult[R]:  # noqa: N802 - Celery's name
        """The result of a job of this task by its id."""
        return AsyncResult(options.check_text("task_id", task_id), self.app, queue=self.queue)

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

    # --- For the worker ---------------------------------------------------------------------------

    def invoke(self, payload: Any) -> Any:
        """Calls the function with a job's payload."""
        args, kwargs = self.parameters.arguments(payload)
        if self.bind:
            return self.function(self, *args, **kwargs)
        return self.function(*args, **kwargs)

    def invoke_batch(self, requests: list[Request]) -> Any:
        """Calls the function with the jobs of a batch."""
        return self.function(self, requests) if self.bind else self.function(requests)

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


def is_transaction(value: object) -> bool:
    """Whether it is what `tx=` takes, and not an argument of a task."""
    return type(value).__name__ in ("Transaction", "JobTransaction") and hasattr(value, "_add")


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
