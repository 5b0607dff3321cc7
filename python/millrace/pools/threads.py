"""Jobs in threads of this process: for work that waits, or that releases the GIL."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from millrace.errors import Closed, WrongState
from millrace.log import logger
from millrace.pools.base import ThreadedPool
from millrace.worker.mailbox import DONE
from millrace.worker.slot import INTERRUPTIONS, Slot

if TYPE_CHECKING:
    from millrace.app import Millrace
    from millrace.worker.mailbox import Mailbox
    from millrace.worker.options import WorkerOptions


class ThreadsPool(ThreadedPool):
    """As many threads as jobs at once; they share one session."""

    def __init__(self, app: Millrace, options: WorkerOptions, mailbox: Mailbox) -> None:
        super().__init__(app, options, mailbox)
        self._threads = 0
        self._left = 0
        self._ended = False
        self._lock = threading.Lock()

    def run(self) -> int:
        """Works until it is stopped; answers the exit status."""
        self.station.monitor.start()
        self._add_threads()
        self.announce()
        try:
            ended = self.watch_mailbox()
        finally:
            self.close()
        return 0 if ended else 1

    def _add_threads(self) -> None:
        """Starts as many as there are slots for."""
        with self._lock:
            if self._ended:
                raise WrongState("the worker is about to stop")
            first, self._threads = self._threads, max(self._threads, self.concurrency)
            self._left += self._threads - first
            for i in range(first, self._threads):
                threading.Thread(
                    target=self._work, name=f"millrace-worker-{i}", daemon=True
                ).start()

    def resize(self, by: int) -> int:
        """More or fewer jobs at once. Threads that are too many wait without work."""
        self.concurrency = max(1, self.concurrency + by)
        self._add_threads()
        self.station.runner.resize(self.concurrency)
        return self.concurrency

    def _work(self) -> None:
        slot = Slot(use_signal=False)
        try:
            while True:
                station = self.station
                run, take = station.runner.run, station.session.take
                try:
                    while True:
                        for job in take(1, -1, False):  # what waits in the session can go back
                            run(job, slot)
                except INTERRUPTIONS:
                    continue  # it came too late for its job
                except Closed:
                    if self.station is station:
                        break
        except BaseException:
            logger.exception("A worker thread ended by an error of its own")
            self.station.session.stop()
            raise
        finally:
            slot.close()
            with self._lock:
                self._left -= 1
                last = self._ended = self._left == 0
            if last:
                self.mailbox.post(DONE)
