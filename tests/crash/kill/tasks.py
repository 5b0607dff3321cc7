"""The Python side of the kill torture: the task, and a producer that notes what was acknowledged."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Sequence
from typing import Any

from millrace import AsyncResult, Millrace, PreparedJob

app = Millrace("torture", store=os.environ["TORTURE_STORE"], durability="process")


@app.task(
    name="double",
    queue="torture",
    max_retries=5,
    default_retry_delay=0,
    autoretry_for=(Exception,),  # any: so the policy travels with the job, for workers in Node too
)
def double(n: int, flaky: bool = False) -> dict[str, int]:
    """Now and then a job's first attempt fails; both producers give it retries."""
    if flaky and double.request.attempt == 1:
        raise RuntimeError("first attempts of this job fail")
    return {"n": n, "double": 2 * n}


def add_flow(jobs: list[PreparedJob[dict[str, int]]]) -> Sequence[AsyncResult[Any]]:
    """The last job waits for the others, however they end."""
    flow = app.flow()
    before = [flow.add(job) for job in jobs[:-1]]
    flow.add(jobs[-1], after=before, policy="ignore")
    return flow.enqueue()


def produce(first: int) -> None:
    """Enqueues for ever; a job's number is written down only after its enqueue has returned."""
    notes = os.open(os.environ["TORTURE_NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    chance = random.Random(first)
    n = first
    while True:
        numbers = range(n, n + chance.choice((1, 1, 1, 5)))
        jobs = [double.prepare((), {"n": i, "flaky": chance.random() < 0.1}) for i in numbers]
        results = add_flow(jobs) if len(jobs) > 1 and n % 2 else app.enqueue_many(jobs)
        lines = "".join(f"{i} {r.id}\n" for i, r in zip(numbers, results, strict=True))
        os.write(notes, lines.encode())
        n = numbers.stop


if __name__ == "__main__":
    produce(int(sys.argv[1]))
