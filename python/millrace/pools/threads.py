"""Jobs in threads of this process: for work that waits, or that releases the GIL."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from millrace.errors import Closed
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
        super().__init__(app, options, mailbox, slots=options.concurrency)
        self._left = options.concurrency
        self._lock = threading.Lock()

    def run(self) -> int:
        """Works until it is stopped; answers the exit status."""
        threads = [
            threading.Thread(target=self._work, name=f"millrace-worker-{i}", daemon=True)
            for i in range(self.options.concurrency)
        ]
        self.monitor.start()
        for thread in threads:
            thread.start()
        self.announce()
        try:
            ended = self.watch_mailbox()
        finally:
            self.close()
        return 0 if ended else 1

    def _work(self) -> None:
        slot = Slot(use_signal=False)
        run, take = self.runner.run, self.session.take
        try:
            while True:
                try:
                    for job in take(
                        1, -1, False
                    ):  # what waits in the session can go back to the queue
                        run(job, slot)
                except INTERRUPTIONS:
                    continue  # it came too late for its job
                except Closed:
                    break
        except BaseException:
            logger.exception("A worker thread ended by an error of its own")
            self.session.stop()
            raise
        finally:
            slot.close()
            with self._lock:
                self._left -= 1
                last = self._left == 0
            if last:
                self.mailbox.post(DONE)
