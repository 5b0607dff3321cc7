"""How long the disk under the stores takes for one fdatasync, measured beside everything else."""

from __future__ import annotations

import os
import time
from pathlib import Path

import common

FRAME = b"\x5a" * (8192 + 24)  # one frame of a WAL with 8 KiB pages
PREALLOCATED = 1000 * len(FRAME)


class Disk:
    """Collects samples over the run, so that a slow minute of a shared disk shows in them."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "fdatasync.probe"
        self._samples_us: dict[str, list[float]] = {"overwrite": [], "append": []}

    def sample(self, count: int = 200) -> None:
        """Write a frame and sync it, `count` times inside a file and `count` times behind its end.

        A WAL that has wrapped overwrites; one that grows appends, which syncs the file system's
        journal too.
        """
        for kind, into in self._samples_us.items():
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                if kind == "overwrite":
                    os.write(handle, b"\0" * PREALLOCATED)
                    os.fsync(handle)
                    os.lseek(handle, 0, os.SEEK_SET)
                for _ in range(count):
                    os.write(handle, FRAME)
                    start = time.perf_counter()
                    os.fdatasync(handle)
                    into.append((time.perf_counter() - start) * 1e6)
            finally:
                os.close(handle)
                self._path.unlink()

    def quantile_us(self, kind: str, q: float) -> float:
        """Return a quantile over all samples so far."""
        return common.quantile(self._samples_us[kind], q)

    def figures(self) -> dict[str, float]:
        """Return the four figures that the report names."""
        return {
            f"{kind}_{name}_us": round(self.quantile_us(kind, q), 1)
            for kind in self._samples_us
            for name, q in (("p50", 0.5), ("p99", 0.99))
        }
