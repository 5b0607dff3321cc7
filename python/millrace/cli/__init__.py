"""The command `millrace`. The same verbs and answers as the Node package's; what they say comes from the core."""

from __future__ import annotations

from millrace.cli.main import main

__all__ = ["main"]
