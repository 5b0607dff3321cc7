"""Periodic tasks: what `beat_schedule` becomes, and a process for those who want one.

    app.conf.beat_schedule = {
        "report": {"task": "tasks.report", "schedule": crontab(hour=7, minute=0), "args": ("daily",)},
    }

Nothing has to run for that: whenever a worker starts, it puts the entries into the store as schedules, and any process
that works fires them. `millrace beat` is a process that only fires. It is needed where schedules are computed in
Python: a `Scheduler` class of your own, a schedule class with its own `is_due`, arguments that are a `BeatLazyFunc`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from millrace.beat.entries import BeatLazyFunc, ScheduleEntry, SchedulingError
    from millrace.beat.scheduler import PersistentScheduler, Scheduler
    from millrace.beat.service import Beat, EmbeddedService, Service, embedded
    from millrace.beat.sync import begin_schedules, sync_schedules

__all__ = [
    "Beat",
    "BeatLazyFunc",
    "EmbeddedService",
    "PersistentScheduler",
    "ScheduleEntry",
    "Scheduler",
    "SchedulingError",
    "Service",
    "begin_schedules",
    "embedded",
    "sync_schedules",
]

_LAZY = {
    "Beat": "service",
    "BeatLazyFunc": "entries",
    "EmbeddedService": "service",
    "PersistentScheduler": "scheduler",
    "ScheduleEntry": "entries",
    "Scheduler": "scheduler",
    "SchedulingError": "entries",
    "Service": "service",
    "begin_schedules": "sync",
    "embedded": "service",
    "sync_schedules": "sync",
}


def __getattr__(name: str) -> Any:
    """Loads the parts when they are asked for: a worker needs one of them."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
