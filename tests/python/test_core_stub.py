"""_core.pyi says what the module really is."""

import os
import subprocess
import sys
from pathlib import Path

import millrace

# pybind11's classes have a metaclass of its own, and an __init__ that refuses.
ALLOWED = r"""
millrace\._core\.[A-Z]\w+
millrace\._core\.[A-Z]\w+\.__init__
millrace\._core\.[A-Z]\w+\.__new__
"""


def test_the_stub_fits_the_module(tmp_path):
    allowed = tmp_path / "allowed.txt"
    allowed.write_text(ALLOWED)
    root = str(Path(millrace.__file__).parent.parent)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy.stubtest", "millrace._core", "--concise"),
            *("--allowlist", str(allowed), "--ignore-unused-allowlist"),
        ],
        capture_output=True,
        check=False,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root, "MYPYPATH": root},
    )
    assert done.returncode == 0, done.stdout + done.stderr
