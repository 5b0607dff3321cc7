"""Event loops of Node that are blocked, and threads that are terminated: no job is taken away, lost or ended twice.

Short form: blocks of 3 seconds, 3 seconds of terminating. MILLRACE_TORTURE=1: blocks of a minute, two minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LONG = bool(os.environ.get("MILLRACE_TORTURE"))


def told_by(program: str, store: Path, milliseconds: int) -> dict[str, Any]:
    """What the program prints last."""
    run = subprocess.run(
        ["node", str(HERE / program), str(store), str(milliseconds)],
        capture_output=True,
        text=True,
        timeout=3 * milliseconds / 1000 + 120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    told: dict[str, Any] = json.loads(run.stdout.strip().splitlines()[-1])
    print(f"{program}: {told}")
    return told


def test_no_job_is_taken_from_a_blocked_event_loop(tmp_path: Path) -> None:
    told = told_by("blocked-loops.mjs", tmp_path / "jobs.db", 60_000 if LONG else 3_000)
    assert told["completed"] == told["jobs"] > 0
    assert told["stalled"] == told["failed"] == 0
    assert told["taken"] == [], "a free worker got the job of a blocked one"
    assert told["starts"] == [[1, 0]] * told["jobs"]
    assert told["beside"] > 0
    assert told["exits"] == [0, 0]


def test_no_job_is_lost_with_a_terminated_thread(tmp_path: Path) -> None:
    told = told_by("threads.mjs", tmp_path / "jobs.db", 120_000 if LONG else 3_000)
    assert told["ended"] == told["added"] > 0
    assert told["twice"] == 0
    assert told["terminated"] > 1
    counts = told["counts"]
    assert counts["completed"] == told["added"]
    assert counts["failed"] == counts["waiting"] == counts["active"] == counts["delayed"] == 0
