"""Ten years of slots, compared with croniter's reading of the cron text and zoneinfo's of the zones.

croniter knows which clock readings match; when a clock shows them is worked out here by the rules of
docs/explanation/schedules.md: a skipped reading runs at the jump, a repeated one the first time, and a
schedule of every hour runs whenever the clock shows a match.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from millrace import _core

BEGIN = dt.datetime(2014, 1, 1)
END = dt.datetime(2024, 1, 1)
UTC = dt.timezone.utc
PAGE = 10_000
ZONES = (
    "America/New_York",
    "Europe/London",
    "Australia/Sydney",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "UTC",
)
FIXED = (
    "30 2 * * *",
    "*/20 1-2 * * *",
    "0 0 * * *",
    "45 1 * * *",
    "15 */3 * * *",
    "0 9 * * mon-fri",
    "0 0 13 * 5",
    "30 2 l * *",
    "0 2 * * sun#1",
    "0 3 * * L0",
    "0 4 29 2 *",
    "30 23 * feb,nov sat",
)
HOURLY = ("0 * * * *", "30 0-23 * * *")


@cache
def readings(cron: str) -> tuple[dt.datetime, ...]:
    """The clock readings that match, with a day to spare at both ends."""
    day = dt.timedelta(days=1)
    matches = croniter(cron, BEGIN - day)
    found = []
    while (reading := matches.get_next(dt.datetime)) < END + day:
        found.append(reading)
    return tuple(found)


def end_of_gap(zone: ZoneInfo, before: float, after: float) -> float:
    """The instant between two at which the clock jumps."""
    offset = dt.datetime.fromtimestamp(before, zone).utcoffset()
    while after - before > 1:
        middle = (before + after) // 2
        if dt.datetime.fromtimestamp(middle, zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after


def instants(zone: ZoneInfo, reading: dt.datetime, hourly: bool) -> Iterator[float]:
    """When a clock of the zone shows the reading, or should have."""
    first = reading.replace(tzinfo=zone, fold=0).timestamp()
    second = reading.replace(tzinfo=zone, fold=1).timestamp()
    shown = dt.datetime.fromtimestamp(first, zone).replace(tzinfo=None, fold=0)
    if shown == reading:
        yield first
        if hourly:
            yield second
    elif not hourly:
        yield end_of_gap(zone, second, first)


def expected(cron: str, zone_name: str, hourly: bool) -> list[int]:
    zone = ZoneInfo(zone_name)
    begin, end = (moment.replace(tzinfo=UTC).timestamp() for moment in (BEGIN, END))
    found = {at for reading in readings(cron) for at in instants(zone, reading, hourly)}
    return sorted(int(at) * 1000 for at in found if begin < at < end)


def previewed(engine: _core.Engine, cron: str, zone_name: str) -> list[int]:
    begin, end = (int(moment.replace(tzinfo=UTC).timestamp()) * 1000 for moment in (BEGIN, END))
    slots: list[int] = []
    while True:
        after = slots[-1] if slots else begin
        page = engine.preview_timing(
            after_ms=after, count=PAGE, cron=cron, time_zone=zone_name, end_at_ms=end - 1
        )
        slots += page
        if len(page) < PAGE:
            return slots


@pytest.fixture(scope="module")
def engine() -> Iterator[_core.Engine]:
    engine = _core.Engine(":memory:")
    yield engine
    engine.close()


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("cron", FIXED + HOURLY)
def test_ten_years_of_slots_agree(engine: _core.Engine, cron: str, zone: str) -> None:
    assert previewed(engine, cron, zone) == expected(cron, zone, hourly=cron in HOURLY)
