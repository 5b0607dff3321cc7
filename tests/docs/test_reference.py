"""The reference of both APIs can be made, and has what a reader looks for."""

from __future__ import annotations

import subprocess
import sys

import pytest
from documents import ROOT

OUT = ROOT / "build" / "reference"


@pytest.fixture(scope="module")
def made() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "reference.py"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("python/millrace.html", ["apply_async", "Enqueues one job", "chord", "shared_task"]),
        ("python/millrace/schedules.html", ["crontab", "solar"]),
        ("python/millrace/contrib/fastapi.html", ["Idempotency-Key"]),
        ("node/classes/index.Queue.html", ["addBulk", "upsertJobScheduler", "obliterate"]),
        ("node/classes/index.Worker.html", ["getNextJob", "rateLimit"]),
        ("node/interfaces/index.WorkerListener.html", ["as durable as the worker"]),
        ("node/interfaces/contrib_react.JobStatus.html", ["progress"]),
    ],
)
def test_a_page_has_its_names(page: str, words: list[str]) -> None:
    text = (OUT / page).read_text(encoding="utf-8")
    assert [word for word in words if word not in text] == []
