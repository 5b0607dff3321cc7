"""Listens to what the core has to say about running jobs: cancels, time limits, lost leases."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from millrace import _core
from millrace.errors import Closed
from millrace.log import logger
from millrace.result import TERMINATE

if TYPE_CHECKING:
    from collections.abc import Callable

    from millrace.worker.runner import Runner


def log_notices(notices: _core.Notices) -> bool:
    """Logs what a human should know; false if the session is closed."""
    for settled in notices.settled:
        if settled.error is not None:
            logger.warning("Job %s was not settled: %s", settled.id, settled.error)
    for job_id in notices.rescued:
        logger.info("Took job %s back from a worker that died", job_id)
    open_still = True
    for error in notices.errors:
        if isinstance(error, Closed):
            open_still = False
        else:
            logger.error("The store reported: %s", error)
    return open_still


class Monitor(threading.Thread):
    """Waits in the core, without the GIL, and wakes only when something must be done."""

    def __init__(
        self,
        runner: Runner,
        *,
        terminate: Callable[[int, str], None] | None = None,
        hard_limit_exit_code: int = -1,
    ) -> None:
        super().__init__(name="millrace-monitor", daemon=True)
        self._runner = runner
        self._terminate = terminate
        self._exit_code = hard_limit_exit_code

    def run(self) -> None:
        """Ends when the session is closed."""
        while True:
            notices = self._runner.session.drain(-1, hard_limit_exit_code=self._exit_code)
            if not log_notices(notices):
                return
            for signal in notices.signals:
                if (
                    self._terminate is not None
                    and signal.kind == "cancel"
                    and signal.reason.partition(":")[0] == TERMINATE
                ):
                    self._terminate(signal.token, signal.reason.partition(":")[2])
                self._runner.deliver(signal)
