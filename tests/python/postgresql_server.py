"""A PostgreSQL server of the tests' own, on the loopback interface."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Server:
    port: int

    @property
    def dsn(self) -> str:
        """As psycopg takes it."""
        return f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres"

    @property
    def url(self) -> str:
        """As Node's pg takes it."""
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"


def _find() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


def programs() -> Path:
    """The server's programs; installs Debian's package where that is possible and it is missing."""
    found = _find()
    if found is None and shutil.which("apt-get") and os.geteuid() == 0:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (
            ["apt-get", "update", "-qq"],
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "postgresql"],
        ):
            done = subprocess.run(
                command, check=False, env=environment, capture_output=True, text=True
            )
            assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}"
        found = _find()
    if found is None or shutil.which("runuser") is None:
        pytest.skip(
            "no PostgreSQL server is installed, and only root on Debian can install one here"
        )
    return found


@contextlib.contextmanager
def running() -> Iterator[Server]:
    where = programs()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = Server(free.getsockname()[1])
    # Not below pytest's own folder, which is closed to the server's user.
    folder = Path(tempfile.mkdtemp(prefix="millrace-postgresql-"))
    shutil.chown(folder, "postgres")
    as_server = ["runuser", "-u", "postgres", "--"]
    data = folder / "data"
    subprocess.run(
        [*as_server, where / "initdb", "-D", data, "-A", "trust", "-N"],
        check=True,
        capture_output=True,
        cwd=folder,
    )
    options = f"-c listen_addresses=127.0.0.1 -p {server.port} -k {folder}"
    control = [*as_server, where / "pg_ctl", "-D", data, "-w", "-l", folder / "log"]
    subprocess.run([*control, "-o", options, "start"], check=True, capture_output=True, cwd=folder)
    try:
        yield server
    finally:
        stop = [*control, "-m", "immediate", "stop"]
        subprocess.run(stop, check=True, capture_output=True, cwd=folder)
        shutil.rmtree(folder)
