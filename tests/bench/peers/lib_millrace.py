"""Millrace behind the names that py_bench.py uses; also the module that its worker imports."""

from __future__ import annotations

import os
import sys

import common
from millrace import Millrace

DURABILITY = os.environ.get("BENCH_DURABILITY", "power")
app = Millrace("bench", store=os.environ["BENCH_TARGET"], durability=DURABILITY)


@app.task
def noop(path, width, height, format, quality, callback, note):  # noqa: A002, PLR0917
    return True


@app.task
def stamp(sent_ns):
    common.stamp("stamp", sent_ns)


@app.task
def hold(sent_ns):
    common.hold(sent_ns)


def enqueue_one() -> None:
    noop.delay(**common.PAYLOAD)


def enqueue_many(count: int) -> None:
    app.enqueue_many([noop.signature(**common.PAYLOAD)] * count)


def enqueue_stamp(sent_ns: int) -> None:
    stamp.delay(sent_ns)


def enqueue_hold(sent_ns: int) -> None:
    hold.delay(sent_ns)


def worker_command(pool: str, concurrency: int) -> list[str]:
    return [
        sys.executable,
        "-m",
        "millrace",
        "worker",
        "lib_millrace:app",
        "-c",
        str(concurrency),
        "--pool",
        pool,
    ]


def finished() -> int:
    return app.counts("bench").completed
