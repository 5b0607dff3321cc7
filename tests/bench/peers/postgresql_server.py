"""A PostgreSQL server on a loopback port, with a cluster of its own in a temporary directory."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from environment import postgresql_programs
from ports import free_port

OWNER = "postgres"  # the server refuses to run as root
DATABASE = "bench"


class PostgresqlServer:
    """Started by the first `clear()`; everything but its address is Debian's default."""

    def __init__(self) -> None:
        self._port = free_port()
        self._home: Path | None = None
        self.url = f"postgres://{OWNER}@127.0.0.1:{self._port}/{DATABASE}"

    def clear(self) -> None:
        """Leave an empty database."""
        self._start()
        for statement in (
            f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)",
            f"CREATE DATABASE {DATABASE}",
            "CHECKPOINT",  # what one program has left to be written is not the next one's load
        ):
            self._call(
                "psql", "-h", "127.0.0.1", "-p", str(self._port), "-qc", statement, "postgres"
            )

    def _start(self) -> None:
        if self._home is not None:
            return
        # Not below build/, whose parents may be closed to the server's user.
        self._home = Path(tempfile.mkdtemp(prefix="millrace-bench-postgresql-"))
        shutil.chown(self._home, OWNER)
        self._call("initdb", "-D", self._data, "-A", "trust")
        options = f"-c listen_addresses=127.0.0.1 -p {self._port} -k {self._home}"
        log = str(self._home / "log")
        self._call("pg_ctl", "-D", self._data, "-w", "-l", log, "-o", options, "start")

    @property
    def _data(self) -> str:
        return str((self._home or Path()) / "data")

    def _call(self, program: str, *words: str) -> None:
        programs = postgresql_programs()
        assert programs is not None
        subprocess.run(
            ["runuser", "-u", OWNER, "--", str(programs / program), *words],
            cwd=self._home,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def close(self) -> None:
        """Stop it and delete its files."""
        if self._home is not None:
            self._call("pg_ctl", "-D", self._data, "-m", "immediate", "stop")
            shutil.rmtree(self._home)
