"""Running a worker: from a command line, or inside a program of your own."""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, Protocol

from millrace import log
from millrace.beat.sync import begin_schedules
from millrace.errors import InvalidArgument, WrongState
from millrace.log import logger
from millrace.worker.mailbox import ABORT, STOP, Mailbox
from millrace.worker.options import WorkerOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from millrace.app import Millrace
    from millrace.options import Seconds


in_child = False
"""Whether this process is a child of a pool: what it imports must not start a worker of its own."""


class Pool(Protocol):
    """What runs the jobs. It reads the mailbox and ends by it."""

    on_ready: Callable[[], None] | None

    def run(self) -> int:
        """Works until it is stopped, and calls `on_ready` once it works; answers the exit status."""
        ...


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
        **given: Instead of `options`: its keywords. The application's `worker_*` settings say what is not given.
    """

    def __init__(
        self,
        app: Millrace,
        options: WorkerOptions | None = None,
        *,
        location: str | None = None,
        **given: Any,
    ) -> None:
        if options is not None and given:
            raise InvalidArgument(
                f"give either options or keywords ({', '.join(given)}), not both: the options are complete"
            )
        self.app = app
        self.options = options or WorkerOptions.for_app(app, **given)
        self._location = location
        self._mailbox = Mailbox(self.options.soft_shutdown_timeout)
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._status = 0

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
        options = self.options
        logger.info(
            "%s works on %s: %d %s, queues %s, %d tasks",
            self.app.name,
            self.app.store,
            options.concurrency,
            options.pool,
            ", ".join(options.queues or (self.app.default_queue,)),
            len(self.app.tasks),
        )
        self._mailbox.install_signals()
        try:
            begin_schedules(self.app)
            pool = self._pool()
            pool.on_ready = self._ready.set
            return pool.run()
        finally:
            self._mailbox.close()

    def _pool(self) -> Pool:
        """The pool that the options name; others are not even imported."""
        kind = self.options.pool
        if kind == "solo":
            from millrace.pools.solo import SoloPool

            return SoloPool(self.app, self.options, self._mailbox)
        if kind == "threads":
            from millrace.pools.threads import ThreadsPool

            return ThreadsPool(self.app, self.options, self._mailbox)
        if kind == "asyncio":
            from millrace.pools.asyncio import AsyncioPool

            return AsyncioPool(self.app, self.options, self._mailbox)
        from millrace.pools.processes import ProcessesPool
        from millrace.worker.locate import location_of

        return ProcessesPool(
            self.app, self.options, self._mailbox, self._location or location_of(self.app)
        )

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
            self._status = self.run()
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


def run_worker(
    app: Millrace, options: WorkerOptions | None = None, *, location: str | None = None
) -> int:
    """Sets up the worker's log and runs it in the calling thread: the body of `millrace worker`.

    Ends the process if jobs had to be left behind.
    """
    worker = Worker(app, options, location=location)
    log.configure(worker.options.loglevel)
    status = worker.run()
    if status != 0:
        # Threads of jobs that would not end are still there; the interpreter would wait for them.
        logging.shutdown()
        sys.stdout.flush()
        os._exit(status)
    return status
