"""Taskiq behind the names that the modes use; also the module that its worker imports.

Of the brokers of taskiq-redis it is the one on streams: with the one on lists a task is lost when its worker dies.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import common
import redis
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

TARGET = os.environ["BENCH_TARGET"]
broker = RedisStreamBroker(f"{TARGET}/0").with_result_backend(
    RedisAsyncResultBackend[Any](f"{TARGET}/1")
)


@broker.task
async def noop(path, width, height, format, quality, callback, note):  # noqa: A002
    return True


@broker.task
async def stamp(sent_ns):
    common.stamp("stamp", sent_ns)


@broker.task
async def nap():
    await common.nap()


class Producer:
    """An event loop with a started broker: what a web server has all the time."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(broker.startup())

    async def one_by_one(self, task: Any, count: int) -> None:
        for _ in range(count):
            await task.kiq(**common.PAYLOAD) if task is noop else await task.kiq()


_producer: list[Producer] = []


def _run(task: Any, count: int) -> None:
    if not _producer:
        _producer.append(Producer())
    producer = _producer[0]
    producer.loop.run_until_complete(producer.one_by_one(task, count))


def enqueue_one_by_one(count: int) -> None:
    """Await one call after the other, in one run of the loop."""
    _run(noop, count)


def enqueue_naps(count: int) -> None:
    _run(nap, count)


def enqueue_stamp(sent_ns: int) -> None:
    if not _producer:
        _producer.append(Producer())
    _producer[0].loop.run_until_complete(stamp.kiq(sent_ns))


def worker_command(pool: str, concurrency: int) -> list[str]:
    """One process with a loop of so many tasks; or its default."""
    options = ["--workers", "1", "--max-async-tasks", str(concurrency)]
    return [
        *(sys.executable, "-m", "taskiq", "worker", "lib_taskiq:broker", "--log-level", "ERROR"),
        *([] if pool == "default" else options),
    ]


def held() -> int:
    """How many tasks a worker holds: not known here."""
    return 0


def finished() -> int:
    """Count the results: the backend has a Redis database of its own, one key per task."""
    return int(_results.dbsize())


_results = redis.Redis.from_url(f"{TARGET}/1")
