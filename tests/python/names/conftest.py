"""Fixtures for the tests of single names."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def t(app):
    """The tasks of `canvas_support`, and `run`, which enqueues a canvas and runs all that follows from it."""
    from canvas_support import harnessed

    harness, tasks = harnessed(app)

    def run(sig, *args, **kwargs):
        result = sig.apply_async(args, kwargs)
        harness.run_all()
        return result

    tasks.run = run
    tasks.harness = harness
    with harness:
        yield tasks


@pytest.fixture
def harness(app):
    """A harness whose clock stands at noon: for the tests of periodic tasks."""
    from beat_support import NOON
    from millrace.testing import Harness

    with Harness(app, now_ms=NOON) as running:
        yield running


@pytest.fixture
def report(app, harness):
    """The task that the entries of `beat_support` name."""

    @app.task(name="report", queue="reports")
    def report(kind: str = "daily", *, copies: int = 1) -> str:
        return f"{kind} {copies}"

    return report
