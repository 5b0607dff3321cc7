"""`millrace bench`: how fast this engine is on this machine and this disk, measured through the public API."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from millrace import Millrace, _core
from millrace.cli import text
from millrace.cli.bench_tasks import PAYLOAD, make_app
from millrace.errors import InvalidArgument
from millrace.options import DurabilityName
from millrace.worker import Worker, WorkerOptions

_MANY: Final = 1_000
_BATCH: Final = 100
_THREADS: Final = 8
_ROUND_TRIPS: Final = 200
_SYNCS: Final = 200
_FRAME: Final = b"\x5a" * (8192 + 24)  # of the write-ahead log


class Measure(NamedTuple):
    """One kind of work; its function answers figures by unit."""

    work: str
    run: Callable[[Millrace, int], dict[str, float]]


def _rate(jobs: int, began: float) -> dict[str, float]:
    return {"jobs/s": jobs / (time.perf_counter() - began)}


def _enqueue_one(app: Millrace, jobs: int) -> dict[str, float]:
    noop = app.tasks["noop"]
    began = time.perf_counter()
    for _ in range(jobs):
        noop.delay(**PAYLOAD)
    return _rate(jobs, began)


def _enqueue_many(app: Millrace, jobs: int) -> dict[str, float]:
    noop = app.tasks["noop"]
    calls = [PAYLOAD] * min(_MANY, jobs)
    began, left = time.perf_counter(), jobs
    while left > 0:
        noop.delay_many(calls[:left])
        left -= len(calls)
    return _rate(jobs, began)


@contextlib.contextmanager
def _worker(app: Millrace) -> Iterator[None]:
    worker = Worker(app, WorkerOptions(pool="threads", concurrency=_THREADS))
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join()


def _await_all(app: Millrace, jobs: int) -> None:
    """Returns when all jobs have ended, as the log of events tells."""
    with app.events(after="", types=["completed", "failed"]) as events:
        for number, _ in enumerate(events, 1):
            if number == jobs:
                return


def _work(app: Millrace, jobs: int) -> dict[str, float]:
    noop = app.tasks["noop"]
    noop.delay_many([PAYLOAD] * jobs)
    began = time.perf_counter()
    with _worker(app):
        _await_all(app, jobs)
        return _rate(jobs, began)


def _life(app: Millrace, jobs: int) -> dict[str, float]:
    noop = app.tasks["noop"]
    calls = [PAYLOAD] * _BATCH
    with _worker(app):
        began, left = time.perf_counter(), jobs
        while left > 0:
            noop.delay_many(calls[:left])
            left -= len(calls)
        _await_all(app, jobs)
        return _rate(jobs, began)


def _latency(app: Millrace, jobs: int) -> dict[str, float]:
    """From just before the enqueue in this process to the first line of the task in another, which was idle."""
    stamp = app.tasks["stamp"]
    command = [sys.executable, "-m", "millrace.cli.bench_tasks", app.store, app.durability]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as child:  # noqa: S603 - our own program
        try:
            stamp.delay().get(timeout=60)  # it is up
            waits: list[float] = []
            for _ in range(min(jobs, _ROUND_TRIPS)):
                sent_ns = time.monotonic_ns()
                started_ns: int = stamp.delay().get(timeout=60)
                waits.append((started_ns - sent_ns) / 1e6)
        finally:
            assert child.stdin is not None
            child.stdin.close()  # ends it
    return {"ms p50": quantile(waits, 0.5), "ms p99": quantile(waits, 0.99)}


MEASURES: Final = (
    Measure("enqueue, one at a time", _enqueue_one),
    Measure(f"enqueue, {_MANY:,} a call", _enqueue_many),
    Measure(f"work no-op tasks, {_THREADS} threads", _work),
    Measure(f"whole life, enqueued {_BATCH} a call", _life),
    Measure("enqueue to start in another process", _latency),
)


def quantile(values: list[float], share: float) -> float:
    """The value below which this share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def disk_figures(folder: Path) -> dict[str, float]:
    """How long the disk takes for what an acknowledgement at durability `power` waits for."""
    times: list[float] = []
    probe = folder / "probe"
    handle = os.open(probe, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, b"\0" * (len(_FRAME) * _SYNCS))
        os.fsync(handle)
        os.lseek(handle, 0, os.SEEK_SET)
        sync = getattr(os, "fdatasync", os.fsync)
        for _ in range(_SYNCS):
            os.write(handle, _FRAME)
            began = time.perf_counter()
            sync(handle)
            times.append((time.perf_counter() - began) * 1e6)
    finally:
        os.close(handle)
        probe.unlink()
    return {
        "fdatasync_us_p50": round(quantile(times, 0.5), 1),
        "fdatasync_us_p99": round(quantile(times, 0.99), 1),
    }


