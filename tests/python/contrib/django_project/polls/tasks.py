"""Tasks of an installed app, written for whatever backend the settings name."""

from __future__ import annotations

import asyncio

try:
    from django.tasks import task
except ImportError:
    from django_tasks import task


class Spoiled(Exception):
    """What a task of ours raises."""


@task
def add(x: int, y: int = 1) -> int:
    return x + y


@task(priority=50, queue_name="mail")
def mail(to: str) -> dict[str, str]:
    return {"to": to}


@task
async def nap(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "rested"


@task(takes_context=True)
def look(context, word: str) -> list:
    return [word, context.attempt, context.task_result.id, context.task_result.status]


@task
def spoil() -> None:
    raise Spoiled("milk")


@task
def unwritable() -> object:
    return object()


def plain() -> None: ...


async def coroutine() -> None: ...
