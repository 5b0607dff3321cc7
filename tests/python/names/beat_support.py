"""What the tests of periodic tasks share."""

from __future__ import annotations

import datetime as dt
from typing import Any

from millrace import Millrace
from millrace.schedules import BaseSchedule

NOON = 1_772_452_800_000  # Monday, 2 March 2026, 12:00 UTC


class Every(BaseSchedule):
    """A schedule that only Python can compute."""

    def __init__(self, seconds: float, app: Any = None) -> None:
        super().__init__(app=app)
        self.seconds = seconds

    def is_due(self, last_run_at: dt.datetime) -> tuple[bool, float]:
        left = (last_run_at - self.now()).total_seconds() + self.seconds
        return (True, self.seconds) if left <= 0 else (False, left)


def rows(app: Millrace) -> dict[str, Any]:
    return {each.id: each for each in app.schedules.list()}


def configure(app: Millrace, **entries: Any) -> None:
    app.conf.beat_schedule = entries


def entry(when: Any, **fields: Any) -> dict[str, Any]:
    return {"task": "report", "schedule": when, **fields}
