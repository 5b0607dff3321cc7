"""Tasks that the tests of the process pool run in child processes."""

import asyncio
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from millrace import Millrace, SoftTimeLimitExceeded
from millrace.exceptions import WorkerShutdown, WorkerTerminate

BALLAST = bytearray()
app = Millrace("pool", durability="process")


@app.task(name="pid")
def pid() -> int:
    return os.getpid()


@app.task(name="add")
async def add(x: int, y: int = 1) -> int:
    await asyncio.sleep(0)
    return x + y


@app.task(name="hang", time_limit=0.2)
def hang() -> None:
    while True:
        pass


@app.task(name="soft", soft_time_limit=0.5)  # long enough to be inside of `try` by then
def soft() -> str:
    try:
        time.sleep(3600)
    except SoftTimeLimitExceeded:
        return "cleaned up"
    return "not reached"


@app.task(name="crash_once", bind=True)
def crash_once(self) -> list[int]:
    if self.request.crashes == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return [self.request.attempt, self.request.crashes]


@app.task(name="crash_always")
def crash_always() -> None:
    os._exit(3)


@app.task(name="sleep")
def sleep(marker: str = "") -> None:
    if marker:  # it has begun: a job that is active may still be on its way
        Path(marker).touch()
    time.sleep(3600)


@app.task(name="nap")
def nap(marker: str, go_on: str) -> str:
    Path(marker).touch()
    while not Path(go_on).exists():
        time.sleep(0.002)
    return "finished"


@app.task(name="count_to", bind=True)
def count_to(self, n: int) -> list[int]:
    """Dies once at each number; what it had counted is kept."""
    seen = self.request.checkpoint or []
    if len(seen) == n:
        return seen
    self.checkpoint([*seen, len(seen)])
    self.log("counted")
    while len(self.app.AsyncResult(self.request.id).logs()) <= len(seen):
        time.sleep(0.001)  # written in the order of the calls: the checkpoint is, too
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("not reached")


@app.task(name="together", batch=3, batch_wait=30)
def together(jobs: list) -> list[tuple[int, int]]:
    return [(os.getpid(), len(jobs))] * len(jobs)


@app.task(name="forks")
def forks() -> tuple[int, list[int]]:
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(2) as pool:  # ended by SIGTERM
        return os.getpid(), pool.map(abs, [-1, -2])


@app.task(name="grow")
def grow(mib: int) -> int:
    BALLAST[:] = bytes(mib << 20)
    return os.getpid()


@app.task(name="spin")
def spin() -> None:
    while True:
        with suppress(SoftTimeLimitExceeded):
            while True:
                pass


@app.task(name="wait_softly")
def wait_softly(marker: str = "") -> str:
    try:
        if marker:
            Path(marker).touch()
        time.sleep(3600)
    except SoftTimeLimitExceeded:
        return "told"
    return "not reached"


@app.task(name="end_worker")
def end_worker(status: int) -> None:
    raise WorkerShutdown(status)


@app.task(name="terminate_worker")
def terminate_worker() -> None:
    raise WorkerTerminate
