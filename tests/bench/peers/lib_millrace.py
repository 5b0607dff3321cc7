"""Millrace behind the names that the modes use; its worker imports this module too."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import common
from millrace import AsyncResult, Millrace
from millrace.flows import chain, chord

app = Millrace(
    "bench",
    store=os.environ["BENCH_TARGET"],
    durability=os.environ.get("BENCH_DURABILITY") or "power",  # type: ignore[arg-type]
)


@app.task
def noop(path, width, height, format, quality, callback, note):  # noqa: A002
    return True


@app.task
async def noop_async(path, width, height, format, quality, callback, note):  # noqa: A002
    return True


@app.task
async def nap():
    await common.nap()


@app.task
def stamp(sent_ns):
    common.stamp("stamp", sent_ns)


@app.task
def hold(sent_ns):
    common.hold(sent_ns)


@app.task(bind=True)
def total(self):
    return sum(self.dependencies().results())


@app.task(bind=True)
def step(self):
    before = self.dependencies()
    return before[0].result + 1 if before else 1


@app.task
def number(x):
    return x


def enqueue_chord(width: int) -> AsyncResult[int]:
    return chord([number.s(1) for _ in range(width)], total.s()).enqueue().last[0]


def enqueue_chain(length: int) -> AsyncResult[int]:
    return chain(*(step.s() for _ in range(length))).enqueue().last[0]


def enqueue_delayed(due_ns: int, delay_s: float) -> None:
    stamp.apply_async((due_ns,), countdown=delay_s)


def enqueue_one() -> None:
    noop.delay(**common.PAYLOAD)


def enqueue_many(count: int) -> None:
    noop.delay_many([common.PAYLOAD] * count)


def enqueue_many_async(count: int) -> None:
    noop_async.delay_many([common.PAYLOAD] * count)


def enqueue_naps(count: int) -> None:
    nap.delay_many([{}] * count)


def enqueue_stamp(sent_ns: int) -> None:
    stamp.delay(sent_ns)


def enqueue_hold(sent_ns: int) -> None:
    hold.delay(sent_ns)


def pause() -> None:
    app.pause()


def cli_command(words: list[str]) -> list[str]:
    return [str(Path(sys.executable).with_name("millrace")), *words]


def worker_command(pool: str, concurrency: int) -> list[str]:
    program = str(Path(sys.executable).with_name("millrace"))
    shape = [] if pool == "default" else ["-c", str(concurrency), "--pool", pool]
    return [program, "worker", "lib_millrace:app", *shape]


def held() -> int:
    return app.counts().active


def finished() -> int:
    return app.counts().completed
