"""Schedules as Celery's users write them: what they accept, when they are due, how they travel."""

from __future__ import annotations

import datetime as dt
import pickle
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from millrace.schedules import (
    BaseSchedule,
    ParseException,
    crontab,
    crontab_parser,
    maybe_schedule,
    schedule,
    solar,
)
from millrace.schedules.slots import zone_name

UTC = dt.timezone.utc
BERLIN = ZoneInfo("Europe/Berlin")


class Clock:
    """An application as far as schedules look at one."""

    def __init__(self, zone: dt.tzinfo = UTC, deadline: float | None = None) -> None:
        self.timezone = zone
        self.time = dt.datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday
        self.conf = SimpleNamespace(beat_cron_starting_deadline=deadline, enable_utc=True)

    def now(self) -> dt.datetime:
        return self.time.astimezone(self.timezone)

    def at(self, *fields: int) -> dt.datetime:
        self.time = moment(*fields)
        return self.time


def moment(*fields: int) -> dt.datetime:
    return dt.datetime(*fields, tzinfo=UTC)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "* * * * *"),
        ({"minute": 5}, "5 * * * *"),
        ({"minute": "*/15"}, "0,15,30,45 * * * *"),
        ({"minute": "*/5", "hour": "*/12"}, "0,5,10,15,20,25,30,35,40,45,50,55 0,12 * * *"),
        ({"minute": "0", "hour": "8-17/3,23"}, "0 8,11,14,17,23 * * *"),
        ({"minute": "50-5/5", "hour": 0}, "0,5,50,55 0 * * *"),
        ({"minute": [0, 30], "hour": {7, 19}}, "0,30 7,19 * * *"),
        ({"minute": (m for m in (1, 2)), "hour": range(3)}, "1,2 0,1,2 * * *"),
        ({"minute": 0, "hour": 7, "day_of_week": "mon-fri"}, "0 7 * * 1,2,3,4,5"),
        ({"minute": 0, "hour": 7, "day_of_week": "Sunday,fri-mon"}, "0 7 * * 0,1,5,6"),
        ({"minute": 0, "hour": 7, "day_of_month": "1-7,15"}, "0 7 1,2,3,4,5,6,7,15 * *"),
        ({"minute": 0, "hour": 7, "month_of_year": "jan,JUN-aug"}, "0 7 * 1,6,7,8 *"),
        ({"minute": 0, "hour": 7, "month_of_year": "2-12/4"}, "0 7 * 2,6,10 *"),
        ({"minute": "0", "hour": 0, "day_of_month": 13, "day_of_week": "fri"}, "0 0 13 * &5"),
        ({"minute": 0, "hour": 0, "day_of_month": "1-31", "day_of_week": 1}, "0 0 * * 1"),
        ({"minute": None}, "* * * * *"),
    ],
)
def test_crontab_fields(fields, text):
    assert crontab(**fields).text() == text


def test_crontab_takes_its_fields_in_celerys_order():
    assert crontab(1, 2, 3, 4, 5) == crontab(
        minute=1, hour=2, day_of_week=3, day_of_month=4, month_of_year=5
    )


