"""The examples are what people copy: `mypy --strict` and pyright have nothing to say about them."""

import os
import subprocess
import sys
from pathlib import Path

import pyright
import pytest

ROOT = Path(__file__).parent.parent.parent
PROGRAMS = sorted(
    path
    for folder in (ROOT / "examples").iterdir()
    if folder.name != "django"  # Django has no types
    for path in folder.glob("*.py")
    if path.is_file()
)
FOLDERS = sorted({path.parent for path in PROGRAMS})


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda f: f.name)
def test_mypy_strict(folder: Path, tmp_path: Path) -> None:
    files = [path.name for path in PROGRAMS if path.parent == folder]
    checked = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--config-file=",
            "--cache-dir",
            str(tmp_path),
            *files,
        ],
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(ROOT / "python")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_pyright(tmp_path: Path) -> None:
    found = pyright.check(FOLDERS, tmp_path)
    assert not found, "\n".join(map(str, found))
