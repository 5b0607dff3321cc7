"""RQ behind the names that the modes use; also the module that its worker imports."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import common
from redis import Redis
from rq import Queue

TARGET = os.environ["BENCH_TARGET"]
connection = Redis.from_url(TARGET)
queue = Queue("bench", connection=connection)


def noop(path, width, height, format, quality, callback, note):  # noqa: A002
    return True


def stamp(sent_ns):
    common.stamp("stamp", sent_ns)


def enqueue_one() -> None:
    queue.enqueue(noop, kwargs=common.PAYLOAD)


def enqueue_stamp(sent_ns: int) -> None:
    queue.enqueue(stamp, sent_ns)


def worker_command(pool: str, concurrency: int) -> list[str]:
    """One worker, or a pool of them; `simple` ones do not fork for each job, which the default does."""
    program = [sys.executable, str(Path(sys.executable).with_name("rq"))]
    options = ["--quiet", "--path", str(common.HERE), "--url", TARGET]
    if "simple" in pool:
        options += ["--worker-class", "rq.worker.SimpleWorker"]
    if concurrency > 1:
        return [*program, "worker-pool", *options, "--num-workers", str(concurrency), "bench"]
    return [*program, "worker", *options, "bench"]


def held() -> int:
    """How many tasks a worker holds: one at a time."""
    return 0


def finished() -> int:
    return int(connection.zcard(queue.finished_job_registry.key))
