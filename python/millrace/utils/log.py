"""Loggers, where Celery's users import them from."""

from __future__ import annotations

import logging
from typing import Final

from millrace.log import get_task_logger, logger
from millrace.request import current_request

__all__ = [
    "base_logger",
    "current_task_id",
    "get_logger",
    "get_task_logger",
    "task_logger",
    "worker_logger",
]

base_logger: Final = logger
task_logger: Final = logging.getLogger("millrace.task")
worker_logger: Final = logging.getLogger("millrace.worker")


def get_logger(name: str) -> logging.Logger:
    """A logger of a module that belongs to the worker: it follows the worker's own log."""
    found = logging.getLogger(name)
    if found is not base_logger and found.parent is logging.root:
        found.parent = base_logger
    return found


def current_task_id() -> str | None:
    """The id of the job that the current code runs for."""
    request = current_request.get()
    return request.id if request is not None else None
