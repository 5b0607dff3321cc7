"""Listens to what the core has to say about running jobs: cancels, time limits, lost leases."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from millrace import _core
from millrace.errors import Closed, SoftTimeLimitExceeded, TaskRevokedError, TimeLimitExceeded
from millrace.log import logger
from millrace.result import TERMINATE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from millrace.request import Request


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


def deliver(
    signal: _core.Signal, running: Mapping[int, Request], terminate: Callable[[int], None] | None
) -> None:
    """Tells a running job."""
    request = running.get(signal.token)
    if request is None:
        return
    if signal.kind == "soft_limit":
        request.interrupt(signal.token, SoftTimeLimitExceeded)
        return
    if signal.kind == "hard_limit":
        logger.error("Job %s ran longer than its time limit", signal.id)
        request.cancel_reason = "time limit exceeded"
        request.interrupt(signal.token, TimeLimitExceeded)
        return
    request.cancel_reason = (
        signal.reason if signal.kind == "cancel" else "lease lost"
    ) or "revoked"
    if signal.kind == "cancel" and signal.reason == TERMINATE and terminate is not None:
        terminate(signal.token)
    elif request.task is not None and request.task.is_async:
        request.interrupt(signal.token, TaskRevokedError)


class Monitor(threading.Thread):
    """Waits in the core, without the GIL, and wakes only when something must be done."""

    def __init__(
        self,
        session: _core.Session,
        running: Mapping[int, Request],
        *,
        terminate: Callable[[int], None] | None = None,
        hard_limit_exit_code: int = -1,
    ) -> None:
        super().__init__(name="millrace-monitor", daemon=True)
        self._session = session
        self._running = running
        self._terminate = terminate
        self._exit_code = hard_limit_exit_code

    def run(self) -> None:
        """Ends when the session is closed."""
        while True:
            notices = self._session.drain(-1, settled=False, hard_limit_exit_code=self._exit_code)
            if not log_notices(notices):
                return
            for signal in notices.signals:
                deliver(signal, self._running, self._terminate)
