"""The demo from end to end: the real programs, fewer photographs. What it says of itself is looked at here again."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from millrace import Millrace
from PIL import Image

ROOT = Path(__file__).parent.parent.parent
RUN = ROOT / "examples" / "demo" / "run.py"
WEBHOOKS = (
    ROOT / "node_modules" / "@octokit" / "webhooks-examples" / "api.github.com" / "index.json"
)
PHOTOGRAPHS = 8
LIMIT_SECONDS = 660


@dataclass
class Performance:
    status: int
    text: str
    out: Path
    summary: dict[str, Any]


def start(out: Path, *more: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "KEEP": ""}
    return subprocess.Popen(
        [sys.executable, str(RUN), "--photos", str(PHOTOGRAPHS), "--out", str(out), *more],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )


def end(process: subprocess.Popen[str]) -> str:
    """What it printed. It is asked to end if it does not, so that it can end its programs."""
    try:
        return process.communicate(timeout=LIMIT_SECONDS)[0]
    except subprocess.TimeoutExpired:
        process.terminate()
        pytest.fail(f"the demo did not end:\n{process.communicate()[0]}")


def programs_of(out: Path) -> list[str]:
    """The processes that were started for the run that writes to this folder."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
            command = (folder / "cmdline").read_bytes()
        except OSError:  # it has ended, or is somebody else's
            continue
        if f"MILLRACE_STORE={out}/jobs.db".encode() in environment:
            found.append(command.replace(b"\0", b" ").decode())
    return found


@pytest.fixture(scope="module")
def performance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Performance]:
    out = tmp_path_factory.mktemp("demo")
    process = start(out)
    text = end(process)
    summary = out / "summary.json"
    assert summary.exists(), text
    yield Performance(process.returncode, text, out, json.loads(summary.read_text()))
    assert programs_of(out) == []


def test_every_count_is_right(performance: Performance) -> None:
    wrong = [check for check in performance.summary["checks"] if not check["ok"]]
    assert (wrong, performance.summary["ok"], performance.status) == ([], True, 0)
    assert len(performance.summary["checks"]) >= 20


def test_photographs_are_real_and_done(performance: Performance) -> None:
    images = performance.summary["kinds"]["process_image"]
    assert (images["enqueued"], images["done"], images["dead"]) == (PHOTOGRAPHS + 1, PHOTOGRAPHS, 1)
    assert performance.summary["megapixels"] > 1.4 * PHOTOGRAPHS
    assert performance.summary["with_exif"] > 0
    thumbnails = sorted((performance.out / "thumbnails").glob("*.jpg"))
    assert len(thumbnails) == 3 * PHOTOGRAPHS
    widths = []
    for path in thumbnails:
        with Image.open(path) as image:
            widths.append(image.width)
    assert sorted(widths) == sorted([320, 800, 1600] * PHOTOGRAPHS)


def test_both_directions_on_one_file(performance: Performance) -> None:
    payloads = sum(len(one["examples"]) for one in json.loads(WEBHOOKS.read_text()))
    kinds = performance.summary["kinds"]
    assert kinds["github_event"]["done"] > 50  # enqueued by Node, worked by Python
    by_python = PHOTOGRAPHS
    by_node = payloads - kinds["github_event"]["done"]
    assert (
        kinds["deliver_webhook"]["done"]
        == by_node + by_python
        == performance.summary["receiver"]["deliveries"]
    )
    assert kinds["deliver_webhook"]["retried"] == performance.summary["receiver"]["turnedAway"] > 0
    assert "released release" in performance.summary["answer"]


def test_killed_worker_loses_no_job(performance: Performance) -> None:
    recovery = performance.summary["recovery"]
    assert len(recovery["held"]) >= 2
    assert len(recovery["back_in_queue_ms"]) == len(recovery["held"])
    assert len(recovery["started_again_ms"]) == len(recovery["held"])
    with Millrace(store=performance.out / "jobs.db") as app:
        for job_id in recovery["held"]:
            job = app.AsyncResult(job_id, queue="images").details()
            assert (job.state, job.crashes) == ("completed", 1)


def test_poisoned_job_is_a_dead_letter_and_shown(performance: Performance) -> None:
    (letter,) = performance.summary["dead"]
    assert letter["error"]["type"] == "PIL.UnidentifiedImageError"
    assert letter["id"] in performance.text
    assert "cannot identify image file" in performance.text
    with Millrace(store=performance.out / "jobs.db") as app:
        (dead,) = app.engine.list_jobs("images", "failed")
        assert dead.spec.id == letter["id"]


def test_output_is_plain_text_when_it_is_no_terminal(performance: Performance) -> None:
    assert "\x1b" not in performance.text
    assert "\r" not in performance.text
    assert re.search(r"process_image +FastAPI → Python +9 +8 +0 +[234] +1 ", performance.text)


def test_interrupted_demo_ends_its_programs(tmp_path: Path) -> None:
    process = start(tmp_path)
    assert process.stdout is not None
    shown = next((line for line in process.stdout if "✓" in line), None)
    running = programs_of(tmp_path)
    process.send_signal(signal.SIGINT)
    text = end(process)
    assert shown is not None, text
    assert len(running) >= 6
    assert process.returncode == 130
    assert programs_of(tmp_path) == []


def test_wrong_count_is_told(performance: Performance, tmp_path: Path) -> None:
    """Six files that claim to be photographs, one of which is none: the account must not come out right."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    photographs = sorted((performance.out / "uploads").glob("*.jpg"))
    real = [path for path in photographs if not path.name.endswith("holiday.jpg")][:5]
    for path in real:
        (folder / path.name).symlink_to(path)
    (folder / "zebra.jpg").write_text("not a photograph either")
    process = start(tmp_path / "out", "--from", str(folder))
    text = end(process)
    assert process.returncode == 1, text
    assert "5 completed, 1 failed" not in text, text
    assert "✗ photographs" in text, text
    assert "✗ thumbnails: 15, but it must be 18" in text
    assert not json.loads((tmp_path / "out" / "summary.json").read_text())["ok"]
    assert programs_of(tmp_path / "out") == []


def test_too_few_photographs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "one.jpg").write_bytes(b"")
    process = start(tmp_path / "out", "--from", str(tmp_path))
    assert end(process) == "demo: 1 photographs are too few; give at least 6\n"
    assert process.returncode == 1
