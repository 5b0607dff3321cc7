"""Signals that come just when a process begins to be seen, or when it is about to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cli_runner import PYTHON
from millrace import Millrace
from millrace.pools.child_process import GROUP_SIGNALS, ChildProcess
from millrace.worker import daemon
from worker_support import PATIENCE_S

PROJECT = """
import atexit
import os
import signal

from millrace import Millrace, signals
from millrace.worker import daemon, main

app = Millrace("shop", store="shop.db", durability="process")

@app.task(name="mask")
def mask():
    return sorted(signal.pthread_sigmask(signal.SIG_BLOCK, []))

def end(number=signal.SIGTERM):
    os.kill(os.getpid(), number)
"""

# What others can see first, and last, of a process with a pid file.
AS_SOON_AS_SEEN = """
acquire = daemon.PidFile.acquire
def seen(self):
    acquire(self)
    end()
daemon.PidFile.acquire = seen
"""
AT_EXIT = """
release = daemon.release_pid_files
def released():
    release()
    end()
daemon.release_pid_files = released
"""
VERBS = [
    ("worker", "-P", "solo"),
    ("worker", "-c", "1"),
    ("beat",),
    ("events",),
    ("events", "-c", "millrace.events.snapshot:Polaroid", "-F", "3600"),
]


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MILLRACE_STORE", raising=False)
    with Millrace("shop", store=tmp_path / "shop.db", durability="process") as app:
        app.counts()
    return tmp_path


def start(project, code, *arguments):
    (project / "project.py").write_text(PROJECT + code)
    command = [*PYTHON, "-A", "project:app", *arguments, "--pidfile", "service.pid"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
@pytest.mark.parametrize("code", [AS_SOON_AS_SEEN, AS_SOON_AS_SEEN + AT_EXIT])
def test_a_signal_as_soon_as_it_is_seen_and_one_when_it_ends(project, verb, code):
    with start(project, code, *verb) as process:
        said = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert not (project / "service.pid").exists()


def test_signals_before_and_behind_the_work_of_a_worker(project):
    told = "".join(
        f"signals.{name}.connect(lambda **_: end(), weak=False)\n"
        for name in ("celeryd_init", "worker_shutdown")
    )
    with start(project, told, "worker", "-P", "threads") as process:
        said = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 0, said
    assert said.count("stops when its running jobs have ended") == 1


def test_one_that_leaves_jobs_behind_takes_its_pid_file_along(project):
    code = "from millrace.exceptions import WorkerShutdown\n@app.task(name='bad')\ndef bad(): raise WorkerShutdown(3)\n"
    with Millrace("shop", store=project / "shop.db") as app:
        app.send_task("bad")
    with start(project, code, "worker", "-P", "solo") as process:
        assert process.wait(PATIENCE_S) == 3
    assert not (project / "service.pid").exists()


def test_a_second_signal_too_late_is_not_the_last_word():
    before = signal.getsignal(signal.SIGTERM)
    try:
        with daemon.stopped_by_signals(lambda: None, own_process=False):
            os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is before
        signal.signal(signal.SIGTERM, daemon.too_late)
        os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


def test_ctrl_c_while_the_children_start_is_the_supervisors_affair(project):
    with Millrace("shop", store=project / "shop.db") as app:
        asked = app.send_task("mask")
        code = "if main.in_child:\n    end(signal.SIGINT)\n"
        with start(project, code, "worker", "-c", "1") as process:
            try:
                assert asked.get(PATIENCE_S) == []  # and what its jobs start gets signals
            finally:
                process.send_signal(signal.SIGTERM)
            said = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 0
    assert "KeyboardInterrupt" not in said


def test_what_is_sent_to_a_child_waits_until_it_handles_signals():
    child = ChildProcess(0, {})
    try:
        for number in GROUP_SIGNALS:
            os.kill(child.pid, number)
        # An empty configuration is what it fails on, not the signals.
        assert child.link.receive() is None
    finally:
        assert child.reap() not in {-number for number in GROUP_SIGNALS}


def test_of_two_that_start_at_once_one_gets_the_pid_file(project):
    code = f"""
import sys
from millrace.errors import WrongState
from millrace.worker.daemon import PidFile
try:
    PidFile({str(project / "one.pid")!r}).acquire()
except WrongState:
    print("refused")
else:
    print("got it", flush=True)
    sys.stdin.read()
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    lines = []
    for process in processes:
        assert process.stdout is not None
        lines.append(process.stdout.readline())
    assert sorted(lines) == ["got it\n", *["refused\n"] * 3]
    for process in processes:
        process.communicate(timeout=PATIENCE_S)
    assert not (project / "one.pid").exists()
