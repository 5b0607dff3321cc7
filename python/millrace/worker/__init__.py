"""The worker: runs the tasks of an application."""

from __future__ import annotations

from millrace.worker.main import Worker, run_worker
from millrace.worker.options import WorkerOptions

__all__ = ["Worker", "WorkerOptions", "run_worker"]