def test_crontab_from_string():
    made = crontab.from_string("5 4  1,15 jan-mar *")
    assert made == crontab(minute=5, hour=4, day_of_month="1,15", month_of_year="1-3")
    assert crontab.from_string("0 7 * * mon", tz=BERLIN).zone() == "Europe/Berlin"
    for text in ("0 7 * *", "0 7 * * * *", "", "@daily"):
        with pytest.raises(ValueError, match="must have 5 fields"):
            crontab.from_string(text)


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"minute": 60}, ValueError, "minute must be 0 to 59, not 60"),
        ({"minute": "60"}, ParseException, "minute: crontab: '60' is out of range"),
        ({"hour": 24}, ValueError, "hour must be 0 to 23, not 24"),
        ({"hour": "-1"}, ParseException, "hour: crontab: '-1' is negative or half a range"),
        ({"day_of_week": 7}, ValueError, "day_of_week must be 0 to 6, not 7"),
        ({"day_of_week": "frid,sonntag"}, ParseException, "'sonntag' is neither a number nor"),
        ({"day_of_month": 0}, ValueError, "day_of_month must be 1 to 31, not 0"),
        ({"month_of_year": "0-3"}, ParseException, "month_of_year: crontab: '0' is out of range"),
        ({"minute": ""}, ParseException, "minute: crontab: '' is empty"),
        ({"minute": "1,,2"}, ParseException, "minute: crontab: '' is empty"),
        ({"minute": "*/0"}, ParseException, "'\\*/0' has an impossible step"),
        ({"minute": "*/"}, ParseException, "'\\*/' has an impossible step"),
        ({"minute": "*/x"}, ParseException, "'\\*/x' has an impossible step"),
        ({"minute": "5/5"}, ParseException, "'5/5' has a step and no range"),
        ({"minute": "5-"}, ParseException, "'5-' is negative or half a range"),
        ({"minute": []}, ValueError, "minute must hold at least one of 0 to 59"),
        ({"minute": ["5"]}, TypeError, "minute must be made of ints"),
        ({"minute": 1.5}, TypeError, "minute must be an int, a str or an iterable of ints"),
        ({"minute": True}, TypeError, "minute must be an int"),
    ],
)
def test_crontab_refuses_what_it_cannot_mean(fields, error, message):
    with pytest.raises(error, match=message):
        crontab(**fields)


def test_crontab_parser():
    assert crontab_parser(60).parse("*/15") == {0, 15, 30, 45}
    assert crontab_parser(31, 1).parse("*/10") == {1, 11, 21, 31}
    assert crontab_parser(12, 1).parse("nov-feb") == {11, 12, 1, 2}
    assert issubclass(ParseException, ValueError)
    with pytest.raises(crontab_parser.ParseException):
        crontab_parser(7).parse("8")


def test_crontab_is_due():
    clock = Clock()
    daily = crontab(minute=30, hour=7, app=clock)
    clock.at(2026, 3, 2, 7, 29, 30)
    assert daily.is_due(moment(2026, 3, 1, 7, 30)) == (False, 30)
    assert daily.remaining_estimate(moment(2026, 3, 1, 7, 30)) == dt.timedelta(seconds=30)
    clock.at(2026, 3, 2, 7, 30)
    assert daily.is_due(moment(2026, 3, 1, 7, 30)) == (True, 86_400)
    clock.at(2026, 3, 9, 8, 30)  # a week later: due once, then tomorrow
    is_due, next_s = daily.is_due(moment(2026, 3, 1, 7, 30))
    assert is_due
    assert next_s == 23 * 3600
    assert daily.remaining_estimate(moment(2026, 3, 9, 7, 30)) == dt.timedelta(hours=23)


def test_crontab_with_a_starting_deadline():
    clock = Clock(deadline=600)
    daily = crontab(minute=30, hour=7, app=clock)
    last = moment(2026, 3, 1, 7, 30)
    clock.at(2026, 3, 2, 7, 40)
    assert daily.is_due(last) == (True, 86_400 - 600)
    clock.at(2026, 3, 2, 7, 40, 1)
    assert daily.is_due(last) == (False, 86_400 - 601)


def test_crontab_reads_the_clock_of_its_time_zone():
    berlin = crontab(minute=0, hour=9, app=Clock(BERLIN))
    assert berlin.timing() == {"cron": "0 9 * * *", "time_zone": "Europe/Berlin"}
    clock = berlin.app
    clock.at(2026, 3, 2, 7, 59)
    assert berlin.is_due(moment(2026, 3, 1, 8, 0)) == (False, 60)
    # On 29 March the clock jumps from 2 to 3: the day has 23 hours.
    clock.at(2026, 3, 28, 8, 0)
    assert berlin.is_due(moment(2026, 3, 27, 8, 0)) == (True, 23 * 3600)


def test_nowfun_sets_the_time_zone():
    tokyo = ZoneInfo("Asia/Tokyo")
    now = dt.datetime(2026, 3, 2, 8, 59, tzinfo=tokyo)
    morning = crontab(minute=0, hour=9, nowfun=lambda: now, app=Clock())
    assert morning.now() is now
    assert morning.tz is tokyo
    assert morning.zone() == "Asia/Tokyo"
    assert morning.is_due(dt.datetime(2026, 3, 1, 9, tzinfo=tokyo)) == (False, 60)
    assert schedule(60, nowfun=lambda: now).is_due(now - dt.timedelta(seconds=45)) == (False, 15)
    assert solar("sunset", 35.7, 139.7, nowfun=lambda: now).is_due(now)[0] is False


