"""Runs the documents: blocks with a comment above are what a reader would type, in that order."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from documents import ROOT, Block, blocks, documents

COMMAND_SECONDS_MAX = 120
STOP_SECONDS_MAX = 60
RUNNABLE = [d for d in documents() if any(b.directive for b in blocks(d))]


class Reader:
    """A scratch folder, and the commands that the document has left running in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = ""
        self.running: list[tuple[str, subprocess.Popen[bytes]]] = []
        (folder / "node_modules").mkdir()
        (folder / "node_modules" / "millrace").symlink_to(ROOT)
        self.environment = dict(os.environ)
        self.environment["PATH"] = f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"

    def do(self, block: Block) -> None:
        if block.directive == "file":
            (self.folder / block.argument).write_text(block.body, encoding="utf-8")
        elif block.directive == "background":
            for command in commands(block):
                self.running.append((command, self._start(command)))
        elif block.directive == "run":
            self.output = "".join(self._run(block, command) for command in commands(block))
        elif block.directive == "output":
            assert matches(block.body, self.output), f"{block}: printed instead:\n{self.output}"
        else:
            pytest.fail(f"{block}: unknown directive '{block.directive}'")

    def _start(self, command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["bash", "-c", f"exec {command}"], cwd=self.folder, env=self.environment
        )

    def _run(self, block: Block, command: str) -> str:
        result = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS_MAX,
            check=False,
        )
        assert result.returncode == 0, f"{block}: {command}\n{result.stdout}{result.stderr}"
        return result.stdout

    def stop(self) -> Iterator[str]:
        """Ends what still runs; yields each command that did not end well."""
        for _, process in self.running:
            process.send_signal(signal.SIGTERM)
        for command, process in self.running:
            try:
                status = process.wait(timeout=STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                status = -signal.SIGKILL
            if status not in (0, -signal.SIGTERM):
                yield f"{command}: exit status {status}"


def commands(block: Block) -> list[str]:
    lines = [line.removeprefix("$ ").split("  #")[0].strip() for line in block.body.splitlines()]
    return [line.removesuffix("&").strip() for line in lines if line and not line.startswith("#")]


def matches(expected: str, printed: str) -> bool:
    pattern = ".*?".join(re.escape(part) for part in expected.strip().split("..."))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


@pytest.mark.parametrize("document", RUNNABLE, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_document_runs_as_written(document: Path, tmp_path: Path):
    reader = Reader(tmp_path)
    problems: list[str] = []
    try:
        for block in blocks(document):
            if block.directive:
                reader.do(block)
    finally:
        problems.extend(reader.stop())
    assert problems == []


def test_the_readme_is_among_them():
    assert ROOT / "README.md" in RUNNABLE
