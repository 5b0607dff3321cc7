"""Two Redis servers on loopback ports: without persistence, and with an fsync per write."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

import common
from ports import free_port

# What each variant is started with; everything else is Redis's default.
VARIANTS = {
    "redis": ["--appendonly", "no"],
    "redis, fsync": ["--appendonly", "yes", "--appendfsync", "always"],
}


def _command(port: int, line: str) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(f"{line}\r\n".encode())
        return connection.recv(4096).decode()


class RedisServers:
    """Context manager: both servers run while it is open. `url[variant]` is where."""

    def __init__(self, directory: Path, *, enabled: bool = True) -> None:
        self._directory = directory
        self._variants = VARIANTS if enabled else {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._ports: dict[str, int] = {}
        self.url: dict[str, str] = {}

    def __enter__(self) -> RedisServers:
        for variant, persistence in self._variants.items():
            home = self._directory / variant.replace(", ", "-")
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir(parents=True)
            port = free_port()
            base = ("redis-server", "--bind", "127.0.0.1", "--save", "")
            self._processes[variant] = subprocess.Popen(
                [*base, "--port", str(port), "--dir", str(home), *persistence],
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._ports[variant] = port
            self.url[variant] = f"redis://127.0.0.1:{port}"
        for variant in self._variants:
            common.wait_for(lambda v=variant: self._alive(v), f"Redis ({variant})", timeout_s=10)  # type: ignore[misc]
        return self

    def _alive(self, variant: str) -> bool:
        try:
            return _command(self._ports[variant], "PING").startswith("+PONG")
        except OSError:
            return False

    def clear(self, variant: str) -> None:
        """Empty every database of one server."""
        _command(self._ports[variant], "FLUSHALL")

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait(timeout=20)
