"""Runs pyright, which `npm` has installed, and answers what it found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
_PROGRAM = ROOT / "node_modules" / "pyright" / "index.js"


@dataclass(frozen=True)
class Finding:
    """One line of pyright's report; `severity` is "error", "warning" or "information"."""

    path: str
    line: int
    severity: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.severity}: {self.message}"


def check(folders: Iterable[Path], work: Path, **settings: Any) -> list[Finding]:
    """Checks folders, each of which imports its own modules, as the author of a program that uses Millrace sees it.

    Args:
        folders: What to check.
        work: An empty folder, for the configuration.
        **settings: Of pyright, such as `typeCheckingMode`.
    """
    # Absolute paths are refused.
    roots = [os.path.relpath(folder, work) for folder in folders]
    configuration = {
        "include": roots,
        "executionEnvironments": [{"root": root} for root in roots],
        "extraPaths": [str(ROOT / "python")],
        "pythonVersion": "3.10",
        **settings,
    }
    (work / "pyrightconfig.json").write_text(json.dumps(configuration))
    command = ["node", str(_PROGRAM), "-p", str(work), "--pythonpath", sys.executable]
    done = subprocess.run(
        [*command, "--outputjson"], capture_output=True, text=True, check=False, cwd=work
    )
    report: Mapping[str, Any] = json.loads(done.stdout)
    if not report["summary"]["filesAnalyzed"]:
        raise RuntimeError(f"pyright found nothing to check in {roots}: {done.stdout}{done.stderr}")
    return [
        Finding(
            path=each["file"],
            line=each["range"]["start"]["line"] + 1 if "range" in each else 0,
            severity=each["severity"],
            message=each["message"],
        )
        for each in report["generalDiagnostics"]
    ]