def test_crontab_equality_and_pickling():
    weekly = crontab(minute="0", hour=[7, 8], day_of_week="mon", tz=BERLIN)
    assert weekly == crontab(minute=0, hour="7,8", day_of_week=1, tz=BERLIN)
    assert weekly != crontab(minute=0, hour="7,8", day_of_week=1)
    assert weekly != crontab(minute=1, hour="7,8", day_of_week=1, tz=BERLIN)
    assert weekly != "0 7,8 * * mon"
    again = pickle.loads(pickle.dumps(weekly))
    assert again == weekly
    assert repr(again) == repr(weekly) == "<crontab: 0 [7, 8] * * mon (m/h/dM/MY/d)>"


def test_schedule_is_due():
    clock = Clock()
    often = schedule(run_every=90, app=clock)
    start = clock.time
    assert often.is_due(start) == (False, 90)
    clock.time = start + dt.timedelta(seconds=89.5)
    assert often.is_due(start) == (False, 0.5)
    assert often.remaining_estimate(start) == dt.timedelta(seconds=0.5)
    clock.time = start + dt.timedelta(seconds=90)
    assert often.is_due(start) == (True, 90)
    clock.time = start + dt.timedelta(days=1)
    assert often.is_due(start) == (True, 90)
    assert often.is_due(start.replace(tzinfo=None)) == (True, 90)
    assert often.seconds == 90
    assert repr(often) == "<freq: 1.5 minutes>"


def test_schedule_relative():
    clock = Clock()
    hourly = schedule(dt.timedelta(hours=2), relative=True, app=clock)
    clock.at(2026, 3, 2, 12, 59, 59)
    assert hourly.is_due(moment(2026, 3, 2, 11, 40)) == (False, 1)
    clock.at(2026, 3, 2, 13, 0)
    assert hourly.is_due(moment(2026, 3, 2, 11, 40)) == (True, 7200)
    daily = schedule(dt.timedelta(days=1), True, app=clock)
    assert daily.remaining_estimate(moment(2026, 3, 2, 11, 40)) == dt.timedelta(hours=11)
    assert schedule(30, True, app=clock).remaining_estimate(clock.time).total_seconds() == 30


def test_schedule_equality_and_pickling():
    assert schedule(10) == schedule(dt.timedelta(seconds=10))
    assert schedule(10) == dt.timedelta(seconds=10)
    assert schedule(10) != schedule(11)
    again = pickle.loads(pickle.dumps(schedule(10, True)))
    assert again == schedule(10)
    assert again.relative is True
    assert schedule(10).timing() == {"every_ms": 10_000}


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("10", TypeError, "run_every must be a number of seconds or a timedelta"),
        (True, TypeError, "run_every must be a number"),
        (-1, ValueError, "run_every must not be negative"),
        (dt.timedelta(seconds=-1), ValueError, "run_every must not be negative"),
    ],
)
def test_schedule_refuses_what_is_no_interval(value, error, message):
    with pytest.raises(error, match=message):
        schedule(value)


def test_an_interval_below_a_millisecond_has_no_slots():
    with pytest.raises(ValueError, match="at least a millisecond"):
        schedule(0).timing()
    with pytest.raises(ValueError, match="no run_every"):
        schedule().timing()


def test_numbers_and_timedeltas_are_schedules():
    clock: Any = Clock()
    assert maybe_schedule(30) == schedule(30)
    assert maybe_schedule(dt.timedelta(minutes=1), relative=True).relative is True
    daily = crontab(minute=0, hour=0)
    assert maybe_schedule(daily, app=clock) is daily
    assert daily.app is clock
    assert maybe_schedule(None) is None


