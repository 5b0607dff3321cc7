"""What the torture of the process pool runs: tasks that a child may not survive, or that wait for others."""

import os
import signal
import time

from millrace import Millrace

app = Millrace("pool-torture", store="pool.db", durability="process")


@app.task(name="double", max_retries=0)
def double(n):
    return 2 * n


@app.task(name="hang", time_limit=0.1, max_retries=0)
def hang(n):
    while True:
        time.sleep(0.001)


@app.task(name="die_once", bind=True, max_retries=0)
def die_once(self, n):
    if self.request.crashes == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * n


@app.task(name="outer", queue="outer", max_retries=0)
def outer(n):
    # Another queue with processes of its own: else all might wait for jobs that none is free to run.
    return double.delay(n).get(timeout=120, disable_sync_subtasks=False)


@app.task(name="swell", max_retries=0)
def swell(n):
    ballast = bytearray(n % 50 << 20)
    return 2 * n + 0 * len(ballast)
