"""The application, and what its users import from below it, where Celery has it."""

from __future__ import annotations

from millrace.app.base import Millrace

__all__ = ["Celery", "Millrace"]

Celery = Millrace
