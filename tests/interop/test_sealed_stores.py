"""An encrypted store, worked by both languages with the same key."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from millrace import Millrace
from node_side import NodeSide
from worker_support import PATIENCE_S, running

MARK = "Zanzibar-7431"


@pytest.fixture
def secret() -> bytes:
    return secrets.token_bytes(32)


@pytest.fixture
def app(tmp_path: Path, secret: bytes) -> Iterator[Millrace]:
    keys = [("k1", secret)]
    store = tmp_path / "jobs.db"
    with Millrace("sealed", store=store, durability="process", encryption_keys=keys) as made:
        yield made


@pytest.fixture
def node(app: Millrace, secret: bytes) -> Iterator[NodeSide]:
    side = NodeSide(Path(app.store), secret)
    yield side
    side.close()


def files_with(store: str, text: str) -> list[str]:
    """The store's files that hold the text."""
    folder = Path(store).parent
    return [each.name for each in folder.iterdir() if text.encode() in each.read_bytes()]


def test_each_language_opens_what_the_other_sealed(app: Millrace, node: NodeSide) -> None:
    @app.task(name="shout", queue="python")
    def shout(text: str) -> str:
        return text.upper()

    node.call("work", queue="default")
    assert app.send_task("echo", kwargs={"text": MARK}).get(PATIENCE_S) == {"text": MARK}
    with running(app, queues=["python"]):
        job = node.call("add", queue="python", name="shout", data={"text": MARK}, opts={})
        assert node.call("result", queue="python", id=job["id"]) == MARK.upper()
    assert files_with(app.store, MARK) == []
    assert files_with(app.store, MARK.upper()) == []
    assert files_with(app.store, "shout") != []  # names are readable: the scan does see the file


def test_errors_progress_and_logs_are_sealed_too(app: Millrace, node: NodeSide) -> None:
    node.call("work", queue="default")
    job = app.send_task("report")
    assert job.get(PATIENCE_S) == "reported"
    assert job.logs() == ["half ☂ way"]
    failed = app.send_task("raise", kwargs={"type": "TypeError", "message": MARK})
    with pytest.raises(TypeError, match=MARK):
        failed.get(PATIENCE_S)
    assert files_with(app.store, "half ☂ way") == []
    assert files_with(app.store, MARK) == []
