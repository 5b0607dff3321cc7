"""The process that fires periodic tasks, for those who want one, and the thread for `worker -B`."""

from __future__ import annotations

import queue
import sys
import threading
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from millrace import signals
from millrace.beat.scheduler import Scheduler, scheduler_class
from millrace.beat.sync import has_stored_scheduler
from millrace.log import logger

if TYPE_CHECKING:
    from millrace import _core

_LISTENED: Final = "millrace.beat"  # no job is ever here: following it keeps the engine awake


class Stop:
    """An event that a signal's handler may set while its own thread is about to wait: `threading.Event` hangs then."""

    def __init__(self) -> None:
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._set = False

    def set(self) -> None:
        """Ends the wait, also one that has not begun. Thread-safe, and safe in signal handlers."""
        self._set = True
        self._wake.put(None)

    def is_set(self) -> bool:
        """Whether it was set."""
        return self._set

    def wait(self, timeout: float) -> bool:
        """Waits for so many seconds at most; for one thread. Answers whether it was set."""
        if not self._set:
            with suppress(queue.Empty):
                self._wake.get(timeout=timeout)
        return self._set


class Service:
    """Runs a scheduler until it is stopped.

    Args:
        app: The application.
        max_interval: Seconds between two looks at the schedule, at most.
        schedule_filename: Where a scheduler may keep when it ran what.
        scheduler_cls: The scheduler's class or its name; default the setting `beat_scheduler`.
    """

    def __init__(
        self,
        app: Any,
        max_interval: float | None = None,
        schedule_filename: str | None = None,
        scheduler_cls: Any = None,
    ) -> None:
        self.app: Any = app
        self.max_interval = max_interval or app.conf.beat_max_loop_interval
        self.scheduler_cls = scheduler_cls or app.conf.beat_scheduler
        self.schedule_filename = schedule_filename or app.conf.beat_schedule_filename
        self._is_shutdown = Stop()
        self._is_stopped = threading.Event()

    @cached_property
    def scheduler(self) -> Scheduler:
        """The scheduler, made and set up on first use."""
        return self.get_scheduler()

    def get_scheduler(self, lazy: bool = False) -> Scheduler:
        """Makes a scheduler."""
        return scheduler_class(self.scheduler_cls)(
            app=self.app,
            schedule_filename=self.schedule_filename,
            max_interval=self.max_interval,
            lazy=lazy,
        )

    def start(self, embedded_process: bool = False) -> None:
        """Runs until `stop` is called, in the calling thread."""
        scheduler = self.scheduler
        signals.beat_init.send(sender=self)
        if embedded_process:
            signals.beat_embedded_init.send(sender=self)
        logger.info("beat: %s, %d entries", type(scheduler).__name__, len(scheduler.schedule))
        awake = self._keep_awake()
        try:
            while not self._is_shutdown.is_set():
                interval = scheduler.tick()
                if not interval or interval <= 0 or self._is_shutdown.wait(interval):
                    continue
                if scheduler.should_sync():
                    scheduler._do_sync()
        except (KeyboardInterrupt, SystemExit):
            self._is_shutdown.set()
        finally:
            awake.close()
            self.sync()

    def _keep_awake(self) -> _core.Subscription:
        """Schedules are fired by processes that work or follow events: this one follows."""
        following: _core.Subscription = self.app.engine.subscribe(_LISTENED)
        return following

    def sync(self) -> None:
        """Closes the scheduler."""
        try:
            self.scheduler.close()
        finally:
            self._is_stopped.set()

    def stop(self, wait: bool = False) -> None:
        """Ends `start`, and waits for that if asked. Thread-safe."""
        self._is_shutdown.set()
        if wait:
            self._is_stopped.wait()


class EmbeddedService(threading.Thread):
    """A scheduler in a thread of the worker, for `-B` with a scheduler that is not the store.

    Args:
        app: The application.
        max_interval: As of `Service`.
        **kwargs: As of `Service`.
    """

    def __init__(self, app: Any, max_interval: float | None = None, **kwargs: Any) -> None:
        kwargs.pop("thread", None)
        super().__init__(name="millrace-beat", daemon=True)
        self.service = Service(app, max_interval=max_interval, **kwargs)

    def run(self) -> None:
        """The thread's body."""
        try:
            self.service.start(embedded_process=True)
        finally:
            self.service._is_stopped.set()  # whatever became of it, `stop` must not wait any more

    def stop(self) -> None:
        """Ends it and waits for that."""
        self.service.stop(wait=True)


def embedded(
    app: Any,
    *,
    scheduler: Any = None,
    schedule_filename: str | None = None,
    max_interval: float | None = None,
) -> EmbeddedService | None:
    """What `worker -B` starts: None if any worker does it anyway, else a thread, not yet started."""
    if scheduler is None and has_stored_scheduler(app):
        from millrace.beat.sync import configured_entries

        if not any(entry.needs_beat for entry in configured_entries(app).values()):
            return None
    return EmbeddedService(
        app,
        max_interval,
        schedule_filename=schedule_filename,
        scheduler_cls=scheduler,
    )


class Beat:
    """`millrace beat` as an object.

    Args:
        max_interval: As of `Service`.
        app: The application.
        loglevel: Of the process's log; None leaves logging alone.
        schedule: The file where a scheduler may keep when it ran what.
        scheduler: Its class or name.
        scheduler_cls: The same.
        quiet: Prints nothing at the start.
        **kwargs: Accepted and ignored: what only concerns Celery's process.
    """

    Service = Service

    def __init__(
        self,
        max_interval: float | None = None,
        app: Any | None = None,
        *,
        loglevel: str | None = "info",
        schedule: str | None = None,
        scheduler: Any = None,
        scheduler_cls: Any = None,
        quiet: bool = False,
        **kwargs: Any,
    ) -> None:
        self.app: Any = app or kwargs.pop("_app", None)
        self.max_interval = max_interval
        self.loglevel = loglevel
        self.schedule = schedule
        self.scheduler = scheduler or scheduler_cls
        self.quiet = quiet
        self.service: Service | None = None
        self._stopped = False

    def stop(self) -> None:
        """Has `run` return, also one that has not begun. Thread-safe."""
        self._stopped = True
        if self.service is not None:
            self.service.stop()

    def run(self) -> None:
        """Runs until SIGTERM, SIGINT or `stop`."""
        from millrace.worker.daemon import stopped_by_signals

        if self.loglevel is not None:
            from millrace import log

            log.configure(self.loglevel)
        service = self.service = self.Service(
            self.app, self.max_interval, self.schedule, self.scheduler
        )
        if self._stopped:
            service.stop()
        # First of all: once the scheduler is set up, its jobs show others that this process runs.
        with stopped_by_signals(service.stop, own_process=False):
            scheduler = service.scheduler
            if not self.quiet:
                kind = type(scheduler).__name__
                text = f"beat: {self.app.name} on {self.app.store}, {kind}, {len(scheduler.schedule)} entries"
                print(text, file=sys.stderr, flush=True)  # noqa: T201 - who starts it wants to know that it is up
            service.start()
