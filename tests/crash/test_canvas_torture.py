"""Random canvases, run by workers that are killed at random: each answers what a plain evaluator says.

Short form: 6 seconds of killing. MILLRACE_TORTURE=1: five minutes. Prints what it did, with the seed.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
HERE = Path(__file__).parent
sys.path.insert(0, str(ROOT / "tests" / "python"))

from canvas_model import (  # noqa: E402
    Boom,
    answer,
    canvas_of,
    ends_empty,
    make_tree,
    tasks_of,
)
from millrace import Millrace  # noqa: E402
from millrace.errors import ChordError, WorkerLostError  # noqa: E402

LONG = bool(os.environ.get("MILLRACE_TORTURE"))
SECONDS = 300.0 if LONG else 6.0
PATIENCE_S = 120.0
UNFINISHED_MAX = 200
KINDS = (
    ("--pool", "threads", "-c", "4"),
    ("--pool", "processes", "-c", "2"),
    ("--pool", "asyncio", "-c", "8"),
)


class Team:
    """Worker processes; one that is killed is replaced by another of its kind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: dict[int, subprocess.Popen[bytes]] = {}
        self.started = 0
        self.kills = 0

    def start(self, kind: int) -> None:
        self.started += 1
        python_path = [str(ROOT / "python"), str(ROOT / "tests/python"), str(HERE / "canvas")]
        environment = {
            **os.environ,
            "TORTURE_STORE": str(self.folder / "canvas.db"),
            "PYTHONPATH": os.pathsep.join(python_path),
        }
        command = [sys.executable, "-m", "millrace.cli", "worker", "canvas_tasks:app", *KINDS[kind]]
        with (self.folder / f"log-{self.started}").open("wb") as log:
            self.running[kind] = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=log
            )

    def kill(self, kind: int) -> None:
        process = self.running.pop(kind)
        assert process.poll() is None, f"{KINDS[kind]} ended by itself: {self.logs()}"
        process.kill()
        process.wait()
        self.kills += 1

    def stop(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()

    def logs(self) -> str:
        return "\n".join(
            each.read_text(errors="replace")[-2000:] for each in sorted(self.folder.glob("log-*"))
        )


def torture(app: Millrace, team: Team, chance: random.Random) -> list[tuple[Any, Any]]:
    """Enqueues canvases while workers die; answers what was enqueued, with the results."""
    tasks = tasks_of(app)
    made: list[tuple[Any, Any]] = []
    for kind in range(len(KINDS)):
        team.start(kind)
    until = time.monotonic() + SECONDS
    next_kill = 0.0
    while time.monotonic() < until:
        tree = make_tree(chance, depth=chance.choice((2, 3)), fails=0.03)
        made.append((tree, canvas_of(tree, tasks, chance).apply_async()))
        if sum(not result.ready() for _, result in made[-UNFINISHED_MAX:]) > UNFINISHED_MAX // 2:
            made[-UNFINISHED_MAX // 2][1].get(PATIENCE_S, propagate=False)  # let them catch up
        if time.monotonic() >= next_kill:
            next_kill = time.monotonic() + chance.uniform(0.2, 1.0)
            kind = chance.randrange(len(KINDS))
            team.kill(kind)
            team.start(kind)
    return made


def ended(result: Any, team: Team) -> Any:
    """What a canvas has answered, or the error with which it failed."""
    try:
        return result.get(PATIENCE_S)
    except TimeoutError:
        pytest.fail(f"{result} has not ended: {team.logs()}")
    except (Boom, WorkerLostError, ChordError) as error:
        return error


def check(tree: Any, found: Any) -> None:
    """The canvas has answered what it must, or failed if it must."""
    try:
        expected = answer(tree)
    except Boom:
        assert ends_empty(tree) or (isinstance(found, Exception) and "boom" in str(found)), tree
    else:
        assert found == expected, tree


def is_lost(found: Any) -> bool:
    """Whether it failed because a worker died once too often."""
    return isinstance(found, Exception) and "WorkerLost" in f"{found!r} {found.__cause__!r}"


def test_canvases_survive_the_death_of_their_workers(tmp_path: Path) -> None:
    seed = int(os.environ.get("MILLRACE_SEED", time.time_ns() % 1_000_000))
    print(f"\nMILLRACE_SEED={seed}")
    app = Millrace("torturer", store=tmp_path / "canvas.db", durability="process")
    team = Team(tmp_path)
    lost = 0
    try:
        made = torture(app, team, random.Random(seed))
        for tree, result in made:
            found = ended(result, team)
            if is_lost(found):  # its workers were killed more often than a job may crash
                lost += 1
            else:
                check(tree, found)
    finally:
        team.stop()
        app.close()
    assert lost < len(made) // 2, "hardly anything was run"
    print(f"canvas torture: {len(made)} canvases, {team.kills} workers killed, {lost} WorkerLost")
