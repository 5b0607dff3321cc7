"""One measurement of one Python library, chosen by --lib and --mode; prints one line of JSON.

The code is the same for every library: a lib_*.py module gives enqueue_one(), enqueue_many(),
enqueue_stamp(), worker_command() and finished(). The environment names the target (BENCH_TARGET: a
Redis URL or a store's path).
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import common

WARM_UP = 200
FILL_CHUNK = 10_000
CHORD_WIDTH = 10
CHAIN_LENGTH = 5
DELAY_S = 0.05


@contextmanager
def worker(lib: Any, args: argparse.Namespace) -> Iterator[Callable[[], bool]]:
    """Run the library's worker as a process of its own; killed with its children at the end.

    Yields a check that it is alive, so that nobody waits for a worker that is not there.
    """
    process = subprocess.Popen(
        lib.worker_command(args.pool, args.concurrency),
        cwd=common.HERE,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    )

    def alive() -> bool:
        if process.poll() is not None:
            msg = f"the worker ended with exit status {process.returncode}"
            raise RuntimeError(msg)
        return True

    try:
        yield alive
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def one(lib: Any, args: argparse.Namespace) -> None:
    """Enqueue one at a time."""
    for _ in range(WARM_UP):
        lib.enqueue_one()
    start = time.perf_counter()
    for _ in range(args.count):
        lib.enqueue_one()
    common.emit_rate(args.count, time.perf_counter() - start)


def many(lib: Any, args: argparse.Namespace) -> None:
    """Enqueue `chunk` in one call, as often as makes `count`."""
    lib.enqueue_many(WARM_UP)
    start = time.perf_counter()
    for _ in range(args.count // args.chunk):
        lib.enqueue_many(args.chunk)
    common.emit_rate(args.count, time.perf_counter() - start)


def work(lib: Any, args: argparse.Namespace) -> None:
    """Work no-op tasks that wait already; from the first result that is seen to the last."""
    if hasattr(lib, "enqueue_many"):
        lib.enqueue_many(args.count)
    else:
        for _ in range(args.count):
            lib.enqueue_one()
    with worker(lib, args) as alive:
        common.wait_for(lambda: alive() and lib.finished() > 0, "the first result")
        # What the worker holds by now counts as done before, so that no head start gets into the rate.
        start, first = time.perf_counter(), lib.finished() + lib.held()
        common.wait_for(
            lambda: alive() and lib.finished() >= args.count, "all results", pause_s=0.01
        )
        seconds = time.perf_counter() - start
    common.emit_rate(args.count - first, seconds, pool=args.pool, concurrency=args.concurrency)


def flow(lib: Any, args: argparse.Namespace) -> None:
    """Flows from their enqueueing to the last result: all are sent, then all results fetched.

    The jobs do no work; each of a chain, and the body of a chord, reads what those before it returned.
    """
    enqueue, size = (
        (lib.enqueue_chord, CHORD_WIDTH)
        if args.shape == "chord"
        else (lib.enqueue_chain, CHAIN_LENGTH)
    )
    with worker(lib, args) as alive:
        assert enqueue(size).get(timeout=60) == size
        alive()
        start = time.perf_counter()
        results = [enqueue(size) for _ in range(args.count)]
        answers = [result.get(timeout=100) for result in results]
        seconds = time.perf_counter() - start
        alive()
    assert answers == [size] * args.count
    common.emit_rate(args.count, seconds, pool=args.pool, concurrency=args.concurrency)


def delayed(lib: Any, args: argparse.Namespace) -> None:
    """Time from a job's due time to its start in an idle worker, one job at a time."""
    path, warm = os.environ["BENCH_SAMPLES"], 10
    with worker(lib, args) as alive:
        for sent in range(args.count + warm):
            lib.enqueue_delayed(time.monotonic_ns() + int(DELAY_S * 1e9), DELAY_S)
            while alive() and len(common.read_samples(path)) <= sent:
                time.sleep(0.002)
    us = [(at - due) / 1e3 for at, due, _, _ in common.read_samples(path)][warm:]
    common.emit(p50_us=common.quantile(us, 0.5), p99_us=common.quantile(us, 0.99), count=len(us))


def latency(lib: Any, args: argparse.Namespace) -> None:
    """Time from the call that enqueues to the start in an idle worker, one job at a time."""
    path, warm = os.environ["BENCH_SAMPLES"], 20
    with worker(lib, args) as alive:
        for sent in range(args.count + warm):
            lib.enqueue_stamp(time.monotonic_ns())
            time.sleep(0.004)
            while alive() and len(common.read_samples(path)) <= sent:
                time.sleep(0.002)
    us = [(at - sent) / 1e3 for at, sent, _, _ in common.read_samples(path)][warm:]
    common.emit(p50_us=common.quantile(us, 0.5), p99_us=common.quantile(us, 0.99), count=len(us))


def run_worker(lib: Any, args: argparse.Namespace) -> None:
    """Become the library's worker, until it is killed."""
    command = lib.worker_command(args.pool, args.concurrency)
    os.execv(command[0], command)


def put(lib: Any, args: argparse.Namespace) -> None:
    """Enqueue `count` tasks of one name and end: for the recovery, memory and CPU measurements."""
    enqueue = getattr(lib, f"enqueue_{args.name}")
    for _ in range(args.count):
        enqueue(time.monotonic_ns())
    common.emit(count=args.count)


def fill(lib: Any, args: argparse.Namespace) -> None:
    """Leave `count` waiting jobs in a paused queue."""
    lib.pause()
    for _ in range(args.count // FILL_CHUNK):
        lib.enqueue_many(FILL_CHUNK)
    common.emit(count=args.count)


def main() -> None:
    """Parse the command line and run one mode."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lib", required=True, choices=["celery", "huey", "honker", "millrace"])
    modes = {
        "one": one,
        "many": many,
        "work": work,
        "latency": latency,
        "flow": flow,
        "delayed": delayed,
        "worker": run_worker,
        "put": put,
        "fill": fill,
    }
    parser.add_argument("--mode", required=True, choices=list(modes))
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--chunk", type=int, default=2_500, help="jobs in one call")
    parser.add_argument("--shape", default="chord", choices=["chord", "chain"])
    parser.add_argument("--pool", default="threads")
    parser.add_argument("--concurrency", type=int, default=1)
    parser.add_argument("--name", default="stamp", choices=["stamp", "hold"])
    args = parser.parse_args()
    modes[args.mode](importlib.import_module(f"lib_{args.lib}"), args)


if __name__ == "__main__":
    main()
