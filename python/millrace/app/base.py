"""The application: a store, and the tasks that run on it."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from millrace import _core, options
from millrace.errors import ForkedChild, InvalidArgument
from millrace.prepared import PreparedJob, job_specs
from millrace.registry import Registry
from millrace.result import AsyncResult, ResultSet
from millrace.task import encode_named

if TYPE_CHECKING:
    from types import TracebackType

    from millrace.aio import AppCalls
    from millrace.app.control import Control
    from millrace.events import Events
    from millrace.flows import Flow
    from millrace.limits import DedupKeys, Groups, Limits
    from millrace.options import DurabilityName, Seconds
    from millrace.prepared import JobLike
    from millrace.schedules import Schedules
    from millrace.transaction import AsyncTransaction, Transaction

_MEMORY = ":memory:"
_RETRY_OPTIONS = (
    "max_retries",
    "default_retry_delay",
    "retry_backoff",
    "retry_backoff_max",
    "retry_jitter",
)


class Millrace(Registry):
    """A task queue in one file.

    Making it opens nothing: the store is opened (and created) by the first call that needs it, and afresh after a fork.
    Thread-safe.

    Args:
        name: Names the application in listings and logs.
        store: Path of the store's file, a `sqlite:///` URL, or ":memory:" for a store inside this process. Without it
            the environment variable MILLRACE_STORE decides. A relative path counts from the directory that is current
            now.
        durability: What an enqueue and a result promise when they return: "power" (the default) survives a power cut,
            "process" the crash of any process, "memory" is written within milliseconds. MILLRACE_DURABILITY sets the
            default.
        default_queue: Where tasks go that name no queue.
        max_payload_bytes: Bound of one payload or result.
        result_expires: How long the result of a succeeded job is kept; None keeps it for ever.
        encryption_keys: Pairs (id, secret of 32 bytes) that seal what jobs carry: arguments, results, progress, errors.
            The first one seals, all of them open: to change the key put a new one in front. Every process that uses the
            store, in either language, needs them.
        security_mode: "encrypt", or "sign": readable, but changes are found out.
        require_sealed: Refuse payloads that are not sealed, once nothing old is left.
        clock: For tests: a `_core.ManualClock` in place of the system's clock.
    """

    def __init__(
        self,
        name: str = "millrace",
        *,
        store: str | os.PathLike[str] | None = None,
        durability: DurabilityName | None = None,
        default_queue: str = "default",
        max_payload_bytes: int = 16 << 20,
        result_expires: Seconds | None = 86_400,
        encryption_keys: Sequence[tuple[str, bytes]] = (),
        security_mode: Literal["encrypt", "sign"] = "encrypt",
        require_sealed: bool = False,
        clock: _core.ManualClock | None = None,
    ) -> None:
        super().__init__(name)
        self.default_queue = options.check_text("default_queue", default_queue)
        self._store = _store_path(store)
        self._durability = options.check_durability(
            durability or os.environ.get("MILLRACE_DURABILITY") or "power"
        )
        self._max_payload_bytes = options.check_int(
            "max_payload_bytes", max_payload_bytes, least=1024
        )
        self._keep_ms = (
            -1 if result_expires is None else options.to_ms("result_expires", result_expires)
        )
        self._keys = options.check_keys(encryption_keys)
        self._security_mode = options.check_choice(
            "security_mode", security_mode, ("encrypt", "sign")
        )
        self._require_sealed = options.check_flag("require_sealed", require_sealed)
        self._clock = clock
        self._engine: _core.Engine | None = None
        self._lock = threading.Lock()
        self._aio: AppCalls | None = None
        _apps.add(self)

    def __repr__(self) -> str:
        return f"<Millrace {self.name} on {self._store}>"

    # --- The store --------------------------------------------------------------------------------

    @property
    def store(self) -> str:
        """Path of the store's file. Raises InvalidArgument if none was given."""
        if self._store is None:
            raise InvalidArgument(
                "no store: pass Millrace(..., store='path/to/file.db') or set the environment variable MILLRACE_STORE"
            )
        return self._store

    @property
    def durability(self) -> DurabilityName:
        """The default durability of this application's writes."""
        return self._durability

    @property
    def engine(self) -> _core.Engine:
        """The open store. Opened on first use; see `_core.Engine` for what it can do beyond this class."""
        engine = self._engine
        if engine is not None:
            return engine
        with self._lock:
            if self._engine is None:
                self._engine = _core.Engine(
                    self.store,
                    durability="memory" if self.store == _MEMORY else self._durability,
                    max_payload_bytes=self._max_payload_bytes,
                    keep_completed=(self._keep_ms, -1),
                    keys=self._keys,
                    security_mode=self._security_mode,  # type: ignore[arg-type]
                    require_sealed=self._require_sealed,
                    clock=self._clock,
                )
            return self._engine

    def reopened(self) -> _core.Engine:
        """The store, opened afresh in this process: what a child must do after fork() in native code."""
        self._engine = None
        return self.engine

    def close(self) -> None:
        """Closes the store; the next use opens it again. Results of this application stay usable."""
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            with suppress(ForkedChild):  # it was the parent's
                engine.close()

    def __enter__(self) -> Millrace:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- Enqueue ----------------------------------------------------------------------------------

    def send_task(
        self,
        name: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        queue: str | None = None,
        durability: DurabilityName | None = None,
        **job_options: Any,
    ) -> AsyncResult[Any]:
        """Enqueues a job of a task by name, known here or not.

        Args:
            name: The task's name.
            args: Positional arguments; for a task that is not known here they travel as `$args`.
            kwargs: Keyword arguments; for a task that is not known here they are the payload.
            queue: Where to; default the task's queue, or the application's.
            durability: Instead of the store's.
            **job_options: As for `Task.apply_async`. For a task that is not known here also `max_retries` (0),
                `default_retry_delay` (180), `retry_backoff`, `retry_backoff_max`, `retry_jitter`, as for `@app.task`:
                the policy for workers whose handlers have none of their own, such as those in Node.
        """
        spec = self.named_job(name, args, kwargs, queue=queue, **job_options)
        return self._enqueue([spec], durability)[0]

    def named_job(
        self,
        name: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any] | None,
        *,
        queue: str | None,
        **job_options: Any,
    ) -> _core.JobSpec:
        """The job that `send_task` enqueues."""
        options.check_text("name", name)
        known = self.tasks.get(name)
        if known is not None:
            return known.prepare(args, kwargs, queue=queue, **job_options).spec
        if isinstance(args, str | bytes) or not isinstance(args, Sequence):
            raise options.wrong_type("args", "a tuple or a list", args)
        if kwargs is not None and not isinstance(kwargs, Mapping):
            raise options.wrong_type("kwargs", "a mapping", kwargs)
        where = self.default_queue if queue is None else options.check_text("queue", queue)
        policy = {key: job_options.pop(key) for key in _RETRY_OPTIONS if key in job_options}
        fields = options.write_options(**job_options)
        if policy:
            fields["retry"] = options.retry_policy(**policy)
        return encode_named(name, args, kwargs or {}, where).replace(**fields)

    def signature(
        self,
        name: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        queue: str | None = None,
        **job_options: Any,
    ) -> PreparedJob[Any]:
        """A job of a task by name, known here or not, for a flow or a schedule; arguments as for `send_task`."""
        return PreparedJob(self, self.named_job(name, args, kwargs, queue=queue, **job_options))

    def flow(self) -> Flow:
        """An empty flow: jobs that wait for each other, enqueued together. See `millrace.flows`."""
        from millrace.flows import Flow

        return Flow(self)

    def enqueue_many(
        self, jobs: Iterable[JobLike[Any]], *, durability: DurabilityName | None = None
    ) -> ResultSet[Any]:
        """Enqueues jobs of any tasks, made by `task.s(...)` or `task.prepare(...)`: all of them, or none."""
        return self._enqueue(job_specs(jobs), durability)

    def _enqueue(
        self, specs: list[_core.JobSpec], durability: DurabilityName | None
    ) -> ResultSet[Any]:
        if durability is not None:
            options.check_durability(durability)
        if not specs:
            return ResultSet((), self)
        try:
            acks = self.engine.enqueue(specs, durability=durability)
        except ForkedChild:
            acks = self.reopened().enqueue(specs, durability=durability)
        return ResultSet.of_acks(self, acks, [spec.queue for spec in specs])

    def transaction(
        self, *, timeout: Seconds = 5, durability: DurabilityName | None = None
    ) -> Transaction:
        """One commit of jobs and of your own tables (`app_...`) in the store's file: `with app.transaction() as tx`.

        Args:
            timeout: From its first statement, 60 s at most: a transaction that is open longer is rolled back, because
                nobody else writes meanwhile.
            durability: What the commit promises, instead of the store's.
        """
        from millrace.transaction import Transaction

        return Transaction(self, timeout, durability)

    def atransaction(
        self, *, timeout: Seconds = 5, durability: DurabilityName | None = None
    ) -> AsyncTransaction:
        """The same to be awaited: `async with app.atransaction() as tx`."""
        from millrace.transaction import AsyncTransaction

        return AsyncTransaction(self, timeout, durability)

    def AsyncResult(self, task_id: str, *, queue: str = "") -> AsyncResult[Any]:  # noqa: N802 - Celery's name
        """The result of a job by its id. Name the queue if you use the same ids of your own in several."""
        return AsyncResult(options.check_text("task_id", task_id), self, queue=queue)

    @property
    def aio(self) -> AppCalls:
        """`send_task`, `enqueue_many` and others, to be awaited. They never block the event loop."""
        if self._aio is None:
            from millrace.aio import AppCalls

            self._aio = AppCalls(self)
        return self._aio

    @property
    def control(self) -> Control:
        """Commands to workers, and questions to them. See `millrace.app.control`."""
        from millrace.app.control import Control

        return Control(self)

    # --- Queues -----------------------------------------------------------------------------------

    def events(
        self,
        queue: str | None = None,
        *,
        after: str = "$",
        types: Iterable[str] = (),
        job_id: str = "",
    ) -> Events:
        """Follows what happens to jobs, with `for` or `async for`. See `millrace.events.Events`."""
        from millrace.events import Events

        return Events(self, queue or self.default_queue, after=after, types=types, job_id=job_id)

    @property
    def schedules(self) -> Schedules:
        """Jobs that are enqueued again and again. See `millrace.schedules`."""
        from millrace.schedules import Schedules

        return Schedules(self)

    @property
    def limits(self) -> Limits:
        """How fast and how many jobs run. See `millrace.limits`."""
        from millrace.limits import Limits

        return Limits(self)

    def groups(self, queue: str | None = None) -> Groups:
        """The groups of a queue."""
        from millrace.limits import Groups

        return Groups(
            self, self.default_queue if queue is None else options.check_text("queue", queue)
        )

    @property
    def dedup(self) -> DedupKeys:
        """Who holds a deduplication key."""
        from millrace.limits import DedupKeys

        return DedupKeys(self)

    def counters(self, queue: str | None = None) -> list[_core.TaskCounters]:
        """What happened to the jobs of each task so far, of one queue or of all: numbers, and histograms of times.

        Kept by each process and added to the store with its commits, a second late at most; a crash may lose that
        second. Element i of `wait_ms` (from when a job could have started to its start) and `run_ms` counts the times
        below 2 ** i milliseconds and not below half of that.
        """
        return self.engine.read_counters(
            "" if queue is None else options.check_text("queue", queue)
        )

    def counts(self, queue: str | None = None) -> _core.QueueCounts:
        """Jobs per state of a queue."""
        return self.engine.counts(queue or self.default_queue)

    def pause(self, queue: str | None = None) -> None:
        """No job of the queue is started, by any worker, until `resume`."""
        self.engine.pause(queue or self.default_queue)

    def resume(self, queue: str | None = None) -> None:
        """Undoes `pause`."""
        self.engine.resume(queue or self.default_queue)

    def purge(self, queue: str | None = None, *, scheduled: bool = False) -> int:
        """Removes the jobs that wait in a queue, those with a later due time too if asked; answers how many."""
        return self.engine.drain(queue or self.default_queue, scheduled=scheduled)


def _store_path(store: object) -> str | None:
    if store is None:
        store = os.environ.get("MILLRACE_STORE") or None
        if store is None:
            return None
    if not isinstance(store, str | os.PathLike):
        raise options.wrong_type("store", "a str or a path", store)
    path = os.fspath(store)
    if not isinstance(path, str):
        raise options.wrong_type("store", "a str or a path", path)
    options.check_text("store", path)
    if path == _MEMORY or "://" in path:
        return path
    return os.path.abspath(path)  # noqa: PTH100 - pathlib would cost an import


_apps: weakref.WeakSet[Millrace] = weakref.WeakSet()


def _forget_engines() -> None:
    """In the child of a fork: the engine's threads are not here."""
    for app in list(_apps):
        app._engine = None
        app._lock = threading.Lock()


def _close_engines() -> None:
    for app in list(_apps):
        app.close()


os.register_at_fork(after_in_child=_forget_engines)
atexit.register(_close_engines)