class _Progress:
    """A bar on standard error, if that is a terminal."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._done = 0
        self._shown = sys.stderr.isatty()

    def step(self, what: str) -> None:
        if self._shown:
            filled = 30 * self._done // self._steps
            bar = "#" * filled + "." * (30 - filled)
            sys.stderr.write(f"\r\x1b[K[{bar}] {self._done}/{self._steps}  {what}")
            sys.stderr.flush()
        self._done += 1

    def end(self) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _measure(
    folder: Path, durabilities: list[DurabilityName], args: Namespace
) -> list[dict[str, Any]]:
    """All rows. Runs alternate, so that a slow minute of the machine hurts all alike; each has a store of its own."""
    figures: dict[tuple[str, str, str], list[float]] = {}
    progress = _Progress(args.runs * len(durabilities) * len(MEASURES))
    try:
        for run in range(args.runs):
            for durability in durabilities:
                for number, measure in enumerate(MEASURES):
                    progress.step(f"{measure.work}, {durability}")
                    store = folder / f"{durability}-{run}-{number}.db"
                    with make_app(str(store), durability) as app:
                        for unit, value in measure.run(app, args.jobs).items():
                            figures.setdefault((measure.work, durability, unit), []).append(value)
                    for file in folder.glob(store.name + "*"):
                        file.unlink()
    finally:
        progress.end()
    return [
        {
            "work": work,
            "durability": durability,
            "unit": unit,
            "ours": _round(statistics.median(runs)),
            "runs": [_round(run) for run in runs],
        }
        for (work, durability, unit), runs in sorted(figures.items(), key=lambda item: item[0][1])
    ]


def _round(value: float) -> float:
    return round(value) if value >= 100 else round(value, 3)  # noqa: PLR2004


def _folder(args: Namespace) -> Path:
    if args.dir is not None:
        folder = Path(args.dir)
    elif args.store is not None:
        folder = Path(args.store).absolute().parent
    else:
        folder = Path.cwd()
    if not folder.is_dir():
        raise InvalidArgument(f"there is no folder {str(folder)!r}")
    return folder


def run_bench(args: Namespace) -> int:
    """Measures, prints a table or JSON, and answers the exit status."""
    durabilities: list[DurabilityName] = args.durability or ["process", "power"]
    with tempfile.TemporaryDirectory(prefix="millrace-bench-", dir=_folder(args)) as made:
        folder = Path(made)
        disk = disk_figures(folder)
        rows = _measure(folder, list(dict.fromkeys(durabilities)), args)
    report = {
        "engine": {
            "millrace": _core.VERSION,
            "sqlite": _core.SQLITE_VERSION,
            "language": f"Python {platform.python_version()}",
            "processors": os.cpu_count(),
            "payload_bytes": len(_core.dumps(PAYLOAD)),
            "jobs": args.jobs,
        },
        "disk": disk,
        "rows": rows,
    }
    if args.out is not None:
        Path(args.out).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, separators=(",", ":")) if args.json else "\n".join(_lines(report)))
    return 0


def _lines(report: dict[str, Any]) -> list[str]:
    engine, disk = report["engine"], report["disk"]
    rows = [
        [row["work"], row["durability"], f"{row['ours']:,}".rjust(12), row["unit"]]
        for row in report["rows"]
    ]
    return [
        f"millrace {engine['millrace']}, SQLite {engine['sqlite']}, {engine['language']}, "
        f"{text.count(engine['processors'], 'processor', 'processors')}",
        f"fdatasync of this disk: {disk['fdatasync_us_p50']} us p50, {disk['fdatasync_us_p99']} us p99",
        f"payload {engine['payload_bytes']} bytes, {engine['jobs']:,} jobs a run, medians of "
        f"{text.count(len(report['rows'][0]['runs']), 'run', 'runs')}",
        "",
        *text.table(["WORK", "DURABILITY", "      FIGURE", "UNIT"], rows),
        "",
        'durability "power" survives a power cut, "process" the crash of any process',
    ]
