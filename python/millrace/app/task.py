"""`Task`, and `Context`: what `self.request` is. Here because Celery's users import them from here."""

from __future__ import annotations

from millrace.request import Context
from millrace.task import Task

__all__ = ["Context", "Task"]
