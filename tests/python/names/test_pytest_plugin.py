"""The fixtures for pytest, each run in a test session of its own."""

from __future__ import annotations

import pytest
from millrace import current_app
from millrace.contrib.testing.app import DEFAULT_TEST_CONFIG, TestApp, set_trap, setup_default_app
from millrace.current import get_current_app

pytest_plugins = ("pytester",)

ADD = """
    @{app}.task(name="add")
    def add(x, y):
        return x + y
"""


class Session:
    """A folder with tests, and pytest run in it within this process."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pytester = pytester
        self.monkeypatch = monkeypatch

    def run(self, tests: str, *, conftest: str = "", passed: int = 1) -> None:
        header = 'pytest_plugins = ("millrace.contrib.pytest",)\nimport pytest\n'
        self.pytester.makeconftest(header + conftest)
        self.pytester.makepyfile(test_it=f"import pytest\n{tests}")
        options = ("-p", "no:cacheprovider", "-p", "no:asyncio", "--strict-markers", "-W", "error")
        self.pytester.runpytest_inprocess(*options).assert_outcomes(passed=passed)


@pytest.fixture
def session(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Session:
    return Session(pytester, monkeypatch)


def test_celery_app(session):
    session.run(
        """
names = []

@pytest.mark.parametrize("run", [1, 2])
def test_app(celery_app, run):
    assert celery_app.store == ":memory:"
    assert celery_app.conf.timezone == "UTC"
    assert celery_app not in names      # each test has its own
    names.append(celery_app)
""",
        passed=2,
    )


def test_celery_worker(session):
    session.run(
        f"""
def test_worker(celery_app, celery_worker):{ADD.format(app="celery_app")}
    assert add.delay(2, 3).get(timeout=20) == 5
    assert celery_worker.options.pool == "solo"

def test_without(celery_app):{ADD.format(app="celery_app")}
    assert celery_app.counts().active == 0
""",
        passed=2,
    )


def test_celery_session_app_and_worker(session):
    session.run(
        f"""
from millrace import current_app
seen = []

@pytest.mark.parametrize("run", [1, 2])
def test_session(celery_session_app, celery_session_worker, run):
    seen.append(celery_session_app)
    assert seen[0] is celery_session_app
    assert current_app.main == celery_session_app.main
    assert current_app._get_current_object() is celery_session_app
    if run == 1:{ADD.format(app="celery_session_app").replace(chr(10), chr(10) + "    ")}
    assert celery_session_app.tasks["add"].delay(1, run).get(timeout=20) == 1 + run
""",
        passed=2,
    )


def test_celery_config_and_the_marker(session):
    session.run(
        """
def test_config(celery_app):
    assert celery_app.conf.task_time_limit == 7
    assert celery_app.conf.timezone == "Europe/Vienna"

@pytest.mark.celery(task_time_limit=9)
def test_marked(celery_app):
    assert celery_app.conf.task_time_limit == 9
""",
        conftest="""
@pytest.fixture(scope="session")
def celery_config():
    return {"task_time_limit": 7, "timezone": "Europe/Vienna"}
""",
        passed=2,
    )


def test_celery_parameters(session):
    session.run(
        """
def test_parameters(celery_app, tmp_path_factory):
    assert celery_app.main == "mine"
    assert celery_app.store.endswith("jobs.db")
""",
        conftest="""
@pytest.fixture(scope="session")
def celery_parameters(tmp_path_factory):
    return {"name": "mine", "store": tmp_path_factory.mktemp("store") / "jobs.db"}
""",
    )


def test_celery_worker_parameters_and_pool(session):
    session.run(
        f"""
def test_worker(celery_app, celery_worker):{ADD.format(app="celery_app")}
    assert celery_worker.options.pool == "threads"
    assert add.apply_async((2, 3), queue="other").get(timeout=20) == 5
""",
        conftest="""
@pytest.fixture(scope="session")
def celery_worker_pool():
    return "threads"

