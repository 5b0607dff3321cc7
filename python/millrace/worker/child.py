"""A child of the process pool: `python -m millrace.worker.child FD`, where FD is its socket to the supervisor."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any, Final

from millrace import _core, log, serializer, signals
from millrace.errors import MillraceError, TimeLimitExceeded
from millrace.log import logger
from millrace.pools import link
from millrace.pools.child_process import (
    EXIT_CANNOT_START,
    EXIT_REPLACED,
    EXIT_TERMINATED,
    EXIT_TIME_LIMIT,
    signals_may_come,
)
from millrace.pools.link import Link
from millrace.pools.solo import SoloPool
from millrace.request import set_hostname
from millrace.worker import main as worker_main
from millrace.worker.locate import import_modules, load_app
from millrace.worker.mailbox import ABORT, STOP, Mailbox, show_stacks_on_request
from millrace.worker.options import WorkerOptions
from millrace.worker.outcomes import revoked

if TYPE_CHECKING:
    from collections.abc import Callable

    from millrace.app import Millrace

_WRITE_MS: Final = 5_000
_PAGE_KIB: Final = os.sysconf("SC_PAGE_SIZE") // 1024


def _prepare(config: dict[str, Any], options: WorkerOptions) -> Millrace:
    worker_main.in_child = True
    sys.path[:] = config["sys_path"]
    # The application computes these from its environment when it is imported; the supervisor has done so already.
    os.environ.setdefault("MILLRACE_STORE", config["store"])
    app = load_app(config["app"])
    if options.config:
        app.config_from_object(options.config)
    app.use_store(
        config["store"]
    )  # the supervisor may have been told another one than the settings
    import_modules(app, options.include)
    set_hostname(options.name)
    return app


def memory_kib() -> int:
    """How much memory this process has in use."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - after each job: pathlib costs more
            return int(file.read().split()[1]) * _PAGE_KIB
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class Child:
    """The solo pool of this process, and what the supervisor and the core may do to it."""

    def __init__(
        self,
        app: Millrace,
        options: WorkerOptions,
        supervisor: Link,
        mailbox: Mailbox,
        config: dict[str, Any],
    ) -> None:
        self._options = options
        self._supervisor = supervisor
        self._tells_busy = bool(config["tell_busy"])
        self._ended = 0
        self._replaced = False
        self._mailbox = mailbox
        self._pool = SoloPool(
            app,
            options,
            self._mailbox,
            terminate=self._terminate,
            hard_limit=self._hard_limit,
            hard_limit_exit_code=EXIT_TIME_LIMIT,
            leave=self._ask_to_leave,
        )
        for task, (soft_ms, hard_ms) in config["limits"].items():
            self._pool.set_time_limit(task, soft_ms, hard_ms)
        if self._tells_busy or options.max_tasks_per_child or options.max_memory_per_child:
            self._pool.around = self._around

    def run(self) -> int:
        """Works until it is stopped."""
        while select.select([self._supervisor.socket], [], [], 0)[0]:  # before the first job
            if not self._hear():
                break
        threading.Thread(target=self._listen, name="millrace-supervisor", daemon=True).start()
        self._pool.on_ready = lambda: self._supervisor.send({"op": link.READY})
        try:
            status = self._pool.run()
        finally:
            self._mailbox.close()
        self._supervisor.send({"op": "counted", "totals": self._pool.totals()})
        return EXIT_REPLACED if self._replaced and status == 0 else status

    def _ask_to_leave(self, terminate: bool, status: int) -> None:
        """A task wants the worker to stop: the supervisor, and until it says so this process takes nothing more."""
        self._supervisor.send({"op": link.LEAVE, "terminate": terminate, "status": status})
        self._mailbox.leave(terminate, 0)

    def _around(self, begins: bool) -> bool:
        if self._tells_busy:
            self._supervisor.send({"op": link.BUSY if begins else link.IDLE})
        if begins:
            return True
        self._ended += 1
        most, most_kib = self._options.max_tasks_per_child, self._options.max_memory_per_child
        if most is not None and self._ended >= most:
            self._replaced = True
        elif most_kib is not None and (used := memory_kib()) > most_kib:
            logger.warning("The process uses %d KiB, more than %d: it is replaced", used, most_kib)
            self._replaced = True
        return not self._replaced

    def _listen(self) -> None:
        while self._hear():
            pass

    def _hear(self) -> bool:
        """Does what the supervisor wants; false once it is gone."""
        messages = self._supervisor.receive()
        if messages is None:
            self._mailbox.post(STOP)  # what runs may finish, then this ends too
            return False
        commands: dict[str, Callable[..., Any]] = {
            "active": self._pool.active,
            "totals": self._pool.totals,
            "limit": self._pool.set_time_limit,
        }
        for message in messages:
            kind = message["op"]
            if kind == link.CALL:
                value = commands[message["command"]](*message["arguments"])
                self._supervisor.send({"op": link.REPLY, "id": message["id"], "value": value})
            else:
                self._mailbox.post(ABORT if kind == link.ABORT else STOP)
        return True

    def _terminate(self, token: int, signal_name: str) -> None:
        """Ends this process because its job was revoked with terminate=True. Called by the monitor's thread."""
        if signal_name == "SIGUSR1":  # the runner raises it in the job
            return
        logger.warning("Ending the process: its job was revoked")
        self._leave(revoked(token, "terminated"), EXIT_TERMINATED)

    def _hard_limit(self, token: int) -> None:
        """Ends this process because of the worker's own time limit. Called by the watchdog's thread."""
        error = TimeLimitExceeded("the job ran longer than its worker's time limit")
        request = self._pool.station.runner.running.get(token)
        task = request.owner if request is not None else None
        outcome = _core.Outcome(
            token,
            "failed",
            serializer.encode_error(error),
            retryable=task is not None and task.is_retryable(error),
            policy=task.policy if task is not None else None,
        )
        self._leave(outcome, EXIT_TIME_LIMIT)

    def _leave(self, outcome: _core.Outcome, status: int) -> None:
        session = self._pool.station.session
        try:
            session.settle(outcome)
            session.close(_WRITE_MS)
        except MillraceError as error:
            logger.error("The end of the job could not be written: %s", error)
        os._exit(status)


def main() -> int:
    """Reads the configuration from the supervisor and works."""
    mailbox = Mailbox()
    mailbox.install_signals(terminal=False, afterwards=signal.SIG_IGN)
    signals_may_come()
    end = socket.socket(fileno=int(sys.argv[1]))
    end.set_inheritable(False)
    supervisor = Link(end)
    config = supervisor.receive_one()
    if config is None:
        return EXIT_CANNOT_START  # the supervisor is gone already
    try:
        options = WorkerOptions(**config["options"])
        show_stacks_on_request()
        app = _prepare(config, options)
        log.configure(options.loglevel, app=app, logfile=options.logfile, node=options.name)
        child = Child(app, options, supervisor, mailbox, config)
        signals.worker_process_init.send(sender=None)
    except Exception:  # noqa: BLE001 - the supervisor stops everything on this status
        traceback.print_exc()
        return EXIT_CANNOT_START
    status = 1
    try:
        status = child.run()
    finally:
        signals.worker_process_shutdown.send(sender=None, pid=os.getpid(), exitcode=status)
    return status


if __name__ == "__main__":
    sys.exit(main())
