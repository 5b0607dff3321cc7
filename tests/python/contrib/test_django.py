"""A Django project's application: tasks after the commit, connections between tasks, and where they come from."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from millrace import Millrace
from millrace.contrib.django import fixup
from millrace.exceptions import FixupWarning

ROOT = Path(__file__).parent.parent.parent.parent
PROGRAM = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "django_settings"
import django
from django.conf import settings
from millrace import Millrace, Task, signals
from millrace.contrib.django.task import DjangoTask
from millrace.testing import Harness
app = Millrace("shop", store="jobs.db")
app.conf.task_routes = {}

@app.task(name="note")
def note(number=0):
    return number

django.setup()
from django.db import connection, connections, transaction
"""


@pytest.fixture
def project(tmp_path: Path):
    (tmp_path / "django_settings.py").write_text(
        'DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "shop.db"}}\n'
    )

    def run(program: str) -> list[str]:
        result = subprocess.run(
            [sys.executable, "-W", "error", "-c", PROGRAM + program],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.environ.get("PYTHONPATH", str(ROOT / "python"))},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout.splitlines()

    return run


def test_delay_on_commit(project):
    printed = project("""
assert isinstance(note, DjangoTask), type(note).__mro__
with transaction.atomic():
    assert note.delay_on_commit(1) is None
    print(app.counts().ready)
print(app.counts().ready)
try:
    with transaction.atomic():
        note.delay_on_commit(2)
        raise KeyError
except KeyError:
    print(app.counts().ready)
note.delay_on_commit(number=3)
print(app.counts().ready)
""")
    assert printed == ["0", "1", "1", "2"]


def test_apply_async_on_commit(project):
    printed = project("""
with transaction.atomic():
    assert note.apply_async_on_commit((1,), queue="other", countdown=60) is None
    print(app.counts("other").scheduled)
print(app.counts("other").scheduled)
""")
    assert printed == ["0", "1"]


def test_connections_between_tasks(project):
    printed = project("""
seen = []

@app.task(name="query")
def query():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    seen.append(connection.connection)
    return connection.connection is not None

with Harness(app) as harness:
    query.delay()
    query.delay()
    assert harness.run_all() == 2
    print(seen[0] is not seen[1], connection.connection)

settings.DATABASES["default"]["CONN_MAX_AGE"] = connection.settings_dict["CONN_MAX_AGE"] = 60
seen.clear()
with Harness(app) as harness:
    query.delay()
    query.delay()
    harness.run_all()
    print(seen[0] is seen[1])

with connection.cursor() as cursor:      # the caller's own, which an eager task leaves alone
    cursor.execute("SELECT 1")
connection.settings_dict["CONN_MAX_AGE"] = 0
connection.close_at = 0
mine = connection.connection
query.apply()
print(connection.connection is mine)
""")
    assert printed == ["True None", "True", "True"]


def test_connections_of_a_parent_are_forgotten(project):
    printed = project("""
with connection.cursor() as cursor:
    cursor.execute("SELECT 1")
signals.worker_process_init.send(sender=None)
print(connection.connection)
""")
    assert printed == ["None"]


def test_a_task_class_of_ones_own_stays(project):
    printed = project("""
class Mine(Task):
    pass

other = Millrace("other", store="jobs.db", task_cls=Mine)

@other.task
def own():
    return 1

print(isinstance(own, Mine), isinstance(own, DjangoTask))
""")
    assert printed == ["True False"]


def test_without_the_variable_nothing_is_done(app: Millrace, monkeypatch):
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    assert fixup(app) is None


def test_without_django_there_is_a_warning(app: Millrace, monkeypatch):
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shop.settings")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.warns(FixupWarning, match="Django is not installed"):
        assert fixup(app) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        monkeypatch.delenv("DJANGO_SETTINGS_MODULE")
        assert fixup(app) is None
