"""Running a worker: from a command line, or inside a program of your own."""

from __future__ import annotations

import logging
import os
import resource
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from millrace import log, signals
from millrace.beat.sync import begin_schedules
from millrace.errors import InvalidArgument, WrongState
from millrace.log import logger
from millrace.request import set_hostname
from millrace.worker import daemon
from millrace.worker.locate import import_modules, location_of
from millrace.worker.mailbox import ABORT, COLD_STAGE, STOP, Mailbox, show_stacks_on_request
from millrace.worker.options import WorkerOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from millrace.app import Millrace
    from millrace.options import Seconds
    from millrace.pools.base import BasePool
    from millrace.worker.control_server import ControlServer


_HEARTBEAT_S: Final = 2.0

in_child = False
"""Whether this process is a child of a pool: what it imports must not start a worker of its own."""


class Worker:
    """Runs an application's tasks: `run()` in the calling thread, `start()` or `with` in a thread of its own.

    In the main thread SIGTERM and SIGINT stop it in stages: the first lets running jobs finish, the second cancels them
    and gives what does not end back to the queue, the third leaves at once. In another thread use `stop()`.

        with Worker(app, pool="threads", concurrency=4):
            serve_web_pages()

    Args:
        app: The application, its tasks imported.
        options: What to do; see `WorkerOptions`.
        location: Where the processes of the pool find the application ("module:attribute"). Found out if not given.
        extra: More for receivers of the signal `celeryd_init`: what was given for options of the application's own.
        **given: Instead of `options`: its keywords. The application's `worker_*` settings say what is not given.
    """

    def __init__(
        self,
        app: Millrace,
        options: WorkerOptions | None = None,
        *,
        location: str | None = None,
        extra: Mapping[str, Any] | None = None,
        **given: Any,
    ) -> None:
        if options is not None and given:
            raise InvalidArgument(
                f"give either options or keywords ({', '.join(given)}), not both: the options are complete"
            )
        self.app = app
        self.options = options or WorkerOptions.for_app(app, **given)
        self._location = location
        self._extra = dict(extra or {})
        self._mailbox = Mailbox(self.options.soft_shutdown_timeout)
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._hearts = threading.Event()
        self._failure: BaseException | None = None
        self._status = 0
        self._since = time.monotonic()
        self.pool: BasePool

    def __repr__(self) -> str:
        return f"<Worker {self.hostname} of {self.app.name}>"

    @property
    def hostname(self) -> str:
        """Its node name, such as "worker@host"."""
        return self.options.name

    def run(self) -> int:
        """Works until it is stopped; answers the exit status: 0 if all jobs ended by themselves."""
        if in_child:
            raise WrongState(
                "a process of the pool imports this program to find its tasks, and that starts a worker again: "
                'put what starts it under `if __name__ == "__main__":`'
            )
        self.handle_signals()
        try:
            self._prepare()
            return self._work()
        finally:
            self._mailbox.close()

    def handle_signals(self, *, afterwards: Any = None) -> None:
        """Has signals stop it from now on, not only from `run` on: call it before others can see that it runs.

        Args:
            afterwards: What handles them when it has ended; default what does now.
        """
        self._mailbox.on_stop = self._stopping
        self._mailbox.install_signals(afterwards=afterwards)

    def forget_signals(self) -> None:
        """Gives them back to what handled them before, for a worker that will not run."""
        self._mailbox.close()

    def _work(self) -> int:
        control: ControlServer | None = None
        try:
            begin_schedules(self.app)
            self.pool = pool = make_pool(self.app, self.options, self._mailbox, self._location)
            if self.options.remote_control:
                from millrace.worker.control_server import ControlServer

                control = ControlServer(self)
            pool.on_ready = self._announce
            self._status = pool.run() or self._mailbox.status
            return self._status
        finally:
            if control is not None:
                control.close()
            self._hearts.set()
            self._mailbox.close()
            signals.worker_shutdown.send(sender=self)

    def _prepare(self) -> None:
        """Imports what is to be imported, and tells who wants to know, in the order that Celery has."""
        app, options = self.app, self.options
        import_modules(app, options.include)
        conf = app.conf
        set_hostname(self.hostname)
        app.tell_rate_limits()
        signals.celeryd_init.send(
            sender=self.hostname,
            instance=self,
            conf=conf,
            options={**options.to_json(), **self._extra},
        )
        signals.worker_init.send(sender=self)
        signals.celeryd_after_setup.send(sender=self.hostname, instance=self, conf=conf)
        logger.info(
            "%s works on %s: %d %s, queues %s, %d tasks",
            app.name,
            app.store,
            options.concurrency,
            options.pool,
            ", ".join(options.queues or (app.default_queue,)),
            len(app.tasks),
        )

    def _announce(self) -> None:
        """The pool takes jobs."""
        logger.info("%s ready.", self.hostname)
        if signals.heartbeat_sent.receivers:
            threading.Thread(target=self._beat, name="millrace-heartbeat", daemon=True).start()
        signals.worker_ready.send(sender=self)
        self._ready.set()

    def _beat(self) -> None:
        """Tells receivers of `heartbeat_sent`; without any there is no such thread."""
        while not self._hearts.wait(_HEARTBEAT_S):
            signals.heartbeat_sent.send(sender=self)

    def _stopping(self) -> None:
        """It was told to stop."""
        asked = self._mailbox.signal
        signals.worker_shutting_down.send(
            sender=self.hostname,
            sig=asked.name if asked is not None else "",
            how="Warm" if self._mailbox.stage < COLD_STAGE else "Cold",
            exitcode=0,
        )

    @property
    def restarts(self) -> bool:
        """Whether it ended in order to be started again: by SIGHUP."""
        return self._mailbox.restart

    def stats(self) -> dict[str, Any]:
        """Figures, by the names that Celery gives them."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        names = [name for name in dir(usage) if name.startswith("ru_")]
        return {
            "total": self.pool.totals(),
            "pid": os.getpid(),
            "clock": str(self.app.engine.now_ms()),
            "uptime": round(time.monotonic() - self._since),
            "pool": self.pool.describe(),
            "broker": {
                "transport": "sqlite",
                "hostname": self.app.store,
                "transport_options": {},
                "durability": self.options.durability or self.app.durability,
            },
            "prefetch_count": self.options.prefetch,
            "rusage": {name[3:]: getattr(usage, name) for name in names},
        }

    def send_heartbeat(self) -> None:
        """Tells receivers of `heartbeat_sent` now."""
        signals.heartbeat_sent.send(sender=self)

    # --- In a thread of its own -------------------------------------------------------------------

    def start(self) -> Worker:
        """Works in a thread of its own; returns when it is ready for jobs. Raises what kept it from that."""
        if self._thread is not None:
            raise WrongState(f"{self!r} was started before; make another one")
        self._thread = threading.Thread(target=self._main, name="millrace-worker", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def _main(self) -> None:
        try:
            self.run()
        except BaseException as error:  # noqa: BLE001 - raised in the thread that called start() or join()
            self._failure = error
        finally:
            self._ready.set()

    def join(self, timeout: Seconds | None = None) -> bool:
        """Waits for the end of what `start()` began; false if that is not within the time-out in seconds.

        Raises what ended the worker, if that was an error.
        """
        from millrace import options

        if self._thread is None:
            return True
        wait_ms = options.to_wait_ms("timeout", timeout)
        self._thread.join(None if wait_ms < 0 else wait_ms / 1000)
        if self._thread.is_alive():
            return False
        if self._failure is not None:
            raise self._failure
        return True

    def __enter__(self) -> Worker:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Lets running jobs finish; those that do not for `grace` seconds after an exception are cancelled."""
        self.stop()
        if kind is None:
            self.join()
        elif not self.join(self.options.grace_ms / 1000):
            self.abort()
            self.join()

    def stop(self) -> None:
        """Lets running jobs finish and then has `run` return. Thread-safe, idempotent; returns at once."""
        self._mailbox.post(STOP)

    def abort(self) -> None:
        """Cancels running jobs and then has `run` return. Thread-safe; returns at once."""
        self._mailbox.post(ABORT)

    terminate = abort

    def reload(
        self, modules: Iterable[str] | None = None, reload: bool = False, reloader: Any = None
    ) -> None:
        """Imports modules, afresh if `reload`. Tasks that the application got since the start are known without it.

        Args:
            modules: Their names.
            reload: Whether to run those again that were imported before.
            reloader: What does that; default `importlib.reload`.
        """
        import importlib

        for name in modules or ():
            again = reload and name in sys.modules
            module = importlib.import_module(name)
            if again:
                (reloader or importlib.reload)(module)


