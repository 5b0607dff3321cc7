"""Messages between a supervisor and a child of the process pool: JSON objects, one a line, over a socket pair."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import suppress
from typing import Any, Final

# From the supervisor.
STOP: Final = "stop"  # end when the running job has ended
ABORT: Final = "abort"  # cancel the running job, then end
CALL: Final = "call"  # answer with REPLY
# From the child.
READY: Final = "ready"
REPLY: Final = "reply"
BUSY: Final = "busy"  # a job begins; only said if the supervisor wants to know
IDLE: Final = "idle"
LEAVE: Final = "leave"  # a task wants the whole worker to stop

_CHUNK: Final = 65_536


class Link:
    """One end. `send` is thread-safe; only one thread may receive."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        self._buffer = bytearray()
        self._lock = threading.Lock()

    def send(self, message: dict[str, Any]) -> None:
        """Sends a message; an other end that is gone needs none."""
        data = json.dumps(message).encode() + b"\n"
        with self._lock, suppress(OSError):
            self.socket.sendall(data)

    def receive(self) -> list[dict[str, Any]] | None:
        """The messages that have come, after waiting for some bytes; None once the other end is gone."""
        try:
            data = self.socket.recv(_CHUNK)
        except OSError:
            data = b""
        if not data:
            return None
        self._buffer += data
        *lines, rest = self._buffer.split(b"\n")
        self._buffer = bytearray(rest)
        return [json.loads(line) for line in lines]

    def receive_one(self) -> dict[str, Any] | None:
        """Waits for the first message, byte by byte: what follows it stays for `receive`."""
        data = bytearray()
        while not data.endswith(b"\n"):
            part = self.socket.recv(1)
            if not part:
                return None
            data += part
        message: dict[str, Any] = json.loads(data)
        return message

    def close(self) -> None:
        """Tells the other end that this one is gone."""
        self.socket.close()
