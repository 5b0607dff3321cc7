"""huey on Redis or SQLite behind the names that the modes use; its consumer imports this module too."""

from __future__ import annotations

import os
import sys

import common
from huey import RedisHuey, SqliteHuey

TARGET = os.environ["BENCH_TARGET"]
app = (
    RedisHuey("bench", url=TARGET)
    if TARGET.startswith("redis://")
    else SqliteHuey("bench", filename=TARGET)
)


@app.task()
def noop(path, width, height, format, quality, callback, note):  # noqa: A002
    return True


@app.task()
def stamp(sent_ns):
    common.stamp("stamp", sent_ns)


def enqueue_one() -> None:
    noop(**common.PAYLOAD)


def enqueue_stamp(sent_ns: int) -> None:
    stamp(sent_ns)


def worker_command(pool: str, concurrency: int) -> list[str]:
    consumer = "import sys; from huey.bin.huey_consumer import consumer_main; consumer_main()"
    return [
        sys.executable,
        "-c",
        consumer,
        "lib_huey.app",
        *([] if pool == "default" else ["-k", pool, "-w", str(concurrency)]),
        "--quiet",
    ]


def held() -> int:
    """How many tasks a worker holds: not known here, a few at most."""
    return 0


def finished() -> int:
    return int(app.result_count())
