#!/usr/bin/env python3
"""Writes the reference of both APIs from their docstrings and TSDoc into build/reference; `make reference` calls it.

pdoc and TypeDoc do the work. A warning of TypeDoc's, or a public name of Python's without a docstring, is an error.
"""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
import warnings
from pathlib import Path
from types import ModuleType

import pdoc
import pdoc.render

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "reference"

MODULES = (
    "millrace",
    "millrace.app",
    "millrace.app.control",
    "millrace.app.task",
    "millrace.beat",
    "millrace.canvas",
    "millrace.conf",
    "millrace.contrib.abortable",
    "millrace.contrib.django",
    "millrace.contrib.fastapi",
    "millrace.contrib.pytest",
    "millrace.contrib.testing",
    "millrace.events",
    "millrace.exceptions",
    "millrace.flows",
    "millrace.limits",
    "millrace.outbox",
    "millrace.result",
    "millrace.schedules",
    "millrace.signals",
    "millrace.states",
    "millrace.testing",
    "millrace.transaction",
    "millrace.utils.log",
    "millrace.worker",
)


def load(name: str) -> ModuleType:
    """The module, with what it imports only when it is asked for."""
    module = importlib.import_module(name)
    for each in getattr(module, "__all__", ()):
        setattr(module, each, getattr(module, each))
    return module


def undocumented(module: ModuleType) -> list[str]:
    """Classes and functions that the module offers without a docstring."""
    names = getattr(module, "__all__", None) or [
        name for name in vars(module) if not name.startswith("_") and _own(module, name)
    ]
    offered = [(name, getattr(module, name)) for name in names]
    missing = [name for name, each in offered if _is_api(each) and not inspect.getdoc(each)]
    return [f"{module.__name__}.{name}" for name in missing]


def _own(module: ModuleType, name: str) -> bool:
    return getattr(getattr(module, name), "__module__", None) == module.__name__


def _is_api(value: object) -> bool:
    return inspect.isclass(value) or inspect.isfunction(value)


def write_python() -> list[str]:
    """Python's reference; answers what is wrong with it."""
    modules = [load(name) for name in MODULES]
    missing = [name for module in modules for name in undocumented(module)]
    pdoc.render.configure(docformat="google", show_source=False)
    with warnings.catch_warnings():
        # A method AsyncResult hides the class of this name from those who evaluate annotations.
        warnings.filterwarnings("ignore", message="Error parsing type annotation")
        pdoc.pdoc(*MODULES, "!millrace._core", output_directory=OUT / "python")
    return [f"{name} has no docstring" for name in sorted(set(missing))]


def write_node() -> int:
    """Node's; answers the exit status."""
    typedoc = ROOT / "node_modules" / ".bin" / "typedoc"
    options = ROOT / "node" / "typedoc.json"
    return subprocess.run([typedoc, "--options", options], cwd=ROOT, check=False).returncode


def main() -> int:
    """Writes both."""
    wrong = write_python()
    for line in wrong:
        print(f"reference: {line}", file=sys.stderr)
    status = write_node()
    if wrong or status != 0:
        return 1
    print(f"reference: {OUT / 'python' / 'index.html'}, {OUT / 'node' / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
