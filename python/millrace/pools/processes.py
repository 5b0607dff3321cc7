"""Jobs in child processes: the default. A crash or a hard time limit costs one child and one attempt.

The children are started afresh (never forked) and work the store by themselves, each with a session of its own: no job
passes through this process, which only starts, restarts and stops them. A socket pair to each child carries commands;
its end tells each side that the other is gone.
"""

from __future__ import annotations

import json
import selectors
import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from millrace.log import logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from millrace.app import Millrace
    from millrace.worker.mailbox import Mailbox
    from millrace.worker.options import WorkerOptions

STOP_BYTE: Final = b"s"
ABORT_BYTE: Final = b"a"

EXIT_TIME_LIMIT: Final = 70
EXIT_TERMINATED: Final = 71
EXIT_CANNOT_START: Final = 78

_YOUNG_S: Final = 1.0  # a child that dies younger than this is not restarted at once
_RESTART_MAX_S: Final = 30.0


class Child:
    """One process of the pool."""

    def __init__(self, index: int, config: dict[str, Any]) -> None:
        self.index = index
        self.ready = False
        self.started = time.monotonic()
        self.socket, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", "millrace.worker.child", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=_environment(),
            )
        self.send(json.dumps(config).encode() + b"\n")

    def send(self, data: bytes) -> None:
        """Sends a command; a child that is gone needs none."""
        with suppress(OSError):
            self.socket.sendall(data)

    def reap(self) -> int:
        """Its exit status, once its side of the socket has been closed."""
        self.socket.close()
        return self.process.wait()


def _environment() -> dict[str, str]:
    """The children must find the same millrace as this process, however this one found it."""
    import os

    import millrace

    package_root = os.path.dirname(os.path.dirname(os.path.abspath(millrace.__file__)))  # noqa: PTH100, PTH120
    environment = dict(os.environ)
    paths = [package_root, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    return environment


class ProcessesPool:
    """The supervisor of the children."""

    def __init__(
        self, app: Millrace, options: WorkerOptions, mailbox: Mailbox, location: str
    ) -> None:
        child_options = options.to_json()
        child_options.update(pool="solo", concurrency=1)
        self._config: dict[str, Any] = {
            "app": location,
            "store": app.store,
            "durability": app.durability,
            "sys_path": sys.path,
            "options": child_options,
        }
        self._options = options
        self._mailbox = mailbox
        self._selector = selectors.DefaultSelector()
        self._children: dict[int, Child] = {}
        self._restarts: dict[int, float] = {}  # index -> monotonic time at which to start it again
        self._failures: dict[int, int] = {}
        self._status = 0
        self.on_ready: Callable[[], None] | None = None

    def run(self) -> int:
        """Works until it is stopped; answers the exit status."""
        self._selector.register(self._mailbox.fileno(), selectors.EVENT_READ, None)
        try:
            for index in range(self._options.concurrency):
                self._start(index)
            while self._children or (self._restarts and self._mailbox.stage == 0):
                self._step()
        finally:
            for child in self._children.values():
                child.process.kill()
                child.reap()
            self._selector.close()
        return self._status

    def _start(self, index: int) -> None:
        child = Child(index, self._config)
        self._children[index] = child
        self._selector.register(child.socket, selectors.EVENT_READ, child)

    def _step(self) -> None:
        for key, _ in self._selector.select(self._timeout()):
            if key.data is None:
                for message in self._mailbox.read():
                    if self._mailbox.advance(message):
                        self._enter_stage(self._mailbox.stage)
            else:
                self._hear(key.data)
        now = time.monotonic()
        for index in [index for index, due in self._restarts.items() if due <= now]:
            del self._restarts[index]
            if self._mailbox.stage == 0:
                self._start(index)

    def _timeout(self) -> float | None:
        if not self._restarts:
            return None
        return max(0.0, min(self._restarts.values()) - time.monotonic())

    def _hear(self, child: Child) -> None:
        try:
            alive = child.socket.recv(512)
        except OSError:
            alive = b""
        if alive:
            self._hear_ready(child)
            return
        self._selector.unregister(child.socket)
        del self._children[child.index]
        self._ended(child, child.reap())

    def _hear_ready(self, child: Child) -> None:
        child.ready = True
        if self.on_ready is not None and all(each.ready for each in self._children.values()):
            on_ready, self.on_ready = self.on_ready, None
            on_ready()

    def _ended(self, child: Child, status: int) -> None:
        if status == EXIT_CANNOT_START:
            self._status = 1
            self._mailbox.stage = max(1, self._mailbox.stage)
            self._enter_stage(1)
            return
        if self._mailbox.stage > 0:
            return
        if status == EXIT_TIME_LIMIT:
            logger.error("Process %d was ended by its job's time limit", child.process.pid)
        elif status == EXIT_TERMINATED:
            logger.warning("Process %d was ended because its job was revoked", child.process.pid)
        else:
            logger.error(
                "Process %d was lost (status %d); its job goes back to the queue",
                child.process.pid,
                status,
            )
        self._schedule_restart(child, time.monotonic())

    def _schedule_restart(self, child: Child, now: float) -> None:
        if now - child.started >= _YOUNG_S:
            self._failures.pop(child.index, None)
            self._restarts[child.index] = now
            return
        failures = self._failures[child.index] = self._failures.get(child.index, 0) + 1
        delay = 0.0 if failures == 1 else min(_RESTART_MAX_S, 0.1 * 2**failures)
        self._restarts[child.index] = now + delay

    def _enter_stage(self, stage: int) -> None:
        for child in self._children.values():
            if stage == 1:
                child.send(STOP_BYTE)
            elif stage == 2:  # noqa: PLR2004 - the stage that cancels
                child.send(ABORT_BYTE)
            else:
                child.process.kill()
                self._status = 1
