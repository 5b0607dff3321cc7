"""What a process needs to run in the background: a file with its id, an end in order, other rights, no terminal."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from millrace.errors import InvalidArgument, WrongState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_STOPS: Final = (signal.SIGTERM, signal.SIGINT)
_held: Final[list[PidFile]] = []


class PidFile:
    """A file that holds the process's id while it runs.

    Args:
        path: Where it is.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def read(self) -> int | None:
        """The id that it holds; None if there is no such file, or nothing of sense in it."""
        try:
            return int(self.path.read_text(encoding="ascii").strip())
        except (OSError, ValueError):
            return None

    def running(self) -> int | None:
        """The id that it holds, if there is such a process."""
        pid = self.read()
        return pid if pid is not None and is_alive(pid) else None

    def acquire(self) -> None:
        """Writes this process's id, and removes the file at the end. Raises WrongState if another one runs."""
        try:
            with _locked(self.path.parent):  # of two that start at once one gets it
                self._write()
        except OSError as error:
            raise InvalidArgument(f"--pidfile: {error}") from None
        if not _held:
            atexit.register(release_pid_files)
        _held.append(self)

    def _write(self) -> None:
        other = self.running()
        if other is not None and other != os.getpid():
            raise WrongState(
                f"{self.path} is held by process {other}, which runs; is this one running twice?"
            )
        if self.read() is None and self.path.exists():
            raise InvalidArgument(f"--pidfile: File exists, and holds no process id: {self.path}")
        temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        temporary.write_text(f"{os.getpid()}\n", encoding="ascii")
        temporary.replace(self.path)

    def release(self) -> None:
        """Removes it, if it is this process's."""
        if self.read() == os.getpid():
            with suppress(OSError):
                self.path.unlink()


def release_pid_files() -> None:
    """Removes those of this process: for its end, also where exit handlers are not called."""
    for file in _held:
        file.release()


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    import fcntl

    with ExitStack() as stack:
        # Not every file system can: then a pid file is only looked at first.
        with suppress(OSError):
            handle = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
            stack.callback(os.close, handle)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def too_late(number: int, _frame: FrameType | None) -> None:
    """Handles a signal that asks for the end of a process that ends already: only the next one cuts that short."""
    signal.signal(number, signal.SIG_DFL)


def ignore_at_exit() -> None:
    """For a process that handles signals until its end: the interpreter's own end gives them back to their defaults."""
    atexit.register(_ignore)


def _ignore() -> None:
    for number in _STOPS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def stopped_by_signals(stop: Callable[[], object], *, own_process: bool) -> Iterator[None]:
    """SIGTERM and SIGINT call this: enter it before others can see that the process runs. For the main thread.

    Args:
        stop: Called by them, between two steps of the main thread.
        own_process: Whether the process ends behind this, so that signals come too late then.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    if own_process:
        ignore_at_exit()
    before = {number: signal.signal(number, lambda *_: stop()) for number in _STOPS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, too_late if own_process else handler)


def is_alive(pid: int) -> bool:
    """Whether there is such a process that has not ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        return state != "Z"
    return True


def drop_privileges(uid: str | None, gid: str | None) -> None:
    """Becomes another user and group, given by name or number."""
    if uid is None and gid is None:
        return
    import grp
    import pwd

    try:
        user = None
        if uid is not None:
            user = pwd.getpwuid(int(uid)) if uid.isdecimal() else pwd.getpwnam(uid)
        group = None
        if gid is not None:
            group = int(gid) if gid.isdecimal() else grp.getgrnam(gid).gr_gid
        elif user is not None:
            group = user.pw_gid
    except KeyError as error:
        raise InvalidArgument(f"--uid, --gid: {error.args[0]}") from None
    try:
        if group is not None:
            os.setgroups([group])
            os.setgid(group)
        if user is not None:
            os.setuid(user.pw_uid)
    except PermissionError:
        raise InvalidArgument("--uid, --gid: only the superuser may become another user") from None


def set_umask(umask: str | None) -> None:
    """Sets the rights that new files do not get; an octal number."""
    if umask is None:
        return
    try:
        os.umask(int(umask, 8))
    except ValueError:
        raise InvalidArgument(
            f"--umask must be an octal number such as 022, not {umask!r}"
        ) from None


def detach(argv: list[str], logfile: str | None, umask: str | None) -> int:
    """Runs a command as a process without a terminal, in a session of its own; answers its id. Nobody waits for it."""
    set_umask(umask)
    target = logfile or os.devnull
    try:
        log = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    except OSError as error:
        raise InvalidArgument(f"--logfile: {error}") from None
    import subprocess

    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        process = subprocess.Popen(  # noqa: S603 - this very program
            argv,
            stdin=nothing,
            stdout=log,
            stderr=log,
            start_new_session=True,
            close_fds=True,
        )
    os.close(log)
    process.returncode = 0  # it is not waited for
    return process.pid


def own_command() -> list[str]:
    """The command that started this program."""
    return [sys.executable, *sys.orig_argv[1:]]
