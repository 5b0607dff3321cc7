"""The command line and the application's settings: which store, and what is said when they are wrong."""

import datetime as dt
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cli_runner import PYTHON, run
from millrace import Millrace
from millrace.contrib.testing.worker import start_worker
from worker_support import PATIENCE_S

APP = """
from millrace import Celery

app = Celery("set")
app.config_from_object("set_conf")

@app.task
def where() -> str:
    return app.store

@app.task
def limit() -> str:
    return str(app.conf.task_time_limit)
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An application whose settings name its store, in the current directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MILLRACE_STORE", raising=False)
    (tmp_path / "set_app.py").write_text(APP)
    (tmp_path / "set_conf.py").write_text('broker_url = "sqlite:///own.db"\n')
    (tmp_path / "more_conf.py").write_text("task_time_limit = 7\n")
    return tmp_path


@pytest.mark.parametrize("option", [("-b", "other.db"), ("--broker=sqlite:///other.db",)])
def test_the_broker_of_the_command_line_counts_more_than_the_settings(project, option):
    Millrace("x", store=project / "other.db").engine  # noqa: B018 - creates it
    called = run(PYTHON, "-A", "set_app", *option, "call", "set_app.where")
    assert called.returncode == 0, called.stderr
    with Millrace("y", store=project / "other.db") as other:
        assert other.AsyncResult(called.stdout.strip()).exists()
    assert not (project / "own.db").exists()


@pytest.mark.parametrize("pool", ["processes", "threads"])
def test_a_worker_works_on_the_store_and_settings_that_it_is_told(project, pool):
    options = ["--store", "other.db", "--config", "more_conf", "-P", pool, "-c", "1"]
    worker = subprocess.Popen(
        [*PYTHON, "-A", "set_app", "worker", *options], stderr=subprocess.PIPE, text=True
    )
    try:
        with Millrace("y", store=project / "other.db") as other:
            store, limit = (other.send_task(f"set_app.{name}") for name in ("where", "limit"))
            assert store.get(PATIENCE_S) == str(project / "other.db")
            assert limit.get(PATIENCE_S) == "7"
    finally:
        worker.terminate()
        worker.communicate()
    assert not (project / "own.db").exists()


FAULTS = {
    "result_expires = 'x'": "result_expires must be a number of seconds",
    "broker_url = ['sqlite:///a.db', 'sqlite:///b.db']": "broker_url must be a str",
    "worker_concurrency = 'x'": "concurrency must be an int",
    "worker_prefetch_multiplier = 'a'": "prefetch_multiplier must be an int",
    "task_time_limit = 'x'": "task_time_limit must be a number of seconds",
    "imports = ['set_broken']": "cannot import the modules of set: ZeroDivisionError",
    "beat_scheduler = 'django_celery_beat.schedulers:DatabaseScheduler'": "app.schedules.put()",
}


@pytest.mark.parametrize("setting", FAULTS)
def test_a_wrong_setting_is_one_line(project, setting):
    with (project / "set_conf.py").open("a") as file:
        file.write(setting + "\n")
    (project / "set_broken.py").write_text("x = 1 / 0\n")
    said = run(PYTHON, "-A", "set_app", "worker", "-P", "threads", "-q")
    assert said.returncode in {1, 2}
    assert FAULTS[setting] in said.stderr
    assert "millrace/cli" not in said.stderr
    assert ("x = 1 / 0" in said.stderr) == ("imports" in setting)


def test_a_module_that_is_no_python_is_shown(project):
    (project / "set_app.py").write_text("def f(:\n")
    said = run(PYTHON, "-A", "set_app", "worker")
    assert "    def f(:" in said.stderr
    assert said.stderr.endswith("(set_app.py, line 1)\n")


def test_a_log_file_that_cannot_be_written(project):
    said = run(PYTHON, "-A", "set_app", "worker", "-q", "-P", "solo", "-f", "none/%n%I.log")
    assert said.returncode == 2
    assert said.stderr.count("\n") == 1
    assert "logfile cannot be written" in said.stderr
    assert "none/worker.log" in said.stderr


def test_verbs_know_the_settings_and_all_tasks(project):
    (project / "set_conf.py").write_text(
        "broker_url = 'sqlite:///own.db'\nimports = ['set_more']\n"
    )
    (project / "set_more.py").write_text(
        "from millrace import shared_task\n@shared_task(queue='far')\ndef more(x): return x\n"
    )
    assert "set_more.more" in run(PYTHON, "-A", "set_app", "list", "tasks").stdout.split()
    assert "/own.db" in run(PYTHON, "-A", "set_app", "report").stdout
    called = run(PYTHON, "-A", "set_app", "call", "set_more.more", "-a", "[1]")
    hour = dt.timedelta(hours=1)  # no JSON
    with Millrace("y", store=project / "own.db", changes={"result_expires": hour}) as app:
        assert app.AsyncResult(called.stdout.strip()).queue == "far"
        wrong = run(PYTHON, "-A", "set_app", "call", "set_more.more")
        assert "missing 1 required positional argument: 'x'" in wrong.stderr
        with start_worker(app, hostname="w1"):
            conf = run(PYTHON, "-A", "set_app", "inspect", "conf", "-t", "30")
            assert (conf.returncode, "result_expires" in conf.stdout) == (0, True)
