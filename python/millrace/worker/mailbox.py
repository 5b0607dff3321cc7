"""Signals and commands to a worker, as bytes in one pipe that any thread or event loop can wait for."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import weakref
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from millrace.errors import Closed

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

# Beside these the pipe carries the numbers of signals.
STOP: Final = 200  # finish what runs, then end: as the first signal
ABORT: Final = 201  # cancel what runs: as the second signal
DONE: Final = 202  # a thread of the pool has ended
WORK: Final = 203  # another thread has something for the pool to do

_WARM: Final = (signal.SIGTERM, signal.SIGINT)
_OURS: Final = (*_WARM, signal.SIGQUIT, signal.SIGHUP)
COLD_STAGE: Final = 2


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """The number was written into the pipe by the interpreter; this only keeps the default action away."""


class Mailbox:
    """Where a worker learns that it shall stop. `post` is thread-safe and safe in signal handlers.

    Args:
        soft_s: Seconds that running jobs have before what would cancel them does so.

    Attributes:
        stage: 0: works, 1: finishes what runs, 2: cancels what runs, 3: leaves.
        restart: Whether the program is to be started again when the worker has ended.
        signal: The first signal that asked it to end; None if it was none.
        status: The exit status that a task asked for.
        on_stop: Called when the first stage is entered.
    """

    def __init__(self, soft_s: float = 0) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._handlers: dict[int, Any] = {}
        self._afterwards: Any = None
        self._wakeup: int | None = None
        self._soft_s = soft_s
        self._soft: threading.Timer | None = None
        self._remap = False
        self._calls: list[tuple[Callable[[], Any], Future[Any]]] = []
        self._lock = threading.RLock()  # a signal's handler may post while its thread has it
        self.stage = 0
        self.restart = False
        self.status = 0
        self.on_stop: Callable[[], None] | None = None
        self.signal: signal.Signals | None = None

    def fileno(self) -> int:
        """Readable when there is something to read."""
        return self._read

    def post(self, message: int) -> None:
        """Adds a message."""
        # Full: the reader has enough to do. Closed: nobody listens, and the number may be another file's.
        with self._lock, suppress(OSError):
            os.write(self._write, bytes((message,)))

    def leave(self, terminate: bool, status: int) -> None:
        """Has the worker stop because a task wants it to."""
        self.status = self.status or status
        self.post(ABORT if terminate else STOP)

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

    def submit(self, call: Callable[[], Any]) -> Any:
        """Has the pool's thread make a call between its messages; answers what that answers. Thread-safe."""
        from concurrent.futures import Future

        future: Future[Any] = Future()
        with self._lock:
            if self._write < 0:
                raise Closed("the worker has ended")
            self._calls.append((call, future))
        self.post(WORK)
        return future.result()

    def work(self) -> None:
        """Makes the calls that were submitted: what a pool does with the message WORK."""
        with self._lock:
            calls, self._calls = self._calls, []
        for call, future in calls:
            try:
                future.set_result(call())
            except BaseException as error:  # noqa: BLE001 - raised where it was submitted
                future.set_exception(error)

    def advance(self, message: int) -> bool:
        """Goes to the stage of shutdown that a message asks for; true if that is a new one."""
        before = self.stage
        if message == signal.SIGTERM and self._remap:
            message = signal.SIGQUIT
        if message < STOP and self.signal is None:
            self.signal = signal.Signals(message)
        if message in _WARM:
            self._to(self.stage + 1)
        elif message == STOP:
            self._to(max(self.stage, 1))
        elif message == signal.SIGQUIT:
            self._to(max(self.stage + 1, COLD_STAGE))
        elif message == signal.SIGHUP:
            self.restart = True
            self._to(max(self.stage, 1))
        elif message == ABORT:
            self.stage = max(self.stage, COLD_STAGE)
        if before == 0 < self.stage and self.on_stop is not None:
            self.on_stop()
        return self.stage != before

    def _to(self, stage: int) -> None:
        """Enters a stage. What runs may first have some more time before it is cancelled, once."""
        if stage != COLD_STAGE or self.stage >= COLD_STAGE or not self._soft_s or self._soft:
            self.stage = stage
            return
        self.stage = max(self.stage, 1)
        self._soft = threading.Timer(self._soft_s, self.post, (ABORT,))
        self._soft.daemon = True
        self._soft.start()

    def install_signals(self, *, terminal: bool = True, afterwards: Any = None) -> None:
        """Signals become messages. Possible in the main thread only; elsewhere, and again, this does nothing.

        SIGTERM and SIGINT stop in stages, SIGQUIT cancels at once, SIGHUP restarts unless a terminal sends it. With
        REMAP_SIGTERM=SIGQUIT in the environment SIGTERM is SIGQUIT.

        Args:
            terminal: If false, SIGINT is ignored: Ctrl-C reaches the whole process group, and the parent decides.
            afterwards: What handles them once this is closed, for a process that ends then; default as before.
        """
        is_main = threading.current_thread() is threading.main_thread()
        if not is_main or self._wakeup is not None:
            return
        self._afterwards = afterwards
        self._handle(signal.SIGTERM, _ignore)
        self._handle(signal.SIGINT, _ignore if terminal else signal.SIG_IGN)
        self._handle(signal.SIGQUIT, _ignore if terminal else signal.SIG_IGN)
        if not terminal:
            self._handle(signal.SIGHUP, signal.SIG_IGN)
        elif not _has_terminal():
            self._handle(signal.SIGHUP, _ignore)
        self._remap = terminal and os.environ.get("REMAP_SIGTERM") == "SIGQUIT"
        self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        _with_signals.add(self)

    def forget_signals(self) -> None:
        """In the child of a fork: its signals are its own affair, and must not reach the worker by the pipe."""
        if self._wakeup is not None:
            signal.set_wakeup_fd(-1)
            self._wakeup = None
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()

    def _handle(self, number: signal.Signals, handler: Any) -> None:
        former = signal.signal(number, handler)
        self._handlers.setdefault(number, former)

    def close(self) -> None:
        """Gives the signals back. Idempotent."""
        if self._write < 0:
            return
        if self._soft is not None:
            self._soft.cancel()
        _with_signals.discard(self)
        if self._wakeup is not None:
            signal.set_wakeup_fd(self._wakeup)
        for number, former in self._handlers.items():
            signal.signal(number, former if self._afterwards is None else self._afterwards)
        self._handlers.clear()
        with self._lock:
            os.close(self._read)
            os.close(self._write)
            self._read = self._write = -1
            calls, self._calls = self._calls, []
        for _, future in calls:
            future.set_exception(Closed("the worker has ended"))


_with_signals: weakref.WeakSet[Mailbox] = weakref.WeakSet()


_forking = threading.local()


def _before_fork() -> None:
    """What is sent to the child at once waits until the child has its own handlers."""
    if _with_signals:
        _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _OURS)


def _after_fork() -> None:
    mask = _forking.__dict__.pop("mask", None)
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _forget_signals() -> None:
    for mailbox in list(_with_signals):
        mailbox.forget_signals()
    _with_signals.clear()
    _after_fork()


os.register_at_fork(
    before=_before_fork, after_in_parent=_after_fork, after_in_child=_forget_signals
)


def show_stacks_on_request() -> None:
    """Has SIGUSR1 write the stacks of all threads to standard error."""
    import faulthandler

    with suppress(ValueError, AttributeError, OSError):  # standard error is closed, or no file
        faulthandler.register(signal.SIGUSR1)


def _has_terminal() -> bool:
    try:
        return sys.stdin is not None and sys.stdin.isatty()
    except ValueError:  # closed
        return False
