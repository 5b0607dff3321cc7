"""Jobs that are enqueued again and again: by cron text, by an interval, or by the sun.

    from millrace.schedules import crontab

    app.conf.beat_schedule = {
        "report": {"task": "tasks.report", "schedule": crontab(hour=7, minute=0, day_of_week="mon-fri")},
    }

    app.schedules.put("report", report.s(), cron="0 7 * * mon-fri", tz="Europe/Berlin")  # the same, by hand

A schedule is a row of the store. Any process that works or waits fires it: one job for each slot, whatever the number
of processes, and none is lost by a restart. `crontab`, `schedule` and `solar` are Celery's; what an application's
`beat_schedule` becomes is in `millrace.beat`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millrace.schedules.rows import CatchUp, Overlap, Schedule, Schedules, Solar, timing

if TYPE_CHECKING:
    from millrace.schedules.base import BaseSchedule, maybe_schedule, schedstate, schedule
    from millrace.schedules.cron import ParseException, crontab, crontab_parser
    from millrace.schedules.sun import solar

__all__ = [
    "BaseSchedule",
    "CatchUp",
    "Overlap",
    "ParseException",
    "Schedule",
    "Schedules",
    "Solar",
    "crontab",
    "crontab_parser",
    "maybe_schedule",
    "schedstate",
    "schedule",
    "solar",
    "timing",
]

_LAZY = {
    "BaseSchedule": "base",
    "ParseException": "cron",
    "crontab": "cron",
    "crontab_parser": "cron",
    "maybe_schedule": "base",
    "schedstate": "base",
    "schedule": "base",
    "solar": "sun",
}


def __getattr__(name: str) -> Any:
    """Loads Celery's classes when they are asked for: an application's own schedules need none of them."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
