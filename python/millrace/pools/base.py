"""What the pools that run jobs in this process share."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from millrace.log import logger
from millrace.worker.mailbox import DONE
from millrace.worker.monitor import Monitor
from millrace.worker.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Callable

    from millrace import _core
    from millrace.app import Millrace
    from millrace.worker.mailbox import Mailbox
    from millrace.worker.options import WorkerOptions

_WRITE_MS = 1000  # what the last commits may take once no job is waited for any more


def open_session(
    app: Millrace, options: WorkerOptions, slots: int, notifier: _core.Notifier | None = None
) -> _core.Session:
    """A session on the application's store, as the worker's options say."""
    return app.engine.open_session(
        list(options.queues or (app.default_queue,)),
        slots=slots,
        prefetch=options.prefetch,
        worker_name=options.name,
        durability=options.durability,
        notifier=notifier,
    )


class ThreadedPool:
    """A session, the runner of its jobs, the thread that listens to it, and the stages of its end."""

    def __init__(
        self,
        app: Millrace,
        options: WorkerOptions,
        mailbox: Mailbox,
        *,
        slots: int,
        terminate: Callable[[int], None] | None = None,
        hard_limit_exit_code: int = -1,
    ) -> None:
        self.app = app
        self.options = options
        self.mailbox = mailbox
        self.on_ready: Callable[[], None] | None = None
        self.session = open_session(app, options, slots)
        self.runner = Runner(app, self.session, slots=slots)
        self.monitor = Monitor(
            self.runner,
            terminate=terminate,
            hard_limit_exit_code=hard_limit_exit_code,
        )

    def announce(self) -> None:
        """Says that jobs are taken from now on."""
        if self.on_ready is not None:
            self.on_ready()

    def abandon(self) -> None:
        """Ends this process and so the jobs that would not end; the store gives them to others."""
        self.close()
        logging.shutdown()
        os._exit(1)

    def watch_mailbox(self) -> bool:
        """Acts on messages until the pool is done; false if jobs would not end and were left behind."""
        while True:
            waiting = self.mailbox.stage >= 2  # noqa: PLR2004 - the stage that cancels
            messages = self.mailbox.wait(self.options.grace_ms / 1000 if waiting else None)
            if waiting and not messages:
                logger.error(
                    "%d jobs did not end; their leases are released", len(self.runner.running)
                )
                return False
            for message in messages:
                if message == DONE:
                    return True
                if self.mailbox.advance(message) and not self.enter_stage(self.mailbox.stage):
                    return False

    def enter_stage(self, stage: int) -> bool:
        """Begins a stage of the shutdown; false if that means to leave at once."""
        if stage == 1:
            logger.info("Stopping: %d running jobs may finish", len(self.runner.running))
            self.session.stop()
            return True
        if stage == 2:  # noqa: PLR2004
            self.session.stop()
            logger.warning("Cancelling %d running jobs", self.runner.abort())
            return True
        return False

    def close(self) -> None:
        """Writes what is settled, releases what is not, ends the monitor."""
        self.session.close(self.options.grace_ms if self.mailbox.stage < 2 else _WRITE_MS)  # noqa: PLR2004
        if self.monitor.is_alive():
            self.monitor.join(self.options.grace_ms / 1000)
