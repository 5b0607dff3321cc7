"""honker behind the names that the modes use; also the module that its worker imports."""

from __future__ import annotations

import os
import sys

import common
import honker

db = honker.open(os.environ["BENCH_TARGET"])
queue = db.queue("bench")


@queue.task()
def noop(path, width, height, format, quality, callback, note):  # noqa: A002
    return True


@queue.task()
def stamp(sent_ns):
    common.stamp("stamp", sent_ns)


def enqueue_one() -> None:
    noop(**common.PAYLOAD)


def enqueue_stamp(sent_ns: int) -> None:
    stamp(sent_ns)


def worker_command(pool: str, concurrency: int) -> list[str]:
    """It has one kind of worker: asyncio loops in one process."""
    del pool
    return [
        sys.executable,
        "-m",
        "honker",
        "worker",
        "lib_honker:db",
        "--concurrency",
        str(concurrency),
    ]


def held() -> int:
    """How many tasks a worker holds: not known here, a few at most."""
    return 0


def finished() -> int:
    return int(db.query("SELECT count(*) AS n FROM _honker_results")[0]["n"])
