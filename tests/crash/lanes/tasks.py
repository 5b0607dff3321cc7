"""The Python side of the torture of groups and limits: the tasks, and a producer that fills their groups."""

from __future__ import annotations

import os
import random
import sys
from collections import deque
from typing import Any

from millrace import AsyncResult, Millrace
from millrace.errors import GroupFull

GROUPS = ("a", "b", "c", "d", "e", "wide")  # "wide" has a concurrency of its own
UNFINISHED_MAX = 60

app = Millrace("torture", store=os.environ["TORTURE_STORE"], durability="process")


def register(name: str) -> Any:
    @app.task(
        name=name,
        queue="lanes",
        max_retries=5,
        default_retry_delay=0,  # at once: a job that is retried returns to the head of its group
        autoretry_for=(Exception,),
    )
    def step(n: int, flaky: bool = False) -> int:
        if flaky and step.request.attempt == 1:
            raise RuntimeError("first attempts of this job fail")
        return n

    return step


TASKS = [register("often"), register("rare")]


def produce(first: int) -> None:
    """Enqueues for ever, with few unfinished jobs at a time."""
    notes = os.open(os.environ["TORTURE_NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    chance = random.Random(first)
    unfinished: deque[AsyncResult[Any]] = deque()
    n = first
    while True:
        task = TASKS[chance.random() < 0.3]
        group = chance.choice((*GROUPS, "a", "a", "wide", None))
        try:
            added = task.apply_async(
                (), {"n": n, "flaky": chance.random() < 0.1}, task_id=f"{group}_{n}", group=group
            )
        except GroupFull:
            unfinished.popleft().get(propagate=False)
            continue
        os.write(notes, f"{n} {added.id}\n".encode())
        unfinished.append(added)
        if len(unfinished) > UNFINISHED_MAX:
            unfinished.popleft().get(propagate=False)
        n += 1


if __name__ == "__main__":
    produce(int(sys.argv[1]))
