"""Sandboxes of a Node worker that die at random: no job is lost, none ends twice, no lease is taken away."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
LONG = bool(os.environ.get("MILLRACE_TORTURE"))
MILLISECONDS = 120_000 if LONG else 3_000


@pytest.mark.parametrize("kind", ["processes", "threads"])
def test_no_job_is_lost_with_its_sandbox(kind: str, tmp_path: Path) -> None:
    run = subprocess.run(
        ["node", str(HERE / "sandboxes.mjs"), str(tmp_path / "jobs.db"), str(MILLISECONDS), kind],
        capture_output=True,
        text=True,
        timeout=MILLISECONDS / 1000 + 120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    told = json.loads(run.stdout.strip().splitlines()[-1])
    print(f"sandboxes ({kind}): {told}")
    assert told["ended"] == told["added"] > 0
    assert told["twice"] == 0
    assert told["failures"] > 0, "no sandbox died: nothing was proven"
    assert told["stalled"] == 0, "a job was taken away from a living worker"
    counts = told["counts"]
    assert counts["completed"] == told["added"]
    assert counts["failed"] == counts["waiting"] == counts["active"] == counts["delayed"] == 0