# What an almanac says of Berlin (52.52 N, 13.405 E) on 21 June 2026, UTC; good to two minutes.
SUN = {
    "dawn_civil": (1, 52),
    "sunrise": (2, 43),
    "solar_noon": (11, 8),
    "sunset": (19, 33),
    "dusk_civil": (20, 24),
}


@pytest.mark.parametrize("event", SUN)
def test_solar_events(event):
    clock = Clock()
    clock.at(2026, 6, 21)
    estimate = solar(event, 52.52, 13.405, app=clock).remaining_estimate(clock.time)
    hour, minute = SUN[event]
    assert abs(estimate - dt.timedelta(hours=hour, minutes=minute)) <= dt.timedelta(minutes=2)


def test_solar_events_follow_each_other():
    clock = Clock()
    clock.at(2026, 3, 2)
    order = (
        *("dawn_astronomical", "dawn_nautical", "dawn_civil", "sunrise", "solar_noon", "sunset"),
        *("dusk_civil", "dusk_nautical", "dusk_astronomical"),
    )
    times = [solar(each, 52.52, 13.405, app=clock).remaining_estimate(clock.time) for each in order]
    assert times == sorted(times)
    assert all(dt.timedelta(hours=3) < each < dt.timedelta(hours=20) for each in times)


def test_solar_is_due():
    clock = Clock()
    clock.at(2026, 6, 21)
    sunset = solar("sunset", 52.52, 13.405, app=clock)
    is_due, next_s = sunset.is_due(clock.time)
    assert not is_due
    last = clock.time
    clock.time = last + dt.timedelta(seconds=next_s)
    is_due, next_s = sunset.is_due(last)
    assert is_due
    assert 86_000 < next_s < 86_800


def test_solar_waits_through_the_polar_night():
    clock = Clock()
    clock.at(2026, 12, 1)
    tromso = solar("sunrise", 69.65, 18.96, app=clock)
    assert tromso.remaining_estimate(clock.time) > dt.timedelta(days=40)


def test_solar_equality_and_pickling():
    dusk = solar("dusk_civil", 1, 2)
    assert dusk == solar("dusk_civil", 1, 2)
    assert dusk != solar("dusk_civil", 1, 3)
    assert pickle.loads(pickle.dumps(dusk)) == dusk
    assert repr(dusk) == "<solar: dusk_civil at latitude 1, longitude: 2>"
    assert dusk.timing() == {"solar": "dusk_civil", "latitude": 1, "longitude": 2}


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        (("noon", 0, 0), ValueError, "event must be one of dawn_astronomical, .* not 'noon'"),
        (("sunset", 91, 0), ValueError, "lat must be between -90 and 90, not 91"),
        (("sunset", 0, -181), ValueError, "lon must be between -180 and 180, not -181"),
        (("sunset", "52", 0), TypeError, "lat must be a number"),
    ],
)
def test_solar_refuses_what_is_no_place_or_event(fields, error, message):
    with pytest.raises(error, match=message):
        solar(*fields)


def test_maybe_make_aware():
    berlin = crontab(app=Clock(BERLIN))
    naive = dt.datetime(2026, 3, 2, 12)
    assert berlin.maybe_make_aware(naive).isoformat() == "2026-03-02T13:00:00+01:00"
    assert berlin.maybe_make_aware(naive, naive_as_utc=False).isoformat().endswith("12:00:00+01:00")
    aware = moment(2026, 3, 2)
    assert berlin.maybe_make_aware(aware) is aware


def test_tz_is_the_applications_or_set():
    base = BaseSchedule(app=Clock(BERLIN))
    assert base.tz is BERLIN
    base.tz = UTC
    assert base.zone() == "UTC"
    assert base.utc_enabled is True
    for call in (base.timing, lambda: base.is_due(moment(2026, 1, 1))):
        with pytest.raises(NotImplementedError):
            call()


def test_zone_names():
    assert zone_name(UTC) == "UTC"
    assert zone_name(dt.timezone(dt.timedelta(hours=2))) == "Etc/GMT-2"
    assert zone_name(SimpleNamespace(zone="Asia/Tokyo")) == "Asia/Tokyo"  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="has no IANA name: use one of zoneinfo"):
        zone_name(dt.timezone(dt.timedelta(hours=5, minutes=30)))
