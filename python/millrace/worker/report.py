"""What a bug report should say of an installation."""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING

from millrace import _core

if TYPE_CHECKING:
    from millrace.app import Millrace


def bugreport(app: Millrace | None = None) -> str:
    """Versions, platform, and of the application what is no secret."""
    lines = [
        f"software -> millrace:{_core.VERSION} sqlite:{_core.SQLITE_VERSION} py:{platform.python_version()}",
        f"platform -> system:{platform.system()} release:{platform.release()} arch:{platform.machine()}",
        f"python   -> {sys.implementation.name} {sys.executable}",
    ]
    if app is not None:
        app.load_announced()
        store = getattr(app, "_store", None) or "none"
        lines += [
            f"app      -> {app.name}, {len(app.tasks)} tasks, queue {app.default_queue}",
            f"store    -> {store} durability:{app.durability}",
        ]
    return "\n".join(lines)