class WorkController(Worker):
    """The same with Celery's manners: `app.Worker(hostname="w1@%h").start()` works in the calling thread.

    Args:
        app: The application.
        hostname: The node name.
        pool_cls: Another name for `pool`.
        **given: Keywords of `WorkerOptions`, and those of Celery that mean nothing here.
    """

    def __init__(
        self,
        app: Millrace,
        hostname: str | None = None,
        *,
        pool_cls: str | None = None,
        **given: Any,
    ) -> None:
        for name in given.keys() & _WITHOUT_MEANING:
            del given[name]
        if pool_cls is not None:
            given.setdefault("pool", pool_cls)
        if hostname is not None:
            given["name"] = hostname
        super().__init__(app, **given)

    def start(self) -> Worker:
        """Sets up the log and works in the calling thread until it is stopped; `exitcode` says how it ended."""
        log.configure(
            self.options.loglevel, app=self.app, logfile=self.options.logfile, node=self.hostname
        )
        self.run()
        return self

    @property
    def exitcode(self) -> int:
        """The exit status."""
        return self._status


_WITHOUT_MEANING: Final = frozenset(
    {
        "beat",
        "events",
        "executable",
        "heartbeat_interval",
        "no_color",
        "optimization",
        "pidfile",
        "quiet",
        "ready_callback",
        "redirect_stdouts",
        "schedule",
        "schedule_filename",
        "scheduler",
        "scheduler_cls",
        "statedb",
        "task_events",
        "traceback",
        "without_gossip",
        "without_heartbeat",
        "without_mingle",
    }
)


