"""Producers and workers of both languages on one file, killed at random; then every promise is checked.

Short form: 8 seconds of killing. MILLRACE_TORTURE=1: ten minutes. Prints what it did, with the seed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from millrace import Millrace

ROOT = Path(__file__).parent.parent.parent
KILL = Path(__file__).parent / "kill"
LONG = bool(os.environ.get("MILLRACE_TORTURE"))
SECONDS = 600.0 if LONG else 8.0
DRAIN_SECONDS_MAX = 300.0
NUMBERS_PER_PROCESS = 10_000_000  # each producer process counts in a range of its own
WORKER = ("-m", "millrace.cli", "worker", "tasks:app", "-Q", "torture", "--pool")


def await_handler(process: subprocess.Popen[bytes], log: Path) -> None:
    """Waits until a process minds SIGTERM: one that has just been started does not yet.

    Node catches the signal before it runs any code, to die by it: there the worker's own word counts.
    """
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        if process.args[0] == "node":  # type: ignore[index]
            if "ready" in log.read_text():
                return
        else:
            status = Path(f"/proc/{process.pid}/status").read_text()
            caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
            if int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1:
                return
        time.sleep(0.01)


@dataclass
class Team:
    """The processes under torture; one that is killed is replaced by another of its kind."""

    folder: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    log_of: dict[str, Path] = field(default_factory=dict)
    started: int = 0
    kills: Counter[str] = field(default_factory=Counter)

    def start(self, kind: str) -> None:
        self.started += 1
        first = str(self.started * NUMBERS_PER_PROCESS)
        commands = {
            "python producer": [sys.executable, "tasks.py", first],
            "node producer": ["node", "producer.mjs", first],
            "python worker, threads": [sys.executable, *WORKER, "threads", "-c", "4"],
            "python worker, processes": [sys.executable, *WORKER, "processes", "-c", "2"],
            "node worker": ["node", "worker.mjs"],
        }
        environment = {
            **os.environ,
            "TORTURE_STORE": str(self.folder / "torture.db"),
            "TORTURE_NOTES": str(self.folder / f"acknowledged-{self.started}"),
        }
        self.log_of[kind] = self.folder / f"log-{self.started}"
        with self.log_of[kind].open("wb") as log:
            self.running[kind] = subprocess.Popen(
                commands[kind], cwd=self.folder, env=environment, stdout=log, stderr=log
            )

    def kill(self, kind: str) -> None:
        process = self.running.pop(kind)
        assert process.poll() is None, f"{kind} ended by itself: {self.logs()}"
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.kills[kind] += 1

    def stop_workers(self) -> None:
        for kind, process in self.running.items():
            await_handler(process, self.log_of[kind])
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0, f"{kind}: {self.logs()}"

    def logs(self) -> str:
        return "\n".join(
            p.read_text(errors="replace")[-2000:] for p in sorted(self.folder.glob("log-*"))
        )


KINDS = (
    "python producer",
    "node producer",
    "python worker, threads",
    "python worker, processes",
    "node worker",
)


def torture(team: Team, chance: random.Random) -> None:
    for kind in KINDS:
        team.start(kind)
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        time.sleep(chance.uniform(0.2, 1.0))  # the torture's rhythm, not a wait for something
        kind = chance.choice(KINDS)
        team.kill(kind)
        team.start(kind)
    for kind in ("python producer", "node producer"):
        team.kill(kind)


def drain(app: Millrace, team: Team) -> None:
    """Waits until nothing is waiting or running, with the workers that are alive."""
    until = time.monotonic() + DRAIN_SECONDS_MAX
    with app.events(queue="torture", after="$") as events:
        while True:
            counts = app.counts("torture")
            if counts.ready + counts.scheduled + counts.active + counts.blocked == 0:
                return
            assert time.monotonic() < until, f"{counts} is left; {team.logs()}"
            events.next(timeout=0.5)


def acknowledged(folder: Path) -> dict[int, str]:
    noted: dict[int, str] = {}
    for notes in folder.glob("acknowledged-*"):
        for line in notes.read_text().splitlines(keepends=True):
            if line.endswith("\n"):  # else the producer was killed while it wrote this note
                number, job_id = line.split()
                noted[int(number)] = job_id
    return noted


def check_results(app: Millrace, noted: dict[int, str]) -> None:
    for number, job_id in noted.items():
        outcome = app.engine.get_outcome(job_id)
        assert outcome.state in ("completed", "failed"), (number, job_id, outcome.state)
        if outcome.state == "completed":
            assert json.loads(outcome.result or "") == {"n": number, "double": 2 * number}
        else:  # its workers were killed more often than it may crash
            assert json.loads(outcome.error or "")["type"] == "WorkerLost"


def check_flows(app: Millrace, noted: dict[int, str]) -> int:
    """Every job that waited for others ran after them. Answers how many there were."""
    flows = 0
    for job_id in noted.values():
        job = app.engine.get_job(job_id)
        if not job.dependencies:
            continue
        flows += 1
        page = app.engine.dependencies(job_id)
        assert page.pending == 0, job_id
        for each in page.dependencies:
            assert each.done, (job_id, each.id)
            assert each.state in ("completed", "failed"), (job_id, each.id, each.state)
            ended = app.engine.get_job(each.id).finished_at_ms
            assert job.state == "failed" or ended <= job.started_at_ms, (job_id, each.id)
    return flows


def check_ended_once(app: Millrace) -> int:
    ends: Counter[str] = Counter()
    with app.events(queue="torture", after="") as events:
        while (event := events.next(timeout=0)) is not None:
            if event.type in ("completed", "failed", "cancelled"):
                ends[event.job_id] += 1
    assert not [job for job, times in ends.items() if times > 1]
    return len(ends)


def check_file(app: Millrace) -> int:
    doctor = json.loads(app.engine.doctor_json())
    assert doctor["ok"], [check for check in doctor["checks"] if not check["ok"]]
    with sqlite3.connect(app.store) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return int(connection.execute("SELECT count(*) FROM finished").fetchone()[0])


def test_nothing_is_lost_and_nothing_finishes_twice(tmp_path: Path) -> None:
    seed = int(os.environ.get("MILLRACE_SEED", time.time_ns() % 1_000_000))
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "millrace").symlink_to(ROOT)
    for source in KILL.iterdir():
        if source.is_file():
            (tmp_path / source.name).write_bytes(source.read_bytes())
    team = Team(tmp_path)
    app = Millrace("checker", store=tmp_path / "torture.db")
    try:
        torture(team, random.Random(seed))
        drain(app, team)
        team.stop_workers()
    finally:
        for process in team.running.values():
            process.kill()
            process.wait()
    noted = acknowledged(tmp_path)
    assert noted, f"no job was acknowledged: {team.logs()}"
    check_results(app, noted)
    flows = check_flows(app, noted)
    assert flows, "no flow was acknowledged"
    ended = check_ended_once(app)
    finished = check_file(app)
    counts = app.counts("torture")
    assert counts.completed + counts.failed + counts.cancelled == finished >= len(noted)
    app.close()
    print(
        f"\nkill torture: seed {seed}, {SECONDS:.0f} s, {sum(team.kills.values())} kills {dict(team.kills)}, "
        f"{len(noted)} acknowledged, {flows} flows, {finished} finished ({counts.failed} WorkerLost), "
        f"{ended} ends in the kept log"
    )
