"""Periodic tasks: `millrace worker tasks:app` is all that has to run; start two, and each slot still has one job."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

from millrace import Millrace
from millrace.schedules import crontab, solar

app = Millrace("periodic", store=os.environ.get("MILLRACE_STORE", "periodic.db"))
app.conf.timezone = "Europe/Vienna"

PULSE = Path(os.environ.get("PULSE", "pulse.txt"))


@app.task(expires=5)
def pulse(text: str) -> str:
    """Writes a line; one that could not start within five seconds is left out."""
    line = f"{dt.datetime.now(dt.timezone.utc):%H:%M:%S} {text}"
    with PULSE.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    return line


@app.task
def report(kind: str) -> str:
    lines = len(PULSE.read_text(encoding="utf-8").splitlines()) if PULSE.exists() else 0
    return f"{kind}: {lines} lines"


app.conf.beat_schedule = {
    "every second": {"task": "tasks.pulse", "schedule": 1.0, "args": ("beat",)},
    "weekday mornings": {
        "task": "tasks.report",
        "schedule": crontab(minute=30, hour=7, day_of_week="mon-fri"),
        "args": ("daily",),
    },
    "last thing on the first Friday": {
        "task": "tasks.report",
        "schedule": crontab(minute=59, hour=23, day_of_month="1-7", day_of_week="fri"),
        "args": ("monthly",),
    },
    "at dusk": {
        "task": "tasks.report",
        "schedule": solar("dusk_civil", 48.2, 16.4),
        "args": ("dusk",),
    },
}
