"""The application: a store, and the tasks that run on it."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from millrace import _core, current, options
from millrace.app.config import MEMORY, Configured, check_backend, store_path
from millrace.app.store_parts import StoreParts
from millrace.app.surface import Surface
from millrace.errors import ForkedChild, InvalidArgument, WrongState
from millrace.prepared import job_specs
from millrace.registry import Registry, adopt_shared
from millrace.request import current_request
from millrace.result import AsyncResult, ResultSet
from millrace.signals import PUBLISHING
from millrace.task import Task

if TYPE_CHECKING:
    from types import TracebackType

    from millrace.aio import AppCalls
    from millrace.app.control import Control
    from millrace.canvas.signature import Signature
    from millrace.flows import Flow
    from millrace.log import CoreLog
    from millrace.options import DurabilityName, Seconds
    from millrace.prepared import JobLike
    from millrace.routing import Router
    from millrace.transaction import AsyncTransaction, Transaction

# Classes by which Celery's users replace parts of an application.
_REPLACEABLE = frozenset(
    {
        "loader",
        "amqp",
        "events",
        "log",
        "control",
        "tasks",
        "fixups",
        "autofinalize",
        "set_as_current",
    }
)


class Millrace(Configured, Surface, StoreParts, Registry):
    """A task queue in one file.

    Making it opens nothing: the store is opened (and created) by the first call that needs it, and afresh after a fork.
    Thread-safe.

    Args:
        main: Names the application in listings and logs, and tasks of a main script that has no name of its own.
        store: Path of the store's file, a `sqlite:///` URL, or ":memory:" for a store inside this process. Without it
            the settings decide (`broker_url`), then the environment variable MILLRACE_STORE. A relative path counts
            from the directory that is current now.
        broker: The same, under Celery's name. A URL of a broker's server raises ImproperlyConfigured.
        backend: Where Celery keeps results; here they are with the jobs. Ignored, unless it is a server's URL.
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
        include: Modules with tasks that a worker imports.
        changes: Settings to begin with.
        config_source: As for `config_from_object`.
        namespace: Only settings that begin so count; see `config_from_object`.
        set_as_current: Whether it is what `millrace.current_app` answers from now on.
        task_cls: The class of tasks that are given no `base`.
        strict_typing: Whether `delay` and its like check their arguments; tasks can say it for themselves (`typing`).
        name: The same as `main`.
        **settings: More settings to begin with. Parts that Celery's users replace by classes of their own (`loader`,
            `amqp`, `events`, `log`, `control`, `tasks`, `fixups`, `autofinalize`) are accepted without effect.
    """

    namespace: str | None

    def __init__(
        self,
        main: str | None = None,
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
        broker: str | None = None,
        backend: str | None = None,
        include: Sequence[str] = (),
        changes: Mapping[str, Any] | None = None,
        config_source: Any = None,
        namespace: str | None = None,
        set_as_current: bool = True,
        task_cls: type[Task[..., Any]] | str | None = None,
        strict_typing: bool = True,
        name: str | None = None,
        **settings: Any,
    ) -> None:
        given_name = main if name is None else name
        super().__init__("millrace" if given_name is None else given_name, task_cls)
        self.default_queue = options.check_text("default_queue", default_queue)
        self._store = store_path(store, broker)
        self._told_store = store is not None or broker is not None
        self._durability = options.check_durability(
            durability or os.environ.get("MILLRACE_DURABILITY") or "power"
        )
        self._max_payload_bytes = options.check_int(
            "max_payload_bytes", max_payload_bytes, least=1024
        )
        self._set_result_expires(result_expires)
        self._keys = options.check_keys(encryption_keys)
        self._security_mode = options.check_choice(
            "security_mode", security_mode, ("encrypt", "sign")
        )
        self._require_sealed = options.check_flag("require_sealed", require_sealed)
        self._clock = clock
        self._engine: _core.Engine | None = None
        self._core_log: CoreLog | None = None  # of the open engine
        self._lock = threading.Lock()
        self._aio: AppCalls | None = None
        self.strict_typing = options.check_flag("strict_typing", strict_typing)
        self._init_configuration(namespace)
        self._router: Router | None = None
        self.needs_routing = False
        self._autodiscover: list[tuple[Any, str | None]] = []
        self._finalized = False
        self._init_settings(backend, include, changes, config_source, settings)
        if os.environ.get("DJANGO_SETTINGS_MODULE"):
            from millrace.contrib.django import fixup

            self._fixup = fixup(self)
        _apps.add(self)
        if set_as_current:
            current.set_current_app(self)
        if current.shared:
            adopt_shared(self)
        self.on_init()

    def _set_store(self, store: object) -> None:
        """What the settings say of the store; what the constructor was told counts more."""
        if self._told_store:
            return
        path = store_path(store)
        if self._engine is not None and path != self._store:
            raise WrongState(
                f"broker_url cannot be changed while the store {self._store} is open; close() the application first"
            )
        self._store = path

    def _set_result_expires(self, value: Any) -> None:
        self._keep_ms = (
            -1 if value is None or value == 0 else options.to_ms("result_expires", value)
        )

    def setting(self, name: str) -> Any:
        """The value of a setting as far as it is known, without loading anything."""
        settings = self._settings
        return None if settings is None else settings.peek(name)

    @property
    def router(self) -> Router:
        """Where the settings send jobs."""
        router = self._router
        if router is None:
            from millrace.routing import Router

            router = self._router = Router(self)
        return router

    @property
    def annotations(self) -> Sequence[Any]:
        """What the setting `task_annotations` says of tasks."""
        given = self.setting("task_annotations")
        if not given:
            return ()
        from millrace.annotations import prepare

        return prepare(given)

    def _settings_changed(self, names: Iterable[str]) -> None:
        if not any(name.startswith("task_") for name in names):
            return
        self._router = None
        # Whether each job must ask: settings are to be loaded, or say something that depends on the job.
        self.needs_routing = bool(
            self._sources
            or self.setting("task_always_eager")
            or self.setting("task_inherit_parent_priority")
            or (self.setting("task_routes") is not None and self.router.dynamic)
        )
        for task in list(self.tasks.values()):
            task.refresh()

    def _init_settings(
        self,
        backend: object,
        include: Sequence[str],
        changes: Mapping[str, Any] | None,
        config_source: Any,
        more: Mapping[str, Any],
    ) -> None:
        """What the constructor was told of settings."""
        given = {key: value for key, value in more.items() if key not in _REPLACEABLE}
        if backend is not None:
            check_backend("backend", backend)
        if include:
            if isinstance(include, str):
                raise options.wrong_type("include", "a list of module names", include)
            given["include"] = include
        if changes or given:
            from millrace.app.defaults import OPTIONS, canonical

            # A name that only looks like one of ours is a slip of the pen; settings modules are not so strict.
            ours = ("beat_", "task_", "worker_")
            known = {key: canonical(key) or ours[0] for key in given}
            options.refuse_unknown(
                "Millrace()",
                [
                    key
                    for key, name in known.items()
                    if name not in OPTIONS and name.startswith(ours)
                ],
                [*OPTIONS, "store", "broker", "durability", "default_queue"],
            )
            self.conf.update({**(changes or {}), **given})
        if config_source is not None:
            self.config_from_object(config_source)

    def __repr__(self) -> str:
        return f"<Millrace {self.name} on {self._store}>"

    # --- The store --------------------------------------------------------------------------------

    @property
    def store(self) -> str:
        """Path of the store's file. Raises InvalidArgument if none was given."""
        if self._store is None:
            self.load_announced()
        if self._store is None:
            raise InvalidArgument(
                "no store: pass Millrace(..., store='path/to/file.db') or set the environment variable MILLRACE_STORE"
            )
        return self._store

    def use_store(self, store: str | os.PathLike[str]) -> None:
        """Works on this store from now on, whatever the settings say. Closes the one that is open."""
        path = store_path(store)
        self.close()
        self._store, self._told_store = path, True

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
        self.load_announced()
        from millrace.log import CoreLog

        with self._lock:
            if self._engine is None:
                core_log = CoreLog()
                try:
                    self._engine = _core.Engine(
                        self.store,
                        durability="memory" if self.store == MEMORY else self._durability,
                        max_payload_bytes=self._max_payload_bytes,
                        keep_completed=(self._keep_ms, -1),
                        keys=self._keys,
                        security_mode=self._security_mode,  # type: ignore[arg-type]
                        require_sealed=self._require_sealed,
                        clock=self._clock,
                        log_lines=core_log.lines,
                    )
                except BaseException:
                    core_log.close()
                    raise
                weakref.finalize(self, core_log.lines.close)
                self._core_log = core_log
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
                if self._core_log is not None:
                    self._core_log.close()

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
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        *,
        durability: DurabilityName | None = None,
        **job_options: Any,
    ) -> AsyncResult[Any]:
        """Enqueues a job of a task by name, known here or not.

        Args:
            name: The task's name.
            args: Positional arguments; for a task that is not known here they travel as `$args`.
            kwargs: Keyword arguments; for a task that is not known here they are the payload.
            durability: Instead of the store's.
            **job_options: As for `Task.apply_async`. For a task that is not known here also `max_retries` (0),
                `default_retry_delay` (180), `retry_backoff`, `retry_backoff_max`, `retry_jitter`, as for `@app.task`:
                the policy for workers whose handlers have none of their own, such as those in Node.
        """
        from millrace import publish

        return publish.send_task(
            self, name, args, kwargs, {"durability": durability, **job_options}
        )

    def named_job(
        self,
        name: str,
        args: Sequence[Any] | None,
        kwargs: Mapping[str, Any] | None,
        **job_options: Any,
    ) -> _core.JobSpec:
        """The job that `send_task` enqueues."""
        options.check_text("name", name)
        known = self.tasks.get(name)
        if known is not None:
            return known.prepare(args, kwargs, **job_options).spec
        from millrace import publish

        return publish.unknown_job(self, name, args, kwargs, job_options)

    def signature(
        self,
        name: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        **job_options: Any,
    ) -> Signature[Any]:
        """A signature of a task by name, known here or not; options as for `send_task`. Also of another's dict."""
        from millrace.canvas.signature import signature

        made: Signature[Any] = signature(name, args, kwargs, options, app=self, **job_options)
        return made

    def flow(self) -> Flow:
        """An empty flow: jobs that wait for each other, enqueued together. See `millrace.flows`."""
        from millrace.flows import Flow

        return Flow(self)

    def enqueue_many(
        self, jobs: Iterable[JobLike[Any]], *, durability: DurabilityName | None = None
    ) -> ResultSet[Any]:
        """Enqueues jobs of any tasks, made by `task.s(...)` or `task.prepare(...)`: all of them, or none."""
        self.load_announced()
        if self.setting("task_always_eager"):
            from millrace.canvas.eager_many import apply_jobs

            return apply_jobs(self, jobs, durability)
        specs, pick = job_specs(jobs)
        return pick(self._enqueue(specs, durability))

    def _enqueue(
        self, specs: list[_core.JobSpec], durability: DurabilityName | None
    ) -> ResultSet[Any]:
        if durability is not None:
            options.check_durability(durability)
        if not specs:
            return ResultSet((), self)
        if PUBLISHING or current_request.get() is not None:
            from millrace import publish

            specs = publish.before(self, specs)
        try:
            acks = self.engine.enqueue(specs, durability=durability)
        except ForkedChild:
            acks = self.reopened().enqueue(specs, durability=durability)
        if PUBLISHING:
            from millrace import publish

            publish.after(specs, acks)
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


_apps: weakref.WeakSet[Millrace] = weakref.WeakSet()


def all_apps() -> list[Millrace]:
    """The applications of this process."""
    return list(_apps)


def _forget_engines() -> None:
    """In the child of a fork: the engine's threads are not here."""
    for app in list(_apps):
        app._engine = None
        app._lock = threading.Lock()
        app._send("on_after_fork")


def _close_engines() -> None:
    for app in list(_apps):
        with suppress(
            KeyboardInterrupt
        ):  # one Ctrl-C too many: what is written is safe, and nothing is left to stop
            app.close()


os.register_at_fork(after_in_child=_forget_engines)
atexit.register(_close_engines)
