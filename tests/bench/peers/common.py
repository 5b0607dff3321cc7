"""What every Python program of the comparison shares: the payload, clock, waiting, statistics."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

if os.environ.get("BENCH_USER_IMPORTS"):
    import user_imports  # noqa: F401 - for the measurement of memory

HERE = Path(__file__).resolve().parent

# 200 bytes as compact JSON, the same for every library and language.
PAYLOAD: dict[str, Any] = json.loads((HERE / "payload.json").read_text())


def emit(**figures: Any) -> None:
    """Print the program's one line."""
    print(json.dumps(figures), flush=True)


def emit_rate(count: int, seconds: float, **detail: Any) -> None:
    """Print a rate per second with what it was computed from."""
    emit(rate=count / seconds, count=count, seconds=seconds, **detail)


def quantile(values: list[float], q: float) -> float:
    """Return the q-quantile (nearest rank) of `values`."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def wait_for(
    condition: Callable[[], bool], what: str, *, timeout_s: float = 60, pause_s: float = 0.002
) -> None:
    """Poll `condition` until it holds.

    Raises:
        TimeoutError: It did not hold within `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            msg = f"gave up after {timeout_s} s waiting for {what}"
            raise TimeoutError(msg)
        time.sleep(pause_s)


def stamp(kind: str, sent_ns: int) -> None:
    """Append one line about a job's start to $BENCH_SAMPLES.

    The clock is CLOCK_MONOTONIC in ns, comparable between processes and with Node's process.hrtime.
    """
    at_ns = time.monotonic_ns()
    with Path(os.environ["BENCH_SAMPLES"]).open("a") as samples:
        samples.write(f"{at_ns} {sent_ns} {kind} {os.getpid()}\n")


def hold(sent_ns: int) -> None:
    """Say that the job started, then keep its slot until the measurement is over."""
    stamp("hold", sent_ns)
    flag = Path(os.environ["BENCH_SAMPLES"] + ".release")
    while not flag.exists():
        time.sleep(0.05)


def started_nap() -> None:
    """Append the moment of one start: eight bytes, for there are ten thousand of them."""
    with Path(os.environ["BENCH_SAMPLES"]).open("ab", buffering=0) as samples:
        samples.write(time.monotonic_ns().to_bytes(8, "little"))


async def nap() -> None:
    """Start, then wait for longer than any measurement lasts."""
    import asyncio

    started_nap()
    await asyncio.sleep(3600)


def read_naps(path: str) -> list[int]:
    """Return the moments that started_nap() wrote."""
    file = Path(path)
    data = file.read_bytes() if file.exists() else b""
    return [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8)]


def read_samples(path: str) -> list[tuple[int, int, str, int]]:
    """Return what stamp() wrote: (at_ns, sent_ns, kind, pid) of each whole line."""
    file = Path(path)
    if not file.exists():
        return []
    whole = file.read_text().rpartition("\n")[0]
    rows = [line.split(" ") for line in whole.splitlines()]
    return [(int(at), int(sent), kind, int(pid)) for at, sent, kind, pid in rows]
