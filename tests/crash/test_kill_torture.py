"""Producers and workers of both languages on one file, killed at random; then every promise is checked.

Short form: 8 seconds of killing. MILLRACE_TORTURE=1: ten minutes. Prints what it did, with the seed.
"""

from __future__ import annotations

import json
import random
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

from millrace import Millrace
from team import SECONDS, Team, new_seed, worker

COMMANDS = {
    "python producer": (sys.executable, "tasks.py", "{first}"),
    "node producer": ("node", "producer.mjs", "{first}"),
    "python worker, threads": worker("torture", "threads", 4),
    "python worker, processes": worker("torture", "processes", 2),
    "node worker": ("node", "worker.mjs"),
}


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
    with closing(sqlite3.connect(app.store)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return int(connection.execute("SELECT count(*) FROM finished").fetchone()[0])


def test_nothing_is_lost_and_nothing_finishes_twice(tmp_path: Path) -> None:
    seed = new_seed()
    team = Team(tmp_path, Path(__file__).parent / "kill", "torture", COMMANDS)
    app = Millrace("checker", store=team.store)
    try:
        team.torture(random.Random(seed))
        team.drain(app)
        team.stop_workers()
    finally:
        team.end()
    noted = team.acknowledged()
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
