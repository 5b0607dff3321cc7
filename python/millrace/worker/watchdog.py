"""Time limits that the worker sets: for jobs that bring none, and those of `app.control.time_limit`.

A job's own limits are the store's business (`Session.drain` tells of them); these are only known here.
"""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING

from millrace.errors import SoftTimeLimitExceeded, TimeLimitExceeded
from millrace.log import logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from millrace import _core
    from millrace.request import Request
    from millrace.worker.options import WorkerOptions


class Watchdog:
    """A thread that sleeps until the next limit of a running job. Thread-safe.

    Args:
        find: The request of a job that runs, by its token.
        options: Of the worker: the limits of jobs without.
        on_hard: Called with the token of a job at its hard limit, instead of raising TimeLimitExceeded in it.
    """

    def __init__(
        self,
        find: Callable[[int], Request | None],
        options: WorkerOptions,
        on_hard: Callable[[int], None] | None = None,
    ) -> None:
        self._find = find
        self._on_hard = on_hard
        self._default = (options.soft_time_limit_ms / 1000, options.time_limit_ms / 1000)
        self._tasks: dict[str, tuple[float, float]] = {}
        self._deadlines: dict[int, tuple[float, float]] = {}  # of the monotonic clock
        self._changed = threading.Condition()
        self._wakes_at = math.inf
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def wanted(self) -> bool:
        """Whether any limit is set."""
        return bool(self._tasks) or any(self._default)

    def limit_task(self, task: str, soft_ms: int, hard_ms: int) -> None:
        """Sets the limits of a task's jobs that start from now on; 0 is none."""
        self._tasks = {**self._tasks, task: (soft_ms / 1000, hard_ms / 1000)}

    def enter(self, job: _core.LeasedJob) -> None:
        """A job begins."""
        limits = self._tasks.get(job.name)
        if limits is None:
            if job.time_limit_ms or job.soft_time_limit_ms:
                return
            limits = self._default
        soft, hard = limits
        if not soft and not hard:
            return
        now = time.monotonic()
        at = (now + soft if soft else math.inf, now + hard if hard else math.inf)
        with self._changed:
            self._deadlines[job.token] = at
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._watch, name="millrace-watchdog", daemon=True
                )
                self._thread.start()
            elif min(at) < self._wakes_at:
                self._changed.notify()

    def leave(self, token: int) -> None:
        """A job has ended."""
        self._deadlines.pop(token, None)

    def close(self) -> None:
        """Ends the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _watch(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                now = time.monotonic()
                entries = list(self._deadlines.items())  # `leave` takes no lock
                due = [(token, at) for token, at in entries if min(at) <= now]
                if not due:
                    self._wakes_at = min((min(at) for _, at in entries), default=math.inf)
                    left = self._wakes_at - now
                    self._changed.wait(None if left == math.inf else left)
                    continue
                for token, (_, hard) in due:
                    if hard <= now or hard == math.inf:
                        self._deadlines.pop(token, None)
                    else:
                        self._deadlines[token] = (math.inf, hard)
            for token, (_, hard) in due:
                self._tell(token, hard=hard <= now)

    def _tell(self, token: int, *, hard: bool) -> None:
        request = self._find(token)
        if request is None:
            return
        if not hard:
            request.interrupt(token, SoftTimeLimitExceeded)
            return
        logger.error("Job %s ran longer than its time limit", request.id)
        if self._on_hard is not None:
            self._on_hard(token)
        else:
            request.interrupt(token, TimeLimitExceeded)
