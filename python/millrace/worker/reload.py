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

    def _add_tree(self, root: Path) -> None:
        for directory, names, _ in os.walk(root):
            names[:] = [name for name in names if name not in _SKIP and not name.startswith(".")]
            mask = _CLOSE_WRITE | _MOVED_TO | _CREATE | _DELETE
            watch = self._libc.inotify_add_watch(self._fd, os.fsencode(directory), mask)
            if watch >= 0:
                self._paths[watch] = Path(directory)

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
                    self._add_tree(path)
                elif name.endswith(".py") and not mask & _CREATE:
                    found.append(path)

    def close(self) -> None:
        """Ends the watch."""
        os.close(self._fd)


def run_reloading(command: list[str], directories: Iterable[Path]) -> int:
    """Runs a command, and runs it again whenever a source file changes; until a signal ends it.

    Args:
        command: The worker, without `--reload`.
        directories: Where its sources are.

    Returns:
        The exit status of the last run.
    """
    watch = SourceWatch(directories)
    read, write = os.pipe()
    os.set_blocking(write, False)
    before = {
        number: signal.signal(number, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
    }
    wakeup = signal.set_wakeup_fd(write)
    process, ended = _spawn(command), False
    try:
        while True:
            ready, _, _ = select.select([watch.fileno(), read], [], [])
            asked = [n for n in (os.read(read, 512) if read in ready else b"") if n in _STOPS]
            if asked:
                # The Ctrl-C of a terminal has reached the worker, too: it is in the same group of processes.
                if not ended and (signal.SIGTERM in asked or not _in_foreground()):
                    process.send_signal(signal.SIGTERM)
                return process.wait()
            if watch.fileno() in ready and _settled(watch):
                print("millrace: a source file has changed: starting again", file=sys.stderr)  # noqa: T201
                if not ended:
                    process.terminate()
                    process.wait()
                process, ended = _spawn(command), False
            elif not ended and process.poll() is not None:
                ended = True
                print("millrace: the worker has ended: waiting for a change", file=sys.stderr)  # noqa: T201
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        watch.close()
        os.close(read)
        os.close(write)


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
