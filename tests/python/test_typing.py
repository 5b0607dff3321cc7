"""Type checkers see a task's own signature and result."""

import os
import re
import subprocess
import sys
from pathlib import Path

import millrace
import pyright

SAMPLE = """
from collections.abc import Mapping, Sequence
from typing import Any
from millrace import Millrace, Queue, Request, Task, current_app, shared_task

app = Millrace("typed", store="x.db")

@app.task
def add(x: int, y: int = 1) -> int:
    return x + y

@app.task(max_retries=None, retry_backoff=True)
def named(name: str, *, loud: bool = False) -> str:
    return name

@app.task(bind=True)
def bound(self: Task[..., Any], x: int) -> float:
    return self.request.retries + x

@app.task
async def fetch(url: str) -> bytes:
    return b""

@app.task(bind=True, queue="slow")
async def bound_fetch(self: Task[..., Any], url: str) -> list[int]:
    return []

reveal_type(add(1))
reveal_type(add.delay(1, y=2))
reveal_type(add.delay(1).get(timeout=5))
reveal_type(named.delay("a", loud=True).get())
reveal_type(bound.delay(3).get())
reveal_type(bound(3))
reveal_type(fetch.delay("u").get())
reveal_type(bound_fetch.delay("u").get())
reveal_type(add.delay_many([(1,)]).get())
reveal_type(add.AsyncResult("id").get())

@app.task(batch=10)
def many(jobs: list[Request]) -> list[int]:
    return [0 for _ in jobs]

flow = app.flow()
node = flow.add(add.s(1, y=2))
last = flow.add(named.s("a").set(queue="q"), after=[node], policy="ignore")
reveal_type(node)
reveal_type(flow.enqueue()[last].get())
reveal_type(many.delay(x=1).get())
reveal_type(app.schedules.put("s", add.s(1), every=60).next_run)

async def use() -> None:
    reveal_type(await add.aio.delay(1))
    reveal_type(await (await add.aio.delay(1)).aget())
    reveal_type(await add.delay(1))
    reveal_type(await fetch("u"))

@shared_task(queue="q", autoretry_for=(OSError,))
def shared(x: int) -> str:
    return ""

@shared_task(bind=True)
def shared_bound(self: Task[..., Any], x: int) -> float:
    return 1.0

class Own(Task[..., Any]):
    colour = "red"

class Told(Task[..., Any]):
    async def before_start(
        self, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> None: ...

    def on_success(
        self, retval: Any, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> None: ...

@app.task(base=Own, colour="blue")
def based(x: int) -> bytes:
    return b""

reveal_type(shared.delay(1).get())
reveal_type(shared_bound.delay(1).get())
reveal_type(based.delay(1).get())
reveal_type(add.apply_async((1,), countdown=5, headers={"a": 1}, queue=Queue("q")).get())
reveal_type(app.conf.task_time_limit)
reveal_type(add.s(1))
with app.transaction() as tx:
    reveal_type(add.delay(1, y=2, tx=tx).get())
    reveal_type(add.apply_async((1,), tx=tx).get())
    reveal_type(tx.enqueue(add.si(1)).get())

async def within() -> None:
    async with app.atransaction() as atx:
        reveal_type(await (await fetch.aio.delay("u", tx=atx)).aget())
        reveal_type(await (await add.aio.apply_async((1,), tx=atx)).aget())

@app.task(bind=True)
def settles(self: Task[..., Any]) -> None:
    with self.transaction() as own:
        reveal_type(add.delay(1, tx=own))

current_app.conf.timezone = "UTC"

add.delay("1")
add.delay()
add.delay(1, z=2)
named.delay("a", True)
bound.delay("x")
fetch.delay(1)
flow.add(add.s(1), policy="never")
shared.delay("x")
add.apply_async((1,), countdwn=5)
app.task(max_retris=5)
shared_task(queue=5)
add.si("1")
add.delay(1, tx="x")
add.apply_async((1,), tx="x")
add.s("1")  # not an error: what stands before it may come later
"""

REVEALED = [
    "int",
    "AsyncResult[int]",
    "int",
    "str",
    "float",
    "float",
    "bytes",
    "list[int]",
    "list[int]",
    "int",
    "Node[int]",
    "str",
    "Any",
    "datetime | None",
    "AsyncResult[int]",
    "int",
    "int",
    "bytes",
    "str",
    "float",
    "bytes",
    "int",
    "int | float | timedelta | None",
    "Signature[int]",
    "int",
    "int",
    "int",
    "bytes",
    "int",
    "AsyncResult[int]",
]
WRONG_CALLS = 14

MODULES = re.compile(r"\b(?:\w+\.)+")  # mypy says in which one a class is
FIRST_WRONG = SAMPLE.splitlines().index('add.delay("1")') + 1
WRONG_LINES = list(range(FIRST_WRONG, FIRST_WRONG + WRONG_CALLS))


def test_mypy_sees_signatures_and_results(tmp_path):
    (tmp_path / "sample.py").write_text(SAMPLE)
    root = str(Path(millrace.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "sample.py"],
        capture_output=True,
        check=False,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": root},
    )
    lines = done.stdout.splitlines()
    revealed = [line.split('"')[1] for line in lines if "Revealed type is" in line]
    assert [MODULES.sub("", each) for each in revealed] == REVEALED, done.stdout
    wrong = [int(line.split(":")[1]) for line in lines if ": error:" in line]
    assert wrong == WRONG_LINES, done.stdout


def test_pyright_sees_signatures_and_results(tmp_path):
    folder = tmp_path / "program"
    folder.mkdir()
    (folder / "sample.py").write_text(SAMPLE)
    found = pyright.check([folder], tmp_path, typeCheckingMode="strict")
    report = "\n".join(map(str, found))
    revealed = [each.message.split('" is "')[1][:-1] for each in found if "Type of" in each.message]
    assert revealed == REVEALED, report
    wrong = [each.line for each in found if each.severity == "error"]
    assert wrong == WRONG_LINES, report
