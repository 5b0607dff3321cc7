"""Celery behind the names that the modes use; also the module that its worker imports."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import common
import redis
from celery import Celery, chain, chord, group
from celery.result import AsyncResult

TARGET = os.environ["BENCH_TARGET"]
app = Celery("bench", broker=f"{TARGET}/0", backend=f"{TARGET}/1")
app.conf.update(
    broker_connection_retry_on_startup=True,
    worker_prefetch_multiplier=int(os.environ.get("BENCH_PREFETCH", "4")),
)


@app.task
def noop(path, width, height, format, quality, callback, note):  # noqa: A002
    return True


@app.task
def stamp(sent_ns):
    common.stamp("stamp", sent_ns)


@app.task
def nap():
    """In a pool of greenlets, which makes a sleep of it that blocks nobody."""
    common.started_nap()
    while True:
        time.sleep(3600)


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def step(before=0):
    return before + 1


@app.task
def number(x):
    return x


def enqueue_chord(width: int) -> AsyncResult:
    return chord(number.s(1) for _ in range(width))(total.s())


def enqueue_chain(length: int) -> AsyncResult:
    return chain(*(step.s() for _ in range(length))).apply_async()


def enqueue_delayed(due_ns: int, delay_s: float) -> None:
    stamp.apply_async((due_ns,), countdown=delay_s)


def enqueue_one() -> None:
    noop.delay(**common.PAYLOAD)


def enqueue_many(count: int) -> None:
    """Send them as one group: the one call that Celery has for it."""
    signature = noop.s(**common.PAYLOAD)
    group(signature for _ in range(count)).apply_async()


def enqueue_naps(count: int) -> None:
    group(nap.s() for _ in range(count)).apply_async()


def enqueue_stamp(sent_ns: int) -> None:
    stamp.delay(sent_ns)


def cli_command(words: list[str]) -> list[str]:
    return [str(Path(sys.executable).with_name("celery")), *words]


def worker_command(pool: str, concurrency: int) -> list[str]:
    return [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "lib_celery",
        "worker",
        *([] if pool == "default" else ["--pool", pool, "-c", str(concurrency)]),
        "--loglevel",
        "ERROR",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
    ]


def held() -> int:
    """How many tasks a worker holds: not known here, a few at most."""
    return 0


def finished() -> int:
    """Count the results: the result backend has a Redis database of its own, one key per task."""
    return int(_results.dbsize())


_results = redis.Redis.from_url(f"{TARGET}/1")
