"""The command line: the table of cases, its text for people, confirmation, and the same answers as in Node."""

import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cli_runner import NODE, PYTHON, TABLE, fill, fits, run
from millrace import _core
from millrace.cli import text

BOTH = pytest.mark.parametrize("command", [PYTHON, NODE], ids=["python", "node"])


@pytest.fixture
def filled(store: Path) -> Path:
    fill(store)
    return store


def test_the_table_of_cases(filled, tmp_path):
    assert len(TABLE["cases"]) > 40
    for case in TABLE["cases"]:
        args = [arg.replace("$dir", str(tmp_path)) for arg in case["args"]]
        if args[:1] not in ([], ["dead"]) or args[1:]:
            args += ["--json", *([] if "--store" in args else ["--store", str(filled)])]
        done = run(PYTHON, *args)
        assert done.returncode == case["status"], (args, done.stdout, done.stderr)
        if "answer" in case:
            expected = json.loads(json.dumps(case["answer"]).replace("$dir", str(tmp_path)))
            assert fits(expected, json.loads(done.stdout)), (args, done.stdout)
        elif case["status"]:
            assert done.stdout == ""
            assert "millrace" in done.stderr


@pytest.mark.parametrize(
    "args",
    [
        ["inspect"],
        ["inspect", "--queue", "images"],
        ["inspect", "--job", "img-1"],
        ["inspect", "--job", "img-3"],
        ["inspect", "--queue", "none"],
        ["dead", "list"],
        ["dead", "list", "--limit", "1"],
        ["dead", "list", "--queue", "images"],
        ["dead", "show", "bad-3"],
        ["dead", "show", "img-1"],
        ["dead", "retry"],
        ["purge", "never-seen"],
        ["resume", "images"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_both_packages_answer_the_same_bytes(filled, args, as_json):
    args = [*args, *(["--json"] if as_json else [])]
    python = run(PYTHON, *args, MILLRACE_STORE=str(filled))
    node = run(NODE, *args, MILLRACE_STORE=str(filled))
    assert (python.stdout, python.returncode) == (node.stdout, node.returncode), node.stderr
    assert python.stdout or python.returncode == 2 or not as_json


@BOTH
def test_the_text_of_inspect(filled, command):
    lines = run(command, "inspect", "--store", str(filled)).stdout.splitlines()
    assert lines[0].startswith(f"store  {filled}  ")
    assert lines[2] == "QUEUE   READY  SCHEDULED  BLOCKED  ACTIVE  COMPLETED  FAILED  CANCELLED"
    assert lines[4] == "images      2          1        0       0          0       0          0"
    assert lines[-1] == "no workers"


@BOTH
def test_inspect_shows_workers_and_what_they_run(filled, command):
    engine = _core.Engine(str(filled), durability="process")
    session = engine.open_session(["images"], slots=1, prefetch=0, worker_name="wanda")
    taken = session.take(1)[0]
    answer = json.loads(run(command, "inspect", "--json", "--store", str(filled)).stdout)
    assert fits(
        [{"name": "wanda", "language": "python", "alive": True, "slots": 1, "active": 1}],
        answer["workers"],
    )
    row = run(command, "inspect", "--store", str(filled)).stdout.splitlines()[-1].split()
    assert row[:2] == ["wanda", "python"]
    cancel = run(command, "cancel", taken.id, "--json", "--store", str(filled))
    assert (cancel.returncode, json.loads(cancel.stdout)["outcome"]) == (0, "requested")
    session.close(0)
    engine.close()


@BOTH
def test_what_users_wrote_cannot_steer_a_terminal(filled, command):
    shown = run(command, "dead", "list", "--store", str(filled)).stdout
    assert "gone\\x1b[31m" in shown
    assert "\x1b" not in run(command, "dead", "show", "bad-3", "--store", str(filled)).stdout


@BOTH
def test_doctor_reports_a_fault_with_status_1(filled, command):
    good = json.loads(run(command, "doctor", "--json", "--store", str(filled)).stdout)
    assert good["ok"] is True
    assert good["versions"]["package"].startswith(_core.VERSION)
    language = "Python" if command is PYTHON else "Node"
    assert good["versions"]["language"].startswith(language)
    damage(filled)
    done = run(command, "doctor", "--store", str(filled))
    assert done.returncode == 1
    assert "BAD" in done.stdout
    assert done.stdout.splitlines()[-1] == "something is wrong"


def damage(path: Path) -> None:
    """Makes a count disagree with its table, as no Millrace program does."""
    import sqlite3

    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE queue_counts SET ready = ready + 7")
    connection.close()


@BOTH
def test_a_store_that_is_none_is_refused(tmp_path, command):
    file = tmp_path / "text.db"
    file.write_text("certainly no database, but long enough to have a header\n" * 100)
    done = run(command, "inspect", "--json", "--store", str(file))
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == "not_a_store"


@BOTH
def test_a_missing_store_is_wrong_usage_and_is_not_created(tmp_path, command):
    done = run(command, "inspect")
    assert done.returncode == 2
    assert "MILLRACE_STORE" in done.stderr
    assert run(command, "pause", "q", "--store", str(tmp_path / "new.db")).returncode == 1
    assert list(tmp_path.iterdir()) == []


@BOTH
def test_help_and_version_need_no_store(command):
    assert run(command, "--help").returncode == 0
    assert run(command, "inspect", "--help").returncode == 0
    version = run(command, "--version")
    assert version.stdout.strip() == f"millrace {_core.VERSION} (SQLite {_core.SQLITE_VERSION})"


@BOTH
def test_a_reader_that_leaves_is_no_error(filled, command):
    engine = _core.Engine(str(filled), durability="process")
    for n in range(3000):
        engine.pause(f"a queue with a long name to fill the pipe, number {n}", durability="memory")
    engine.close()
    line = f"{' '.join(command)} inspect --store {filled} | head -n 1"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("store")
    assert done.stderr == ""


class Terminal:
    """A command that believes it talks to a person."""

    def __init__(self, command: list[str]) -> None:
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)
        self._seen = ""

    def until(self, wanted: str) -> str:
        while wanted not in self._seen:
            assert select.select([self._fd], [], [], 60)[0], self._seen
            self._seen += os.read(self._fd, 4096).decode()
        return self._seen

    def say(self, line: str) -> None:
        os.write(self._fd, line.encode() + b"\n")

    def end(self) -> int:
        try:
            while os.read(self._fd, 4096):
                pass
        except OSError:
            pass  # the other side of the terminal is closed
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self._fd)
        return status


@BOTH
@pytest.mark.parametrize(
    ("args", "question"),
    [
        (["purge", "images"], "Delete all waiting jobs of queue 'images'?"),
        (["purge", "images", "--scheduled"], "Delete all waiting and scheduled jobs of queue"),
        (["dead", "remove", "--all"], "Delete the dead letters of all queues?"),
        (["dead", "remove", "--name", "resize"], "Delete the dead letters named 'resize' of all"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_in_a_terminal_bulk_deletion_asks(filled, command, args, question):
    whole = [*command, *args, "--store", str(filled)]
    refused = Terminal(whole)
    assert question in refused.until("[y/N] ")
    refused.say("no")
    assert refused.end() == 1
    assert counts(filled) == (2, 1, 4)
    assert Terminal([*whole, "--yes"]).end() == 0
    assert counts(filled) != (2, 1, 4)


@BOTH
def test_a_confirmed_deletion_is_done(filled, command):
    terminal = Terminal([*command, "purge", "images", "--store", str(filled)])
    terminal.until("[y/N] ")
    terminal.say("y")
    assert terminal.end() == 0
    assert counts(filled) == (0, 1, 4)


def counts(path: Path) -> tuple[int, int, int]:
    engine = _core.Engine(str(path))
    images = engine.counts("images")
    dead = json.loads(engine.dead_json())["total"]
    engine.close()
    return images.ready, images.scheduled, dead


@BOTH
def test_bench_measures_and_leaves_nothing(tmp_path, command):
    out = tmp_path / "bench.json"
    folder = tmp_path / "disk"
    folder.mkdir()
    args = ["--runs", "1", "--jobs", "50", "--durability", "process"]
    done = run(command, "bench", "--json", "--out", str(out), "--dir", str(folder), *args)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert report == json.loads(out.read_text())
    assert report["disk"]["fdatasync_us_p50"] > 0
    assert {row["durability"] for row in report["rows"]} == {"process"}
    assert {row["unit"] for row in report["rows"]} == {"jobs/s", "ms p50", "ms p99"}
    assert all(row["ours"] > 0 and len(row["runs"]) == 1 for row in report["rows"])
    assert list(folder.iterdir()) == []


@BOTH
@pytest.mark.parametrize(
    "args",
    [["--runs", "0"], ["--jobs", "x"], ["--durability", "forever"], ["--dir", "/none/such"]],
    ids=" ".join,
)
def test_bench_refuses_wrong_options(command, args):
    assert run(command, "bench", *args).returncode == 2


TASKS = """
from millrace import Millrace
app = Millrace("shop", store="shop.db", durability="process")

@app.task(queue="mail")
def add(x: int, y: int) -> int:
    return x + y
"""


def test_worker_runs_the_tasks_until_it_is_stopped(tmp_path, monkeypatch):
    (tmp_path / "tasks.py").write_text(TASKS)
    monkeypatch.chdir(tmp_path)
    args = ["worker", "tasks:app", "-c", "2", "--pool", "threads", "-Q", "mail,other", "-n", "w1"]
    with subprocess.Popen([*PYTHON, *args], stderr=subprocess.PIPE, text=True) as worker:
        assert worker.stderr is not None
        banner = worker.stderr.readline()
        assert "2 threads, queues mail, other, 1 tasks" in banner
        engine = _core.Engine("shop.db", durability="process")
        ack = engine.enqueue([_core.JobSpec("mail", "tasks.add", value={"x": 2, "y": 3})])
        assert engine.wait_finished(ack[0][0], timeout_ms=60_000).result == "5"
        assert {each.name for each in engine.list_workers()} == {f"w1@{socket.gethostname()}"}
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
        engine.close()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nothing_here:app"], "no module 'nothing_here'"),
        (["json:loads"], "not a Millrace application"),
        (["json:none"], "no attribute 'none'"),
        (["tasks:app", "--pool", "swimming"], "invalid choice"),
        (["tasks:app", "-c", "0"], "whole number from 1"),
        (["tasks:app", "--grace", "soon"], "number of seconds"),
        (["tasks:app", "-Q", ""], "queues[0] must not be empty"),
        ([], "required: app"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_worker_names_what_is_wrong(args, said):
    done = run(PYTHON, "worker", *args)
    assert done.returncode == 2
    assert said in done.stderr


def test_worker_is_pythons():
    done = run(NODE, "worker", "tasks:app")
    assert done.returncode == 2
    assert "Worker in a program" in done.stderr


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1 << 40, "1.0 TiB"),
        (1 << 52, "4096.0 TiB"),
    ],
)
def test_sizes(value, shown):
    assert text.size(value) == shown


def test_times_beyond_the_calendar_are_shown_as_numbers():
    assert text.time(0) == "1970-01-01T00:00:00Z"
    assert text.time(None) == "-"
    assert text.time(10**15) == str(10**15)


def test_tables_align_numbers_to_the_right_and_escape_controls():
    assert text.table(["A", "N"], [["x\n", 5], ["longer", 100]]) == [
        "A         N",
        "x\\x0a     5",
        "longer  100",
    ]
    assert text.table(["A"], []) == ["A"]
