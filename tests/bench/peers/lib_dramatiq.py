"""Dramatiq behind the names that the modes use; also the module that its worker imports."""

from __future__ import annotations

import os
import sys

import common
import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

TARGET = os.environ["BENCH_TARGET"]
broker = RedisBroker(url=f"{TARGET}/0")
broker.add_middleware(Results(backend=RedisBackend(url=f"{TARGET}/1")))
dramatiq.set_broker(broker)


@dramatiq.actor(store_results=True)
def noop(path, width, height, format, quality, callback, note):  # noqa: A002
    return True


@dramatiq.actor
def stamp(sent_ns):
    common.stamp("stamp", sent_ns)


def enqueue_one() -> None:
    noop.send(**common.PAYLOAD)


def enqueue_stamp(sent_ns: int) -> None:
    stamp.send(sent_ns)


def worker_command(pool: str, concurrency: int) -> list[str]:
    """Threads in one process; or so many processes of eight threads, which are its default."""
    shape = {
        "default": [],
        "threads": ["-p", "1", "-t", str(concurrency)],
        "processes of 8 threads": ["-p", str(concurrency), "-t", "8"],
    }[pool]
    return [sys.executable, "-m", "dramatiq", "lib_dramatiq", *shape]


def held() -> int:
    """How many tasks a worker holds: not known here."""
    return 0


def finished() -> int:
    """Count the results: the backend has a Redis database of its own, one key per task."""
    return int(_results.dbsize())


_results = redis.Redis.from_url(f"{TARGET}/1")
