"""Signals and commands to a worker, as bytes in one pipe that any thread or event loop can wait for."""

from __future__ import annotations

import os
import select
import signal
import threading
from contextlib import suppress
from types import FrameType
from typing import Any, Final

# Beside these the pipe carries the numbers of signals.
STOP: Final = 200  # finish what runs, then end: as the first signal
ABORT: Final = 201  # cancel what runs: as the second signal
DONE: Final = 202  # a thread of the pool has ended

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """The number was written into the pipe by the interpreter; this only keeps the default action away."""


class Mailbox:
    """Where a worker learns that it shall stop. `post` is thread-safe and safe in signal handlers."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._handlers: dict[int, Any] = {}
        self._wakeup: int | None = None
        self.stage = 0
        """0: works, 1: finishes what runs, 2: cancels what runs, 3: leaves."""

    def fileno(self) -> int:
        """Readable when there is something to read."""
        return self._read

    def post(self, message: int) -> None:
        """Adds a message."""
        # Full: the reader has enough to do. Closed: nobody is interested any more.
        with suppress(OSError):
            os.write(self._write, bytes((message,)))

    def read(self) -> list[int]:
        """What has come since the last call; does not wait."""
        try:
            return list(os.read(self._read, 512))
        except BlockingIOError:
            return []

    def wait(self, timeout: float | None = None) -> list[int]:
        """Waits for messages; empty after the time-out in seconds."""
        select.select([self._read], [], [], timeout)
        return self.read()

    def advance(self, message: int) -> bool:
        """Goes to the stage of shutdown that a message asks for; true if that is a new one."""
        before = self.stage
        if message in _SIGNALS:
            self.stage += 1
        elif message == STOP:
            self.stage = max(self.stage, 1)
        elif message == ABORT:
            self.stage = max(self.stage, 2)
        return self.stage != before

    def install_signals(self, *, terminal: bool = True) -> None:
        """SIGTERM and SIGINT become messages. Possible in the main thread only; elsewhere this does nothing.

        Args:
            terminal: If false, SIGINT is ignored: Ctrl-C reaches the whole process group, and the parent decides.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        self._handlers[signal.SIGTERM] = signal.signal(signal.SIGTERM, _ignore)
        self._handlers[signal.SIGINT] = signal.signal(
            signal.SIGINT, _ignore if terminal else signal.SIG_IGN
        )
        self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)

    def close(self) -> None:
        """Gives the signals back to their former handlers."""
        if self._wakeup is not None:
            signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()
        os.close(self._read)
        os.close(self._write)
        self._read = self._write = -1
