"""Running a worker: from a command line, or inside a program of your own."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Protocol

from millrace import log
from millrace.log import logger
from millrace.worker.mailbox import ABORT, STOP, Mailbox
from millrace.worker.options import WorkerOptions

if TYPE_CHECKING:
    from millrace.app import Millrace


class Pool(Protocol):
    """What runs the jobs. It reads the mailbox and ends by it."""

    def run(self) -> int:
        """Works until it is stopped; answers the exit status."""
        ...


class Worker:
    """Runs an application's tasks.

    In the main thread SIGTERM and SIGINT stop it in stages: the first lets running jobs finish, the second cancels them
    and gives what does not end back to the queue, the third leaves at once. In another thread use `stop()`.

    Args:
        app: The application, its tasks imported.
        options: What to do; see `WorkerOptions`.
        location: Where the processes of the pool find the application ("module:attribute"). Found out if not given.
    """

    def __init__(
        self, app: Millrace, options: WorkerOptions | None = None, *, location: str | None = None
    ) -> None:
        self.app = app
        self.options = options or WorkerOptions()
        self._location = location
        self._mailbox = Mailbox()

    def run(self) -> int:
        """Works until it is stopped; answers the exit status: 0 if all jobs ended by themselves."""
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
            return self._pool().run()
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

    def stop(self) -> None:
        """Lets running jobs finish and then has `run` return. Thread-safe, idempotent; returns at once."""
        self._mailbox.post(STOP)

    def abort(self) -> None:
        """Cancels running jobs and then has `run` return. Thread-safe; returns at once."""
        self._mailbox.post(ABORT)


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
