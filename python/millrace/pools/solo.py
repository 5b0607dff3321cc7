"""One job at a time, in the calling thread. Also what each child of the process pool runs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from millrace import signals
from millrace.errors import Closed
from millrace.pools.base import ThreadedPool
from millrace.worker import main as worker_main
from millrace.worker.mailbox import DONE
from millrace.worker.slot import Slot

if TYPE_CHECKING:
    from collections.abc import Callable

    from millrace import _core
    from millrace.app import Millrace
    from millrace.worker.mailbox import Mailbox
    from millrace.worker.options import WorkerOptions


class SoloPool(ThreadedPool):
    """Runs jobs in the calling thread, while two others wait for signals and for the core.

    Attributes:
        around: If set, called with true before and false after each job; false of it ends the pool.
    """

    def __init__(
        self,
        app: Millrace,
        options: WorkerOptions,
        mailbox: Mailbox,
        *,
        terminate: Callable[[int, str], None] | None = None,
        hard_limit: Callable[[int], None] | None = None,
        hard_limit_exit_code: int = -1,
        leave: Callable[[bool, int], None] | None = None,
    ) -> None:
        super().__init__(
            app,
            options,
            mailbox,
            terminate=terminate,
            hard_limit=hard_limit,
            hard_limit_exit_code=hard_limit_exit_code,
            leave=leave,
        )
        self.around: Callable[[bool], bool] | None = None

    def run(self) -> int:
        """Works until it is stopped; answers the exit status."""
        slot = Slot(use_signal=threading.current_thread() is threading.main_thread())
        watcher = threading.Thread(target=self._watch, name="millrace-mailbox", daemon=True)
        self.station.monitor.start()
        watcher.start()
        if signals.worker_process_init.receivers and not worker_main.in_child:
            signals.worker_process_init.send(sender=None)
        self.announce()
        try:
            self._work(slot)
        finally:
            self.mailbox.post(DONE)
            watcher.join()
            self.close()
            slot.close()
        return 0

    def _work(self, slot: Slot) -> None:
        while True:
            station = self.station
            take = station.session.take
            run: Callable[[_core.LeasedJob, Slot], int] = station.runner.run
            if self.around is not None:
                run = self._watched(run, self.around)
            try:
                while True:
                    for job in take(1, -1, False):  # what waits in the session can go back
                        run(job, slot)
            except Closed:
                if self.station is station:
                    return

    def _watched(
        self, run: Callable[[_core.LeasedJob, Slot], int], around: Callable[[bool], bool]
    ) -> Callable[[_core.LeasedJob, Slot], int]:
        def run_one(job: _core.LeasedJob, slot: Slot) -> int:
            around(True)
            ended = run(job, slot)
            if not around(False):
                self.station.session.stop()
            return ended

        return run_one

    def _watch(self) -> None:
        """The job runs in the thread that called run(): if it does not end, only the process's end ends it."""
        if not self.watch_mailbox():
            self.abandon()
