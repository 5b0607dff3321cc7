"""Workers as services: several, detached, restarted, reloaded."""

import os
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pytest
from cli_runner import PYTHON, run
from millrace.worker.daemon import is_alive
from worker_support import PATIENCE_S, until


def test_multi_starts_and_stops_workers(shop, tmp_path):
    base = ["-A", "cli_shop", "--pidfile=run/%n.pid", "--logfile=log/%n.log", "-P", "solo"]
    started = run(PYTHON, "multi", "start", "2", *base)
    assert started.returncode == 0, started.stdout + (tmp_path / "log/w1.log").read_text()
    try:
        assert started.stdout.count("OK") == 2
        pid = int((tmp_path / "run/w1.pid").read_text())
        assert shop.add.delay(1, 2).get(PATIENCE_S) == 3
        again = run(PYTHON, "multi", "start", "w1", *base)
        assert "runs already" in again.stderr
        assert run(PYTHON, "multi", "restart", "w1", *base).returncode == 0
        assert int((tmp_path / "run/w1.pid").read_text()) != pid
    finally:
        stopped = run(PYTHON, "multi", "stopwait", "2", *base)
    assert stopped.stdout.count("ended") == 2
    assert not (tmp_path / "run/w1.pid").exists()
    assert "DOWN" in run(PYTHON, "multi", "kill", "w1", *base).stdout


def test_a_detached_worker(shop, tmp_path):
    options = [
        "-D",
        "--pidfile",
        "w.pid",
        "--logfile",
        "%n.log",
        "-n",
        "det",
        "-P",
        "solo",
        "-l",
        "info",
        "--umask",
        "077",
    ]
    assert run(PYTHON, "-A", "cli_shop", "worker", *options).returncode == 0
    until((tmp_path / "w.pid").exists)
    pid = int((tmp_path / "w.pid").read_text())
    try:
        assert shop.add.delay(1, 2).get(PATIENCE_S) == 3
        held = run(PYTHON, "-A", "cli_shop", "worker", "-D", "--pidfile", "w.pid")
        assert f"held by process {pid}" in held.stderr
        assert (tmp_path / "w.pid").stat().st_mode & 0o77 == 0
    finally:
        os.kill(pid, signal.SIGTERM)
    until(lambda: not (tmp_path / "w.pid").exists())
    assert "ready." in (tmp_path / "det.log").read_text()


def worker_process(*options):
    return subprocess.Popen(
        [*PYTHON, "-A", "cli_shop", "worker", *options], stderr=subprocess.PIPE, text=True
    )


def test_sighup_restarts(shop):
    with worker_process("-P", "solo") as process:
        try:
            assert process.stderr is not None
            assert "1 solo" in process.stderr.readline()
            before = shop.app.control.inspect(timeout=PATIENCE_S)
            until(before.ping)
            process.send_signal(signal.SIGHUP)
            assert "stops when" in process.stderr.readline()
            assert "1 solo" in process.stderr.readline()  # the banner again: of the same process
            assert shop.add.delay(1, 2).get(PATIENCE_S) == 3
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_reload_starts_again_when_a_source_changes(shop, tmp_path, stop):
    with worker_process("-P", "solo", "--reload") as process:
        try:
            assert process.stderr is not None
            assert "2 tasks" in process.stderr.readline()
            with (tmp_path / "cli_shop.py").open("a") as file:
                file.write("\n@app.task\ndef more(): ...\n")
            assert "has changed" in process.stderr.readline()
            said = [process.stderr.readline()]
            if "3 tasks" not in said[0]:  # a worker that was ready says that it stops
                said.append(process.stderr.readline())
            assert "3 tasks" in said[-1]
            assert shop.add.delay(1).get(PATIENCE_S) == 1
        finally:
            process.send_signal(stop)
            assert process.wait(PATIENCE_S) == 0


def test_a_worker_says_that_it_stops(shop):
    with worker_process("-P", "solo") as process:
        assert shop.add.delay(1).get(PATIENCE_S) == 1
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE_S)
    assert "stops when its running jobs have ended; the same signal again cancels them" in said
    with worker_process("-P", "solo", "-q") as process:
        assert shop.add.delay(2).get(PATIENCE_S) == 2
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=PATIENCE_S)[1] == ""


def test_worker_purges_first(shop):
    shop.add.delay(1)
    with worker_process("--purge", "-P", "solo") as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline() == "purge: removed 1 waiting jobs\n"
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0


SCHEDULER = """
from pathlib import Path
from millrace.beat import PersistentScheduler

class Own(PersistentScheduler):
    def tick(self, *args, **kwargs):
        Path("ticked").write_text(str(self.schedule_filename))
        return 60.0
"""


def test_beat_inside_a_worker(shop, tmp_path):
    (tmp_path / "cli_sched.py").write_text(SCHEDULER)
    options = ("-B", "-s", "kept.db", "--scheduler", "cli_sched:Own", "-P", "solo")
    with worker_process(*options) as process:
        try:
            until(lambda: (tmp_path / "ticked").exists() and (tmp_path / "ticked").read_text())
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
    assert (tmp_path / "ticked").read_text() == "kept.db"


def ended(pid):
    os.kill(pid, signal.SIGTERM)
    until(lambda: not is_alive(pid))


def test_detached_beat_events_and_another_interpreter(shop, tmp_path):
    shop.app.counts()
    camera = ("-c", "cli_camera:Cam", "-F", "3600")
    (tmp_path / "cli_camera.py").write_text(
        "from millrace.events.snapshot import Polaroid as Cam\n"
    )
    verbs = {
        "beat": ("beat",),
        "events": ("events", *camera),
        "worker": ("worker", "--executable", sys.executable, "-P", "solo"),
    }
    for name, arguments in verbs.items():
        more = ("--detach", "--pidfile", f"{name}.pid", "--logfile", f"{name}.log")
        started = run(PYTHON, "-A", "cli_shop", *arguments, *more)
        assert started.returncode == 0, started.stderr
        until((tmp_path / f"{name}.pid").exists)
        ended(int((tmp_path / f"{name}.pid").read_text()))
        assert not (tmp_path / f"{name}.pid").exists()


def test_sigusr1_shows_stacks(shop):
    with worker_process("-P", "solo") as process:
        try:
            assert process.stderr is not None
            assert "1 solo" in process.stderr.readline()
            until(lambda: shop.app.control.ping(timeout=PATIENCE_S))
            process.send_signal(signal.SIGUSR1)
            assert "most recent call first" in process.stderr.readline()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)


def test_the_command_starts_without_what_it_does_not_need(shop):
    shop.app.counts()
    code = (
        "import sys; from millrace.cli.main import main; main(sys.argv[1:]); "
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "status", "--store", "shop.db"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    loaded = set(done.stdout.split())
    assert loaded.isdisjoint({"asyncio", "concurrent", "email", "http", "subprocess", "tempfile"})
