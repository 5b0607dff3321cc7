"""Measurements of producers and of workers under load."""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

import common
from py_worker import WorkerBeside

WARM_UP = 200
FILL_CHUNK = 10_000
CHORD_WIDTH = 10
CHAIN_LENGTH = 5
DELAY_S = 0.05


def _one_by_one(lib: Any, count: int) -> None:
    """Enqueue one after the other; a library of coroutines awaits them in one run of its loop."""
    if hasattr(lib, "enqueue_one_by_one"):
        lib.enqueue_one_by_one(count)
        return
    for _ in range(count):
        lib.enqueue_one()


def one(lib: Any, args: argparse.Namespace) -> None:
    """Enqueue one at a time."""
    _one_by_one(lib, WARM_UP)
    start = time.perf_counter()
    _one_by_one(lib, args.count)
    common.emit_rate(args.count, time.perf_counter() - start)


def many(lib: Any, args: argparse.Namespace) -> None:
    """Enqueue `chunk` in one call, as often as makes `count`."""
    lib.enqueue_many(WARM_UP)
    start = time.perf_counter()
    for _ in range(args.count // args.chunk):
        lib.enqueue_many(args.chunk)
    common.emit_rate(args.count, time.perf_counter() - start)


def _enqueue_waiting(lib: Any, args: argparse.Namespace) -> None:
    """Leave no-op tasks waiting: coroutines for a pool of them, where the library has both."""
    if args.pool == "asyncio" and hasattr(lib, "enqueue_many_async"):
        lib.enqueue_many_async(args.count)
    elif hasattr(lib, "enqueue_many"):
        lib.enqueue_many(args.count)
    else:
        _one_by_one(lib, args.count)


def work(lib: Any, args: argparse.Namespace) -> None:
    """Work no-op tasks that wait already; from the first result that is seen to the last."""
    _enqueue_waiting(lib, args)
    with WorkerBeside(lib, args.pool, args.concurrency) as worker:
        common.wait_for(lambda: worker.alive() and lib.finished() > 0, "the first result")
        # What the worker holds by now counts as done before, so that no head start gets into the rate.
        start, first = time.perf_counter(), lib.finished() + lib.held()
        common.wait_for(
            lambda: worker.alive() and lib.finished() >= args.count, "all results", pause_s=0.01
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
    with WorkerBeside(lib, args.pool, args.concurrency) as worker:
        assert enqueue(size).get(timeout=60) == size
        worker.alive()
        start = time.perf_counter()
        results = [enqueue(size) for _ in range(args.count)]
        answers = [result.get(timeout=100) for result in results]
        seconds = time.perf_counter() - start
        worker.alive()
    assert answers == [size] * args.count
    common.emit_rate(args.count, seconds, pool=args.pool, concurrency=args.concurrency)


def delayed(lib: Any, args: argparse.Namespace) -> None:
    """Time from a job's due time to its start in an idle worker, one job at a time."""
    path, warm = os.environ["BENCH_SAMPLES"], 10
    with WorkerBeside(lib, args.pool, args.concurrency) as worker:
        for sent in range(args.count + warm):
            lib.enqueue_delayed(time.monotonic_ns() + int(DELAY_S * 1e9), DELAY_S)
            while worker.alive() and len(common.read_samples(path)) <= sent:
                time.sleep(0.002)
    us = [(at - due) / 1e3 for at, due, _, _ in common.read_samples(path)][warm:]
    common.emit(p50_us=common.quantile(us, 0.5), p99_us=common.quantile(us, 0.99), count=len(us))


def latency(lib: Any, args: argparse.Namespace) -> None:
    """Time from the call that enqueues to the start in an idle worker, one job at a time."""
    path, warm = os.environ["BENCH_SAMPLES"], 20
    with WorkerBeside(lib, args.pool, args.concurrency) as worker:
        for sent in range(args.count + warm):
            lib.enqueue_stamp(time.monotonic_ns())
            time.sleep(0.004)
            while worker.alive() and len(common.read_samples(path)) <= sent:
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