def make_pool(
    app: Millrace, options: WorkerOptions, mailbox: Mailbox, location: str | None
) -> BasePool:
    """The pool that the options name; others are not even imported."""
    kind = options.pool
    if kind == "solo":
        from millrace.pools.solo import SoloPool

        return SoloPool(app, options, mailbox)
    if kind == "threads":
        from millrace.pools.threads import ThreadsPool

        return ThreadsPool(app, options, mailbox)
    if kind == "asyncio":
        from millrace.pools.asyncio import AsyncioPool

        return AsyncioPool(app, options, mailbox)
    from millrace.pools.processes import ProcessesPool

    return ProcessesPool(app, options, mailbox, location or location_of(app))


def run_worker(
    app: Millrace,
    options: WorkerOptions | None = None,
    *,
    location: str | None = None,
    extra: Mapping[str, Any] | None = None,
    first: Callable[[], None] | None = None,
    own_process: bool = True,
) -> int:
    """Sets up the worker's log and runs it in the calling thread: the body of `millrace worker`.

    Ends the process if jobs had to be left behind.

    Args:
        app: The application.
        options: As of `Worker`.
        location: As of `Worker`.
        extra: As of `Worker`.
        first: Called once signals stop the worker: does what shows others that the process runs.
        own_process: Whether the process ends behind this, so that signals come too late then.
    """
    worker = Worker(app, options, location=location, extra=extra)
    made = worker.options
    worker.handle_signals(afterwards=daemon.too_late if own_process else None)
    show_stacks_on_request()
    try:
        if first is not None:
            first()
        log.configure(made.loglevel, app=app, logfile=made.logfile, node=made.name)
    except BaseException:
        worker.forget_signals()
        raise
    if own_process:
        daemon.ignore_at_exit()
    status = worker.run()
    if worker.restarts:
        # Asked for once more meanwhile it is on its way already. Whatever runs still is ended by this; the store gives
        # it to others.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - the same program again
    if status != 0:
        # Threads of jobs that would not end are still there; the interpreter would wait for them.
        logging.shutdown()
        sys.stdout.flush()
        daemon.release_pid_files()
        os._exit(status)
    return status
