"""The script that the interpreter was started with: other processes import it as a module."""

from __future__ import annotations

import os
import sys


def main_module_name() -> str | None:
    """The name by which another process imports the main script; None if it has none."""
    main = sys.modules.get("__main__")
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if spec is not None:
        return str(spec.name)
    if not file:
        return None
    name, _ = os.path.splitext(os.path.basename(file))  # noqa: PTH119, PTH122 - pathlib would cost an import
    return str(name)
