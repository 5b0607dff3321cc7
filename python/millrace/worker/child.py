"""A child of the process pool: `python -m millrace.worker.child FD`, where FD is its socket to the supervisor."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

from millrace import log
from millrace.errors import MillraceError
from millrace.log import logger
from millrace.pools.processes import ABORT_BYTE, EXIT_CANNOT_START, EXIT_TERMINATED, EXIT_TIME_LIMIT
from millrace.pools.solo import SoloPool
from millrace.worker.locate import load_app
from millrace.worker.mailbox import ABORT, STOP, Mailbox
from millrace.worker.options import WorkerOptions
from millrace.worker.outcomes import revoked

if TYPE_CHECKING:
    from millrace.app import Millrace


def _read_config(supervisor: socket.socket) -> dict[str, Any]:
    data = bytearray()
    while not data.endswith(b"\n"):
        part = supervisor.recv(1)
        if not part:
            sys.exit(EXIT_CANNOT_START)  # the supervisor is gone already
        data += part
    config: dict[str, Any] = json.loads(data)
    return config


def _prepare(config: dict[str, Any]) -> Millrace:
    sys.path[:] = config["sys_path"]
    # The application computes these from its environment when it is imported; the supervisor has done so already.
    os.environ.setdefault("MILLRACE_STORE", config["store"])
    app = load_app(config["app"])
    if app.store != config["store"]:
        raise RuntimeError(
            f"{config['app']} has the store {app.store} here, but {config['store']} in the supervisor"
        )
    return app


class Child:
    """The solo pool of this process, and what the supervisor and the core may do to it."""

    def __init__(self, app: Millrace, options: WorkerOptions, supervisor: socket.socket) -> None:
        self._supervisor = supervisor
        self._mailbox = Mailbox()
        self._mailbox.install_signals(terminal=False)
        self._pool = SoloPool(
            app,
            options,
            self._mailbox,
            terminate=self._terminate,
            hard_limit_exit_code=EXIT_TIME_LIMIT,
        )

    def run(self) -> int:
        """Works until it is stopped."""
        threading.Thread(target=self._listen, name="millrace-supervisor", daemon=True).start()
        self._pool.on_ready = lambda: self._supervisor.sendall(b"r")
        try:
            return self._pool.run()
        finally:
            self._mailbox.close()

    def _listen(self) -> None:
        while True:
            command = self._supervisor.recv(1)
            self._mailbox.post(ABORT if command == ABORT_BYTE else STOP)
            if not command:
                return  # the supervisor is gone: what runs may finish, then this ends too

    def _terminate(self, token: int) -> None:
        """Ends this process because its job was revoked with terminate=True. Called by the monitor's thread."""
        logger.warning("Ending the process: its job was revoked")
        session = self._pool.session
        try:
            session.settle(revoked(token, "terminated"))
            while not any(settled.token == token for settled in session.drain(1000).settled):
                pass
        except MillraceError as error:
            logger.error("The revoked job could not be settled: %s", error)
        os._exit(EXIT_TERMINATED)


def main() -> int:
    """Reads the configuration from the supervisor and works."""
    supervisor = socket.socket(fileno=int(sys.argv[1]))
    supervisor.set_inheritable(False)
    config = _read_config(supervisor)
    try:
        options = WorkerOptions(**config["options"])
        log.configure(options.loglevel)
        child = Child(_prepare(config), options, supervisor)
    except Exception:  # noqa: BLE001 - the supervisor stops everything on this status
        traceback.print_exc()
        return EXIT_CANNOT_START
    return child.run()


if __name__ == "__main__":
    sys.exit(main())
