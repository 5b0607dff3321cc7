"""One thread that runs jobs one after another, and how to interrupt the one that runs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Coroutine
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from millrace import _core
from millrace.errors import SoftTimeLimitExceeded, TaskRevokedError, TimeLimitExceeded
from millrace.worker.outcomes import WorkerAbort

if TYPE_CHECKING:
    import asyncio

# SIGUSR1 shows stacks, as Celery's users expect.
_INTERRUPT: Final = getattr(signal, "SIGRTMIN", signal.SIGUSR2)

_INSIST_S: Final = 0.05

INTERRUPTIONS = (SoftTimeLimitExceeded, TimeLimitExceeded, TaskRevokedError, WorkerAbort)


class Slot:
    """Belongs to the thread that made it. `interrupt` may be called from any other.

    In the main thread a signal does it, which also ends a blocking system call; in other threads Python raises the
    exception at the next bytecode, so a blocking call ends first. An `async def` task is cancelled instead, and ends
    with the interruption unless it catches CancelledError.
    """

    def __init__(self, *, use_signal: bool) -> None:
        self._thread_id = threading.get_ident()
        self._use_signal = use_signal
        self._lock = threading.Lock()
        self._token = 0
        self._is_async = False
        self._wanted: tuple[int, type[BaseException]] | None = None
        self._raised = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._coroutine: asyncio.Task[Any] | None = None
        if use_signal:
            signal.signal(_INTERRUPT, self._on_signal)

    def enter(self, token: int, *, is_async: bool = False) -> None:
        """The job with this token begins. What an `async def` task does, it does in `run_coroutine`."""
        self._is_async = is_async
        self._token = token

    def leave(self) -> None:
        """The job has ended: whatever was to interrupt it must not hit the next one."""
        if self._use_signal:
            self._token = 0
            return
        while True:
            try:
                with self._lock:
                    self._token = 0
                    if self._raised:
                        _core.raise_in_thread(self._thread_id, None)
                        self._raised = False
                return
            except INTERRUPTIONS:
                continue  # it came too late to interrupt anything

    def interrupt(self, token: int, error: type[BaseException]) -> None:
        """Raises the exception inside the job, if that is still the one that runs."""
        with self._lock:
            if self._token != token:
                return
            self._wanted = (token, error)
            if self._coroutine is not None and self._loop is not None:
                self._loop.call_soon_threadsafe(self._coroutine.cancel)
            elif self._is_async:
                pass  # the coroutine has not begun, and does not; or it has ended
            elif self._use_signal:
                signal.pthread_kill(self._thread_id, _INTERRUPT)
                threading.Thread(
                    target=self._insist, args=(self._wanted,), name="millrace-insist", daemon=True
                ).start()
            else:
                self._raised = True
                _core.raise_in_thread(self._thread_id, error)

    def _insist(self, wanted: tuple[int, type[BaseException]]) -> None:
        """Sends the signal again until Python has seen it: one that comes just before a system call does not end it."""
        pause = threading.Event()
        while not pause.wait(_INSIST_S):
            with self._lock:
                if self._wanted is not wanted or self._token != wanted[0]:
                    return
                signal.pthread_kill(self._thread_id, _INTERRUPT)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        wanted, self._wanted = self._wanted, None
        if wanted is not None and wanted[0] == self._token:
            raise wanted[1]

    def run_coroutine(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Runs an `async def` task to its end on this thread's own event loop."""
        import asyncio

        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.new_event_loop()
        token = self._token
        with self._lock:
            early = self._wanted
            if early is not None and early[0] == token:
                coroutine.close()
                raise early[1]
            made = self._coroutine = loop.create_task(coroutine)
        try:
            return loop.run_until_complete(made)
        except asyncio.CancelledError:
            wanted = self._wanted
            if wanted is not None and wanted[0] == token:
                raise wanted[1] from None
            raise
        except SystemExit:
            made.exception()  # asyncio has raised it already, and would log that nobody has asked for it
            raise
        finally:
            self._coroutine = None

    def close(self) -> None:
        """Closes the event loop, if one was needed."""
        if self._loop is not None:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()
            self._loop = None
