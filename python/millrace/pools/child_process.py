"""A child of the process pool as its supervisor sees it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from millrace.pools.link import Link

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

GROUP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
EXIT_TIME_LIMIT: Final = 70
EXIT_TERMINATED: Final = 71
EXIT_REPLACED: Final = 72  # it has run as many jobs, or grown as large, as it may
EXIT_CANNOT_START: Final = 78


class ChildProcess:
    """One process of the pool, started afresh: nothing is inherited but the environment and one end of a socket pair.

    Attributes:
        index: Its place in the pool.
        started: When, of the monotonic clock.
        ready: Whether it takes jobs.
        busy: Whether it runs a job, if it was asked to tell.
        leaving: Whether it was told to end when its job has ended.
    """

    def __init__(self, index: int, config: Mapping[str, Any]) -> None:
        self.index = index
        self.ready = False
        self.busy = False
        self.leaving = False
        self.started = time.monotonic()
        ours, theirs = socket.socketpair()
        self.link = Link(ours)
        with theirs, _signals_wait():
            self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", "millrace.worker.child", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=_environment(),
            )
        self.link.send(dict(config))

    def fileno(self) -> int:
        """For selectors."""
        return self.link.socket.fileno()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def reap(self) -> int:
        """Its exit status, once its side of the socket has been closed."""
        self.link.close()
        return self.process.wait()


@contextmanager
def _signals_wait() -> Iterator[None]:
    """What is sent to a child while it starts, as to a whole group of processes, waits until it handles signals."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, GROUP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def signals_may_come() -> None:
    """In a child that handles them now: those that have waited come, too."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, GROUP_SIGNALS)


def _environment() -> dict[str, str]:
    """The children must find the same millrace as this process, however this one found it."""
    import millrace

    package_root = os.path.dirname(os.path.dirname(os.path.abspath(millrace.__file__)))  # noqa: PTH100, PTH120
    environment = dict(os.environ)
    paths = [package_root, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    return environment
