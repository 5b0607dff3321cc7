"""`millrace beat`: a process that fires periodic tasks."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cli_runner import PYTHON, run
from millrace import Millrace

PROJECT = """
import os
import signal

from millrace import Millrace
from millrace.beat import Scheduler

app = Millrace("shop", store="shop.db")

@app.task(name="report")
def report():
    return 1

app.conf.beat_schedule = {"often": {"task": "report", "schedule": 0.05}}

class Own(Scheduler):
    def tick(self):
        print("tick", self.max_interval, sorted(self.schedule), flush=True)
        return 60

class Stopped(Own):
    def setup_schedule(self):
        super().setup_schedule()
        os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "project.py").write_text(PROJECT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start(*arguments: str, **pipes: int) -> subprocess.Popen[str]:
    return subprocess.Popen([*PYTHON, "beat", *arguments], text=True, **pipes)  # type: ignore[call-overload,no-any-return]


def test_beat_fires_the_schedules_of_the_store(project):
    with Millrace("shop", store=project / "shop.db", durability="process") as app:
        events = app.events("default", types=["added"])
        following = iter(events)
        process = start("project:app", "--pidfile", "beat.pid", stderr=subprocess.PIPE)
        try:
            assert next(following).queue == "default"
            assert (project / "beat.pid").read_text() == f"{process.pid}\n"
            assert [each.id for each in app.schedules.list()] == ["beat/shop/often"]
        finally:
            events.close()
            process.send_signal(signal.SIGTERM)
            printed = process.communicate(timeout=30)[1]
    assert process.returncode == 0
    assert "shop.db, PersistentScheduler, 1 entries" in printed
    assert not (project / "beat.pid").exists()


def test_beat_runs_a_scheduler_of_ones_own(project):
    options = ("-S", "project:Own", "--max-interval", "7", "-s", "kept")
    with start("project:app", *options, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "tick 7.0 ['often']\n"
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0


def test_a_signal_while_the_scheduler_is_set_up_ends_it_in_order(project):
    with start("project:app", "-S", "project:Stopped", "--pidfile", "beat.pid") as process:
        assert process.wait(30) == 0
    assert not (project / "beat.pid").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["nowhere:app"], 2, "there is no module 'nowhere'"),
        (["project:app", "-S", "project:Missing"], 2, "there is no scheduler 'project:Missing'"),
        (["project:app", "-l", "loud"], 2, "invalid choice: 'loud'"),
        (["project:app", "--max-interval", "soon"], 2, "must be a number of seconds"),
        (["project:app", "--pidfile", "project.py"], 2, "File exists"),
    ],
)
def test_what_beat_refuses(project, arguments, status, message):
    result = run(PYTHON, "beat", *arguments)
    assert message in result.stderr
    assert result.returncode == status


def test_beat_ends_on_an_entry_that_makes_no_sense(project):
    (project / "project.py").write_text(PROJECT.replace("0.05", "'often'"))
    result = run(PYTHON, "beat", "project:app")
    assert "beat_schedule['often']" in result.stderr
    assert result.returncode == 1


@pytest.mark.parametrize("scheduler", [[], ["--scheduler", "project:Own"]])
def test_a_worker_with_beat(project, scheduler):
    """`-B` is harmless with stored schedules, and runs another scheduler."""
    with Millrace("shop", store=project / "shop.db", durability="process") as app:
        events = app.events("default", types=["completed"])
        following = iter(events)
        command = [*PYTHON, "worker", "project:app", "-P", "solo", "-B", *scheduler]
        with subprocess.Popen(command, text=True, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            try:
                if scheduler:
                    assert process.stdout.readline().startswith("tick")
                    assert app.schedules.list() == []
                else:
                    assert next(following).queue == "default"
                    assert [each.id for each in app.schedules.list()] == ["beat/shop/often"]
            finally:
                events.close()
                process.send_signal(signal.SIGTERM)
                assert process.wait(30) == 0
