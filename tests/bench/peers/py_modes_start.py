"""Measurements of starts: a worker's, ten thousand coroutines', a command's."""

from __future__ import annotations

import argparse
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import common
from process_figures import settled_rss_mib
from py_worker import WorkerBeside

NAPS_TIMEOUT_S = 90


def start(lib: Any, args: argparse.Namespace) -> None:
    """Time from starting a worker's process to the first line of the task that waits for it."""
    path = os.environ["BENCH_SAMPLES"]
    lib.enqueue_stamp(time.monotonic_ns())
    before_ns = time.monotonic_ns()
    with WorkerBeside(lib, args.pool, args.concurrency) as worker:
        common.wait_for(lambda: worker.alive() and bool(common.read_samples(path)), "the start")
    common.emit(start_ms=(common.read_samples(path)[0][0] - before_ns) / 1e6)


def naps(lib: Any, args: argparse.Namespace) -> None:
    """Many coroutines that sleep at once in one worker: how fast all start, what each takes.

    They wait already when the worker starts; the clock runs from the first start to the last. Their
    memory is what the worker has more than one that has only run a single task.
    """
    path = Path(os.environ["BENCH_SAMPLES"])
    lib.enqueue_stamp(time.monotonic_ns())
    with WorkerBeside(lib, args.pool, args.concurrency) as worker:
        common.wait_for(lambda: worker.alive() and path.exists(), "the first start")
        idle_mib = settled_rss_mib(worker.pid)
        worker.stop()
    path.unlink()
    lib.enqueue_naps(args.count)
    with WorkerBeside(lib, args.pool, args.concurrency) as worker:
        common.wait_for(
            lambda: worker.alive() and len(common.read_naps(str(path))) >= args.count,
            "all starts",
            timeout_s=NAPS_TIMEOUT_S,
            pause_s=0.02,
        )
        full_mib = settled_rss_mib(worker.pid)
        worker.alive()
    at_ns = common.read_naps(str(path))
    common.emit(
        each_kib=(full_mib - idle_mib) * 1024 / args.count,
        started_ms=(max(at_ns) - min(at_ns)) / 1e6,
        idle_mib=idle_mib,
        count=args.count,
    )


def command(lib: Any, args: argparse.Namespace) -> None:
    """Time a command from its start to its end, `count` times after one that is not counted."""
    argv = lib.cli_command(args.words)
    ms = []
    for _ in range(args.count + 1):
        before = time.perf_counter()
        done = subprocess.run(argv, cwd=common.HERE, capture_output=True, check=False, timeout=60)
        ms.append((time.perf_counter() - before) * 1e3)
        if done.returncode != 0:
            msg = f"{argv}: exit status {done.returncode}: {done.stderr.decode()}"
            raise RuntimeError(msg)
    ms = ms[1:]
    common.emit(p50_ms=common.quantile(ms, 0.5), worst_ms=max(ms), count=len(ms))


def status(lib: Any, args: argparse.Namespace) -> None:
    """The same for the question which workers answer, with one that does."""
    lib.enqueue_stamp(time.monotonic_ns())
    path = Path(os.environ["BENCH_SAMPLES"])
    with WorkerBeside(lib, args.pool, args.concurrency) as worker:
        common.wait_for(lambda: worker.alive() and path.exists(), "the worker")
        command(lib, args)
