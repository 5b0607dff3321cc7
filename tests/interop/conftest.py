"""A store with a Python application and a Node process on it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from millrace import Millrace

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "python")]

from node_side import NodeSide  # noqa: E402


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Millrace]:
    with Millrace("interop", store=tmp_path / "jobs.db", durability="process") as made:
        yield made


@pytest.fixture
def node(app: Millrace) -> Iterator[NodeSide]:
    side = NodeSide(Path(app.store))
    yield side
    side.close()
