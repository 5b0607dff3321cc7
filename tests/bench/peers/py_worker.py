"""A library's worker as a process of its own, beside a measurement."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from typing import Any

import common

STOP_S = 5


class WorkerBeside:
    """Context manager: the worker and its children, killed at the end."""

    def __init__(self, lib: Any, pool: str, concurrency: int) -> None:
        self._command = lib.worker_command(pool, concurrency)

    def __enter__(self) -> WorkerBeside:
        self._process = subprocess.Popen(
            self._command, cwd=common.HERE, start_new_session=True, stdout=subprocess.DEVNULL
        )
        self.pid = self._process.pid
        return self

    def alive(self) -> bool:
        """Return True, so that nobody waits for a worker that is not there.

        Raises:
            RuntimeError: It has ended.
        """
        if self._process.poll() is not None:
            msg = f"the worker ended with exit status {self._process.returncode}"
            raise RuntimeError(msg)
        return True

    def stop(self) -> None:
        """Ask it to end, and wait for that; one that takes long is killed by `__exit__`."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S)

    def __exit__(self, *_: object) -> None:
        # A child that still has its connection would be given the next worker's task.
        common.wait_for(self._killed, "the worker's children to end", timeout_s=10)

    def _killed(self) -> bool:
        self._process.poll()
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return True
        return False
