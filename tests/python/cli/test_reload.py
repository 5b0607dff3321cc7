"""`worker --reload`: what it passes on, and what it sees."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cli_runner import PYTHON
from millrace.worker.reload import SourceWatch
from worker_support import PATIENCE_S, until

STUBBORN = """
from pathlib import Path
import time

@app.task
def stay() -> None:
    Path("began").touch()
    time.sleep(3600)
"""


def test_a_second_signal_cancels_what_runs(shop, tmp_path):
    with (tmp_path / "cli_shop.py").open("a") as file:
        file.write(STUBBORN)
    result = shop.app.send_task("cli_shop.stay")
    command = [*PYTHON, "-A", "cli_shop", "worker", "-P", "solo", "--reload"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            assert "3 tasks" in process.stderr.readline()
            until((tmp_path / "began").exists)
            process.send_signal(signal.SIGTERM)
            assert "stops when its running jobs have ended" in process.stderr.readline()
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
    assert result.details().state == "ready"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_did_not_mind_the_signal_yet_has_not_failed(tmp_path, number):
    code = (
        "import sys; from millrace.worker.reload import run_reloading\n"
        "child = 'import time; print(1, flush=True); time.sleep(3600)'\n"
        "sys.exit(run_reloading([sys.executable, '-c', child], []))\n"
    )
    # In a group of its own: a terminal's Ctrl-C would have reached the child, too.
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == 0


def test_files_of_a_directory_that_is_new_are_seen(tmp_path):
    watch = SourceWatch([tmp_path])
    try:
        (tmp_path / "made").mkdir()
        (tmp_path / "made" / "before.py").write_text("x = 1\n")  # it is not watched yet
        (tmp_path / ".hidden").mkdir()
        (tmp_path / ".hidden" / "never.py").write_text("x = 1\n")
        assert watch.changed() == [tmp_path / "made" / "before.py"]
        (tmp_path / "made" / "later.py").write_text("x = 1\n")
        assert watch.changed() == [tmp_path / "made" / "later.py"]
    finally:
        watch.close()
