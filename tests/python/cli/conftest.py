"""An application for the tests of the command line, in the current directory."""

import sys

import pytest

TASKS = """
import os
from millrace import Millrace
from millrace.worker.control import inspect_command

app = Millrace("shop", store="shop.db", durability="process")

@app.task
def add(x: int, y: int = 0) -> int:
    return x + y

@app.task
def fail() -> None:
    raise ValueError("no")

@inspect_command(args=[("n", int)], signature="[n]")
def half(state, n=2):
    \"\"\"Half of a number.\"\"\"
    return {"ok": n // 2}
"""


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """The application, in the current directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("MILLRACE_STORE", raising=False)
    (tmp_path / "cli_shop.py").write_text(TASKS)
    sys.modules.pop("cli_shop", None)
    import cli_shop

    yield cli_shop
    cli_shop.app.close()