@pytest.fixture(scope="session")
def celery_worker_parameters():
    return {"queues": ["other"], "concurrency": 2}
""",
    )


def test_celery_includes(session):
    session.pytester.makepyfile(included="seen = True")
    session.run(
        """
import sys
def test_before(celery_app):
    assert "included" not in sys.modules

def test_included(celery_worker):
    assert "included" in sys.modules
""",
        conftest="""
@pytest.fixture(scope="session")
def celery_includes():
    return ["included"]
""",
        passed=2,
    )


def test_celery_class_tasks(session):
    session.run(
        """
def test_class(celery_session_app, celery_session_worker):
    assert celery_session_app.tasks["double"].delay(4).get(timeout=20) == 8
""",
        conftest="""
from millrace import Task

class Double(Task):
    name = "double"
    def run(self, number):
        return 2 * number

@pytest.fixture(scope="session")
def celery_class_tasks():
    return [Double]
""",
    )


def test_celery_enable_logging(session):
    session.run(
        "def test_logging(celery_app, celery_enable_logging):\n    assert celery_enable_logging\n",
        conftest="""
@pytest.fixture(scope="session")
def celery_enable_logging():
    return True
""",
    )


def test_use_celery_app_trap(session):
    session.run(
        """
from millrace import current_app

def test_trap(celery_app):
    with pytest.raises(RuntimeError, match="Test depends on current_app"):
        current_app.conf
""",
        conftest="""
@pytest.fixture(scope="session")
def use_celery_app_trap():
    return True
""",
    )


def test_depends_on_current_app(session):
    session.run(
        """
from millrace import current_app

def test_not_current(celery_app):
    assert current_app._get_current_object() is not celery_app

def test_current(celery_app, depends_on_current_app):
    assert current_app._get_current_object() is celery_app

def test_restored(celery_app):
    assert current_app._get_current_object() is not celery_app
""",
        passed=3,
    )


def test_no_worker(session):
    session.monkeypatch.setenv("NO_WORKER", "1")
    session.run("def test_none(celery_worker):\n    assert celery_worker is None\n")


def test_our_own_names(session):
    session.run(
        f"""
def test_same(millrace_app, celery_app, millrace_worker, celery_worker):
    assert millrace_app is celery_app
    assert millrace_worker is celery_worker

def test_session(millrace_session_app, celery_session_app, millrace_session_worker, celery_session_worker):
    assert millrace_session_app is celery_session_app
    assert millrace_session_worker is celery_session_worker

def test_clock(millrace_app, millrace_harness):{ADD.format(app="millrace_app")}
    result = add.apply_async((2, 3), countdown=60)
    assert millrace_harness.run_all() == 0
    millrace_harness.advance(60)
    assert millrace_harness.run_all() == 1
    assert result.get(timeout=1) == 5
""",
        passed=3,
    )


# --- Without pytest ---------------------------------------------------------------------------------


def test_test_app(tmp_path):
    with TestApp() as made:
        assert (made.main, made.store) == ("millrace.tests", ":memory:")
        assert {made.conf[name] for name in ("timezone", "enable_utc")} == {"UTC", True}
        assert DEFAULT_TEST_CONFIG["timezone"] == "UTC"
    with TestApp("mine", {"task_time_limit": 3}, broker=f"sqlite:///{tmp_path}/a.db") as made:
        assert made.main == "mine"
        assert made.conf.task_time_limit == 3
        assert made.store.endswith("/a.db")


def test_setup_default_app_puts_things_back():
    before = get_current_app()
    made = TestApp()
    with setup_default_app(made):
        made.set_current()
        made.set_default()
        assert get_current_app() is made
    assert get_current_app() is before


def test_set_trap():
    before = get_current_app()
    with set_trap(before), pytest.raises(RuntimeError, match="Test depends on current_app"):
        _ = current_app.tasks
    assert get_current_app() is before
