"""The verbs that Celery's users know, with a worker that runs."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cli_runner import PYTHON
from millrace import Millrace
from millrace.cli.main import main
from millrace.contrib.testing.worker import start_worker
from worker_support import PATIENCE_S

NODE = f"w1@{socket.gethostname()}"
PATIENT = ("-t", str(PATIENCE_S))


@pytest.fixture
def worker(shop):
    with start_worker(shop.app, hostname="w1", pool="threads") as started:
        yield started


def millrace(capsys, *args):
    """Runs the command in this process; (status, what it printed)."""
    try:
        status = main(list(args))
    except SystemExit as error:
        status = error.code
    printed = capsys.readouterr()
    return status, printed.out + printed.err


def test_status(worker, capsys):
    assert millrace(capsys, "-A", "cli_shop", "status", *PATIENT) == (
        0,
        f"{NODE}: OK\n\n1 node online.\n",
    )
    assert (
        millrace(capsys, "status", "-A", "cli_shop.app", "--json", *PATIENT)[1]
        == json.dumps({NODE: {"ok": "pong"}}) + "\n"
    )
    assert millrace(capsys, "-q", "-Acli_shop", "status", *PATIENT) == (0, f"{NODE}: OK\n")
    status, said = millrace(capsys, "-A", "cli_shop", "status", "-d", "other@host", "-t", "0.1")
    assert (status, said) == (69, "Error: No nodes replied within time constraint\n")


def test_inspect(worker, capsys):
    base = ("-A", "cli_shop:app", "inspect")
    assert f"->  {NODE}: OK\n        pong\n" in millrace(capsys, *base, "ping", *PATIENT)[1]
    assert "* cli_shop.add" in millrace(capsys, *base, "registered", *PATIENT)[1]
    stats = json.loads(millrace(capsys, *base, "stats", "-j", *PATIENT)[1])
    assert stats[NODE]["pid"] == os.getpid()
    assert "- empty -" in millrace(capsys, *base, "active", *PATIENT)[1]
    assert json.loads(millrace(capsys, *base, "half", "8", "-j", *PATIENT)[1]) == {NODE: {"ok": 4}}
    status, said = millrace(capsys, *base, "half", "many")
    assert (status, "argument n" in said) == (2, True)
    status, said = millrace(capsys, *base, "nothing")
    assert (status, "Available inspect commands: " in said) == (2, True)
    status, said = millrace(capsys, *base, "--list")
    assert status == 0
    assert "half [n]\n        Half of a number." in said
    assert "hello" not in said


def test_control(worker, shop, capsys):
    base = ("-A", "cli_shop:app", "control")
    assert "pool will grow" in millrace(capsys, *base, "pool_grow", "2", "-d", NODE, *PATIENT)[1]
    answer = json.loads(
        millrace(capsys, *base, "rate_limit", "cli_shop.add", "5/m", "-j", *PATIENT)[1]
    )
    assert answer == {NODE: {"ok": "new rate limit set successfully"}}
    assert shop.app.limits.list()[0].rate.count == 5
    later = shop.add.apply_async((1,), countdown=600)
    assert "flagged as revoked" in millrace(capsys, *base, "revoke", later.id, *PATIENT)[1]
    assert later.state == "REVOKED"
    assert millrace(capsys, *base)[0] == 2
    assert "add_consumer <queue>" in millrace(capsys, *base, "--list")[1]
    assert millrace(capsys, *base, "shutdown", *PATIENT)[0] == 0
    assert worker.join(PATIENCE_S)


def test_call_and_result(worker, shop, capsys):
    base = ("-A", "cli_shop")
    status, job_id = millrace(capsys, *base, "call", "cli_shop.add", "-a", "[2]", "-k", '{"y": 3}')
    assert status == 0
    shop.app.AsyncResult(job_id.strip()).get(PATIENCE_S)
    assert millrace(capsys, *base, "result", job_id.strip()) == (0, "5\n")
    failed = shop.fail.delay()
    failed.get(PATIENCE_S, propagate=False)
    assert millrace(capsys, *base, "result", failed.id) == (1, "ValueError: no\n")
    assert "Traceback" in millrace(capsys, *base, "result", failed.id, "--traceback")[1]
    shown = json.loads(millrace(capsys, *base, "result", failed.id, "-j")[1])
    assert shown["state"] == "FAILURE"
    assert millrace(capsys, *base, "result", "nothing")[0] == 1
    refused = [
        ("-a", "{}", "must be a list"),
        ("-k", "[", "not JSON"),
        ("--eta", "soon", "--eta must be a time"),
        ("--expires", "soon", "--expires must be a time"),
    ]
    for option, value, said in refused:
        status, text = millrace(capsys, *base, "call", "cli_shop.add", option, value)
        assert (status, said in text) == (2, True), text
    assert millrace(capsys, *base, "call", "cli_shop.add", "-a", "[1, 2, 3]")[0] == 2


def test_call_with_times_and_queue(shop, capsys):
    base = ("-A", "cli_shop", "call", "cli_shop.add", "-a", "[1]", "--queue", "late")
    more = ("--serializer", "json", "--exchange", "x", "--routing-key", "y")
    _, first = millrace(capsys, *base, "--countdown", "600", "--expires", "700", *more)
    _, second = millrace(capsys, *base, "--eta", "2100-01-01T00:00:00Z", "--priority", "3", "-j")
    job = shop.app.AsyncResult(first.strip()).details()
    assert (job.spec.queue, job.state) == ("late", "scheduled")
    assert job.spec.expires_at_ms > 0
    other = shop.app.AsyncResult(json.loads(second)["id"]).details()
    assert other.due_at_ms == 4102444800000
    assert other.spec.priority == 3


def test_purge_of_several_queues(shop, capsys):
    for queue in ("a", "b", "c"):
        shop.add.apply_async((1,), queue=queue)
    base = ("-A", "cli_shop", "purge", "-f")
    assert millrace(capsys, *base, "-Q", "a") == (0, "removed 1 jobs of 1 queues\n")
    assert json.loads(millrace(capsys, *base, "-X", "b", "-j")[1])["removed"] == 1
    assert millrace(capsys, *base)[1] == "removed 1 jobs of 3 queues\n"
    assert millrace(capsys, "purge", "--store", "shop.db")[0] == 2


def test_list_report_and_graph(worker, shop, capsys):
    base = ("-A", "cli_shop")
    shop.add.delay(1).get(PATIENCE_S)
    assert "default  direct    default" in millrace(capsys, *base, "list", "bindings")[1]
    assert json.loads(millrace(capsys, *base, "list", "tasks", "-j")[1]) == [
        "cli_shop.add",
        "cli_shop.fail",
    ]
    assert "millrace:" in millrace(capsys, *base, "report")[1]
    drawing = millrace(capsys, *base, "graph", "workers")[1]
    assert drawing.startswith("digraph workers {")
    assert 'label="default"' in drawing
    assert NODE in drawing
    assert "no boot steps" in millrace(capsys, *base, "graph", "bootsteps")[1]


def test_events_dump(worker, shop, capsys):
    shop.add.delay(1, 2).get(PATIENCE_S)
    base = ("-A", "cli_shop", "events", "--after", "", "--limit")
    status, said = millrace(capsys, *base, "5", "--dump")
    assert status == 0
    assert "task sent: cli_shop.add[" in said
    assert "worker online" in said
    status, said = millrace(capsys, *base, "2", "-j")
    assert json.loads(said.splitlines()[1])["type"] == "task-sent"
    (Path.cwd() / "cli_camera.py").write_text(
        "from millrace.events.snapshot import Polaroid\n"
        "class Cam(Polaroid):\n    def on_shutter(self, state): print('click', state.event_count)\n"
    )
    camera = ("-c", "cli_camera:Cam", "-F", "3600", "-r", "10/s", "--timeout", "0.01")
    assert "click" in millrace(capsys, "-A", "cli_shop", "events", *camera)[1]


def test_shell(shop, capsys, monkeypatch):
    from millrace.cli.task_verbs import shell_names

    names = shell_names(shop.app, tasks=True)
    assert names["app"] is shop.app
    assert names["add"] is shop.add
    assert {"chain", "group", "chord", "AsyncResult", "celery"} <= names.keys()
    assert "add" not in shell_names(shop.app, tasks=False)
    done = subprocess.run(
        [*PYTHON, "-A", "cli_shop", "shell", "-P"],
        input="print(add.name)\n",
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "cli_shop.add" in done.stdout


def test_where_the_application_is(shop, tmp_path, capsys, monkeypatch):
    shop.app.counts()
    package = tmp_path / "cli_project"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "celery.py").write_text("from cli_shop import app\nother = 5\n")
    (tmp_path / "cli_two.py").write_text(
        "from millrace import Millrace\na = Millrace('a', store='a.db')\nb = Millrace('b', store='b.db')\n"
    )
    (tmp_path / "cli_broken.py").write_text("import no_such_thing\n")
    for location in ("cli_project", "cli_project.celery", "cli_project.celery:app", "cli_shop.py"):
        assert millrace(capsys, "-A", location, "list", "tasks")[0] == 0, location
    for location, said in [
        ("cli_two", "has 2 Millrace applications"),
        ("cli_two:c", "no attribute 'c'"),
        ("cli_project.celery:other", "is a int"),
        (
            "cli_broken",
            "cannot import cli_broken: ModuleNotFoundError: No module named 'no_such_thing'",
        ),
        ("cli_nowhere", "there is no module 'cli_nowhere'"),
    ]:
        status, text = millrace(capsys, "-A", location, "list", "tasks")
        assert status in {1, 2}
        assert said in text
    monkeypatch.setenv("MILLRACE_APP", "cli_shop:app")
    assert millrace(capsys, "list", "tasks")[0] == 0


def test_global_options(shop, tmp_path, capsys):
    shop.app.counts()
    other = tmp_path / "other.db"
    with Millrace("other", store=other) as app:
        app.counts()
    flags = (
        "--workdir",
        str(tmp_path),
        "-C",
        "--skip-checks",
        "--result-backend",
        "x",
        "--loader",
        "y",
    )
    assert millrace(capsys, *flags, "-b", f"sqlite:///{other}", "list", "queues")[0] == 0
    assert millrace(capsys, "--workdir", "/no/such/place", "status")[0] == 2
    (tmp_path / "cli_settings.py").write_text("task_default_queue = 'elsewhere'\n")
    assert millrace(capsys, "-A", "cli_shop", "--config", "cli_settings", "report")[0] == 0
    assert millrace(capsys, "-A")[0] == 2
    assert "millrace " in millrace(capsys, "--version")[1]
    for verb in ("migrate", "upgrade", "amqp", "logtool"):
        assert millrace(capsys, verb)[0] == 2
    assert millrace(capsys, "nonsense")[0] == 2


def test_multi_names_without_starting_any(capsys):
    host = socket.gethostname()
    assert millrace(capsys, "multi", "names", "2") == (0, f"w1@{host}\nw2@{host}\n")
    assert (
        millrace(capsys, "multi", "expand", "run/%n.pid", "a", "b@x")[1] == "run/a.pid\nrun/b.pid\n"
    )
    _, shown = millrace(
        capsys,
        "multi",
        "show",
        "a",
        "b",
        "-A",
        "tasks",
        "-c",
        "2",
        "-c:b",
        "8",
        "-Q:1-1",
        "mail",
        "-E",
    )
    first, second = shown.splitlines()
    assert "-A tasks worker -n a@" in first
    assert first.endswith("-c 2 -E -Q mail")
    assert second.endswith("-E -c 8")
    assert "-n b@" in millrace(capsys, "multi", "get", "b", "a", "b", "-A", "tasks")[1]
    assert millrace(capsys, "multi", "get", "c", "a")[0] == 2
    assert "usage" in millrace(capsys, "multi", "help")[1]
    assert millrace(capsys, "multi", "dance", "a")[0] == 2
    assert millrace(capsys, "multi", "start")[0] == 2


def test_worker_options(shop, capsys):
    from millrace.cli.common import take_common
    from millrace.cli.parser import make_parser
    from millrace.cli.worker_verb import prepare

    given = (
        "-A cli_shop worker -n w9@%h -c 3 -P prefork -Q a,b -Q c -X b -I json,csv --autoscale 5,2 "
        "--max-tasks-per-child 7 --max-memory-per-child 9000 --time-limit 9 --soft-time-limit 8 "
        "--prefetch-multiplier 1 -O fair -E -S x.db -l INFO -f log.txt --without-gossip --without-mingle "
        "--without-heartbeat --heartbeat-interval 5 -s schedule.db --scheduler x:Y --executable py"
    )
    common, rest = take_common(given.split())
    _, made = prepare(make_parser("worker").parse_args(rest), common)
    assert made.to_json() == {
        **made.to_json(),
        "name": f"w9@{socket.gethostname()}",
        "pool": "processes",
        "queues": ["a", "c"],
        "include": ["json", "csv"],
        "autoscale": (5, 2),
        "concurrency": 2,
        "max_tasks_per_child": 7,
        "max_memory_per_child": 9000,
        "time_limit": 9.0,
        "soft_time_limit": 8.0,
        "prefetch": 0,
        "loglevel": "info",
        "logfile": "log.txt",
    }
    common, rest = take_common(["worker", "cli_shop", "--disable-prefetch", "-P", "threads"])
    assert prepare(make_parser("worker").parse_args(rest), common)[1].prefetch == 0
    for options, said in [
        (("-P", "gevent"), "asyncio (for `async def` tasks) or threads"),
        (("-P", "eventlet"), "asyncio (for `async def` tasks) or threads"),
        (("--autoscale", "many"), "must be MAX,MIN"),
        (("-X", "default"), "all queues are excluded"),
        (("-I", "no_such_module"), "there is no module 'no_such_module'"),
        (("--umask", "9"), "--umask must be an octal number"),
        (("--uid", "no-such-user"), "--uid, --gid"),
    ]:
        status, text = millrace(capsys, "-A", "cli_shop", "worker", *options)
        assert (status, said in text) == (2, True), text
