"""Fixtures shared by the tests of the Python layer: the real engine on a temporary file."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from millrace import Millrace

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@pytest.fixture
def app(store: Path) -> Iterator[Millrace]:
    with Millrace("test", store=store, durability="process") as made:
        yield made
