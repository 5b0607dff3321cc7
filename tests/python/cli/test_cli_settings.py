"""The command line and the application's settings: which store, and what is said when they are wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cli_runner import PYTHON, run
from millrace import Millrace
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
