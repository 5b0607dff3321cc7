"""The process pool: hard time limits, children that are killed at random, a parent program that forks, nested `get`.

Short form: a few seconds. MILLRACE_TORTURE=1: as long as the other proofs.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import millrace
import pytest
from team import SECONDS, new_seed

HERE = Path(__file__).parent / "kill"
WORKER = (
    "import sys; from millrace.cli import main; "
    "sys.exit(main(['-A', 'pool_program', 'worker', '-q', '-l', 'critical', *sys.argv[1:]]))"
)
POOLS = (
    ("-c", "3", "--max-tasks-per-child", "20", "--max-memory-per-child", "120000", "-n", "inner"),
    ("--autoscale", "3,1", "-Q", "outer", "-n", "outer"),
)
EXPECTED = {
    "double": {"completed", "WorkerLost"},
    "hang": {"TimeLimitExceeded", "WorkerLost"},
    "die_once": {"completed", "WorkerLost"},
    "outer": {"completed", "WorkerLost"},
    "swell": {"completed", "WorkerLost"},
}
PATIENCE_S = 120.0


@pytest.fixture
def program(tmp_path, monkeypatch):
    """The application as its parent program has it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(HERE))
    sys.modules.pop("pool_program", None)
    import pool_program

    yield pool_program
    pool_program.app.close()


def start(options):
    paths = [str(HERE), str(Path(millrace.__file__).parent.parent)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, *options], env=environment, stderr=subprocess.DEVNULL
    )


def children_of(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return []
    return [int(part) for part in text.split()]


def enqueue(program, dice: random.Random, count: int) -> list[tuple[str, int, str]]:
    names = [dice.choice(tuple(EXPECTED)) for _ in range(count)]
    made = []
    for name in names:
        number = dice.randrange(1_000)
        made.append((name, number, getattr(program, name).delay(number).id))
    return made


def enqueue_in_fork(program, seed: int, count: int) -> list[tuple[str, int, str]]:
    """The same by a child of this program, whose engine was opened before the fork."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # the program has threads: that is the point
        pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(read)
            with os.fdopen(write, "w") as pipe:
                json.dump(enqueue(program, random.Random(seed), count), pipe)
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read) as pipe:
        made = [tuple(row) for row in json.load(pipe)]
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    return made


def check(program, noted: list[tuple[str, int, str]]) -> dict[str, int]:
    """Every job has ended as it may. Answers how often each end was seen."""
    ends: dict[str, int] = {}
    deadline = time.monotonic() + PATIENCE_S
    for name, number, job_id in noted:
        left_ms = max(1, round((deadline - time.monotonic()) * 1000))
        outcome = program.app.engine.wait_finished(job_id, timeout_ms=left_ms)
        end = outcome.state
        if end == "failed":
            end = json.loads(outcome.error)["type"]
        elif end == "completed":
            assert json.loads(outcome.result) == 2 * number, (name, number, outcome.result)
        assert end in EXPECTED[name], (name, number, end, outcome.error)
        ends[end] = ends.get(end, 0) + 1
    return ends


def test_the_pool_loses_nothing(program):
    seed = new_seed()
    dice = random.Random(seed)
    program.app.counts()
    workers = [start(options) for options in POOLS]
    noted: list[tuple[str, int, str]] = []
    kills = forks = 0
    try:
        until = time.monotonic() + SECONDS
        last = until + PATIENCE_S  # of a machine on which the workers have hardly begun by then
        while time.monotonic() < (until if kills and forks else last):
            noted += enqueue(program, dice, 5)
            if dice.random() < 0.5:
                noted += enqueue_in_fork(program, dice.randrange(1 << 30), 3)
                forks += 1
            victims = [pid for worker in workers for pid in children_of(worker.pid)]
            if victims and dice.random() < 0.3:
                os.kill(dice.choice(victims), signal.SIGKILL)
                kills += 1
            # No faster than the workers: the proof is that all ends, not how long a queue can be.
            while program.app.counts().ready > 20 and time.monotonic() < (until if kills else last):
                time.sleep(0.02)
        ends = check(program, noted)
    finally:
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        statuses = [worker.wait(60) for worker in workers]
    print(f"seed {seed}: {len(noted)} jobs, {kills} kills, {forks} forks: {ends}")
    assert statuses == [0, 0]
    assert kills
    assert forks
    assert ends["completed"]
    assert ends["TimeLimitExceeded"]
    doctor = json.loads(program.app.engine.doctor_json())
    assert doctor["ok"], doctor
