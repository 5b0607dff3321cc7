"""`--reload`: starts the worker again when a source file has changed. For development.

The kernel tells of changes (inotify); nothing looks at files again and again.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import struct
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from millrace.errors import InvalidArgument
from millrace.worker import daemon

_CLOSE_WRITE: Final = 0x8
_MOVED_TO: Final = 0x80
_CREATE: Final = 0x100
_DELETE: Final = 0x200
_IS_DIR: Final = 0x40000000
_EVENT: Final = struct.Struct("iIII")
_SETTLE_S: Final = 0.1  # an editor writes several files
_STOPS: Final = (signal.SIGTERM, signal.SIGINT)
_SKIP: Final = {"__pycache__", "node_modules", ".git", ".venv", "venv", "build", "dist"}


class SourceWatch:
    """Becomes readable when a Python file in one of these directories, or below, has changed.

    Args:
        directories: Where to look.
    """

    def __init__(self, directories: Iterable[Path]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(self._libc, "inotify_init1"):
            raise InvalidArgument(
                "--reload needs Linux: this system does not tell of changed files"
            )
        self._fd = int(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        if self._fd < 0:
            raise InvalidArgument(f"--reload: {os.strerror(ctypes.get_errno())}")
        self._paths: dict[int, Path] = {}
        for directory in directories:
            self._add_tree(directory)

    def fileno(self) -> int:
        """For select."""
        return self._fd

    def _add_tree(self, root: Path) -> list[Path]:
        """Watches a directory and those below; answers the Python files that are there."""
        found: list[Path] = []
        for directory, names, files in os.walk(root):
            names[:] = [name for name in names if not _is_skipped(name)]
            mask = _CLOSE_WRITE | _MOVED_TO | _CREATE | _DELETE
            watch = self._libc.inotify_add_watch(self._fd, os.fsencode(directory), mask)
            if watch >= 0:
                self._paths[watch] = Path(directory)
            found += [Path(directory) / name for name in files if name.endswith(".py")]
        return found

    def changed(self) -> list[Path]:
        """The Python files that have changed since the last call."""
        found: list[Path] = []
        while True:
            try:
                data = os.read(self._fd, 65_536)
            except BlockingIOError:
                return found
            offset = 0
            while offset < len(data):
                watch, mask, _, length = _EVENT.unpack_from(data, offset)
                offset += _EVENT.size
                name = data[offset : offset + length].rstrip(b"\0").decode(errors="replace")
                offset += length
                path = self._paths.get(watch, Path()) / name
                if mask & _IS_DIR and mask & (_CREATE | _MOVED_TO):
                    if not _is_skipped(name):
                        found += self._add_tree(
                            path
                        )  # what was written into it before it was watched
                elif name.endswith(".py") and not mask & _CREATE:
                    found.append(path)

    def close(self) -> None:
        """Ends the watch."""
        os.close(self._fd)


def run_reloading(
    command: list[str], directories: Iterable[Path], *, own_process: bool = False
) -> int:
    """Runs a command, and runs it again whenever a source file changes; until a signal ends it.

    Args:
        command: The worker, without `--reload`.
        directories: Where its sources are.
        own_process: Whether the process ends behind this, so that signals come too late then.

    Returns:
        The exit status of the last run.
    """
    watch = SourceWatch(directories)
    if own_process:
        daemon.ignore_at_exit()
    read, write = os.pipe()
    os.set_blocking(write, False)
    before = {
        number: signal.signal(number, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
    }
    wakeup = signal.set_wakeup_fd(write)
    run = _Run(command)
    try:
        while True:
            ready, _, _ = select.select([watch.fileno(), read], [], [])
            for number in os.read(read, 512) if read in ready else b"":
                if number in _STOPS:
                    run.stop(number)
            if watch.fileno() in ready and _settled(watch):
                run.again()
            if run.over():
                return run.status
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            late = own_process and number in _STOPS
            signal.signal(number, daemon.too_late if late else handler)
        watch.close()
        os.close(read)
        os.close(write)


class _Run:
    """The worker that runs now, and what follows its end."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = _spawn(command)
        self._stops = False
        self._again = False
        self.status = 0

    def stop(self, number: int) -> None:
        """Passes a signal on: the second one cancels what runs."""
        self._stops = True
        # The Ctrl-C of a terminal has reached the worker, too: it is in the same group of processes.
        if self._process is not None and (number == signal.SIGTERM or not _in_foreground()):
            self._process.send_signal(signal.SIGTERM)

    def again(self) -> None:
        """Has it started again, once it has ended."""
        if self._stops or self._again:
            return
        _say("a source file has changed: starting again")
        if self._process is None:
            self._process = _spawn(self._command)
        else:
            self._again = True
            self._process.terminate()

    def over(self) -> bool:
        """Whether it has ended for good; starts it again if that is wanted."""
        status = self._process.poll() if self._process is not None else None
        if status is not None:
            # One that did not handle the signal yet had not begun anything.
            self.status = 0 if status == -signal.SIGTERM else status
            self._process = None
            if self._again and not self._stops:
                self._process, self._again = _spawn(self._command), False
            elif not self._stops:
                _say("the worker has ended: waiting for a change")
        return self._stops and self._process is None


def _say(text: str) -> None:
    print(f"millrace: {text}", file=sys.stderr, flush=True)  # noqa: T201


def _is_skipped(name: str) -> bool:
    return name in _SKIP or name.startswith(".")


def _in_foreground() -> bool:
    """Whether a terminal sends its signals to this group of processes."""
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


def _settled(watch: SourceWatch) -> bool:
    """Whether sources have changed; waits until what writes them is done."""
    found = watch.changed()
    while found and select.select([watch], [], [], _SETTLE_S)[0]:
        found += watch.changed()
    return bool(found)


def _spawn(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command)  # noqa: S603 - this very program without --reload
