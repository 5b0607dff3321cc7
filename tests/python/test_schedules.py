"""Schedules through the whole layer. When a timing fires is tested in the core."""

import datetime as dt

import pytest
from millrace import Solar
from millrace.errors import InvalidArgument, NotFound
from millrace.testing import Harness

UTC = dt.timezone.utc
START_MS = 1_767_225_600_000  # 2026-01-01 00:00 UTC, a Thursday


@pytest.fixture
def tick(app):
    @app.task(name="tick", bind=True)
    def tick(self, x: int = 0) -> tuple[int, str]:
        return x, self.request.headers["millrace-schedule"]

    return tick


def test_each_slot_makes_a_job(app, tick):
    with Harness(app, now_ms=START_MS) as harness:
        made = app.schedules.put("minutes", tick.s(7), every=60, immediately=True)
        assert made.next_run == dt.datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
        assert harness.run_all() == 1
        for _ in range(3):
            harness.advance(60)
            assert harness.run_all() == 1
        now = app.schedules.get("minutes")
        assert (now.fired, now.skipped) == (4, 0)
        assert now.last_run == dt.datetime(2026, 1, 1, 0, 3, tzinfo=UTC)
        assert now.last_job is not None
        assert now.last_job.get(0) == [7, "minutes"]


def test_an_interval_counts_from_its_start_if_asked(app, tick):
    with Harness(app, now_ms=START_MS + 7_001):
        made = app.schedules.put("s", tick.s(), every=60, from_start=True)
        assert made.offset == dt.timedelta(seconds=7.001)
        assert made.next_run == dt.datetime(2026, 1, 1, 0, 1, 7, 1_000, tzinfo=UTC)
        with pytest.raises(InvalidArgument, match="give offset or from_start, not both"):
            app.schedules.put("s", tick.s(), every=60, offset=1, from_start=True)
        with pytest.raises(InvalidArgument, match="accepted with every_ms only"):
            app.schedules.put("s", tick.s(), cron="@daily", from_start=True)
        assert app.schedules.get("s").next_run == made.next_run


def test_what_is_read_back(app, tick):
    with Harness(app, now_ms=START_MS):
        app.schedules.put(
            "b",
            tick.s(1).set(queue="reports", priority=3),
            cron="30 7 * * mon-fri",
            tz="Europe/Berlin",
            start=dt.datetime(2026, 1, 5, tzinfo=UTC),
            end=dt.datetime(2027, 1, 1, tzinfo=UTC),
            limit=100,
            jitter=dt.timedelta(seconds=2),
            overlap="skip",
            catch_up="all",
            catch_up_max=5,
        )
        app.schedules.put("a", tick.s(), solar=Solar("sunrise", 52.5, 13.4))
        first, second = app.schedules.list()
        assert (first.id, first.solar, first.cron) == ("a", Solar("sunrise", 52.5, 13.4), None)
        assert first.next_run is not None
        assert second.job.spec.queue == "reports"
        assert (second.cron, second.tz) == ("30 7 * * mon-fri", "Europe/Berlin")
        assert second.next_run == dt.datetime(2026, 1, 5, 6, 30, tzinfo=UTC)
        assert second.limit == 100
        assert second.jitter == dt.timedelta(seconds=2)
        assert (second.overlap, second.catch_up, second.catch_up_max) == ("skip", "all", 5)
        assert second.last_job is None


def test_pause_resume_remove(app, tick):
    with Harness(app, now_ms=START_MS) as harness:
        app.schedules.put("s", tick.s(), every=10)
        app.schedules.pause("s")
        assert app.schedules.get("s").paused
        harness.advance(60)
        assert harness.run_all() == 0
        app.schedules.resume("s")
        harness.advance(10)
        assert harness.run_all() >= 1
        app.schedules.remove("s")
        assert app.schedules.list() == []
        for call in (app.schedules.get, app.schedules.pause, app.schedules.remove):
            with pytest.raises(NotFound):
                call("s")


def test_preview(app):
    after = dt.datetime(2026, 3, 28, tzinfo=UTC)
    slots = app.schedules.preview(cron="30 2 * * *", tz="Europe/Berlin", after=after, count=3)
    assert [slot.isoformat() for slot in slots] == [
        "2026-03-28T01:30:00+00:00",
        "2026-03-29T01:00:00+00:00",  # 02:30 does not exist on that day: at the jump
        "2026-03-30T00:30:00+00:00",
    ]
    every = app.schedules.preview(every=dt.timedelta(hours=12), offset=3600, after=after, count=2)
    assert [slot.hour for slot in every] == [1, 13]


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({}, InvalidArgument, "exactly one of cron, every and solar"),
        ({"cron": "* * * * *", "every": 1}, InvalidArgument, "exactly one of"),
        ({"cron": 5}, TypeError, "cron must be a str"),
        ({"cron": "0 0 30 2 *"}, InvalidArgument, "never"),
        ({"cron": "* * *"}, InvalidArgument, "cron"),
        ({"cron": "* * * * *", "tz": "Mars/Base"}, InvalidArgument, "Mars/Base"),
        ({"every": 0}, InvalidArgument, "every"),
        ({"every": 60, "offset": 60}, InvalidArgument, "offset"),
        ({"solar": "sunrise"}, TypeError, "solar must be a Solar"),
        ({"solar": Solar("moonrise", 0, 0)}, InvalidArgument, "moonrise"),
        ({"every": 60, "limit": 0}, InvalidArgument, "limit must be at least 1"),
        ({"every": 60, "overlap": "odd"}, InvalidArgument, "overlap 'odd' is unknown"),
        ({"every": 60, "catch_up": "odd"}, InvalidArgument, "catch_up 'odd' is unknown"),
        ({"every": 60, "catch_up_max": 0}, InvalidArgument, "catch_up_max"),
        ({"every": 60, "paused": 1}, TypeError, "paused must be a bool"),
        ({"every": 60, "start": 5}, TypeError, "start must be a datetime"),
    ],
)
def test_refused(app, tick, given, error, says):
    with pytest.raises(error, match=says):
        app.schedules.put("s", tick.s(), **given)
    assert app.schedules.list() == []


def test_the_job_must_be_one(app):
    with pytest.raises(TypeError, match=r"job must be made by task.s\(\)"):
        app.schedules.put("s", "tick", every=1)
    with pytest.raises(InvalidArgument, match="id must not be empty"):
        app.schedules.put("", app.signature("tick"), every=1)


async def test_the_awaitable_twins(app, tick):
    calls = app.schedules.aio
    assert (await calls.put("s", tick.s(), every=3600)).id == "s"
    await calls.pause("s")
    assert (await calls.get("s")).paused
    await calls.resume("s")
    assert [each.paused for each in await calls.list()] == [False]
    assert len(await calls.preview(every=60, count=4)) == 4
    await calls.remove("s")
    assert await calls.list() == []


def test_a_crontab_or_solar_object_is_a_timing(app):
    from zoneinfo import ZoneInfo

    from millrace.schedules import BaseSchedule, crontab, schedule, solar

    @app.task(name="tick")
    def tick(): ...

    app.conf.timezone = "Europe/Vienna"
    put = app.schedules.put
    morning = put("a", tick.s(), cron=crontab(minute=0, hour="7-8"))
    assert (morning.cron, morning.tz) == ("0 7,8 * * *", "Europe/Vienna")
    tokyo = put("b", tick.s(), cron=crontab(minute=0, hour=7, tz=ZoneInfo("Asia/Tokyo")))
    assert tokyo.tz == "Asia/Tokyo"
    assert put("c", tick.s(), solar=solar("sunset", 1, 2)).solar.event == "sunset"
    assert app.schedules.preview(cron=crontab(minute=0, hour=7), count=1)[0].minute == 0
    with pytest.raises(InvalidArgument, match="tz cannot be given with it"):
        put("d", tick.s(), cron=crontab(), tz="UTC")
    with pytest.raises(TypeError, match="cron must be a str or a crontab"):
        put("d", tick.s(), cron=5)
    with pytest.raises(TypeError, match="solar must be a Solar or a solar"):
        put("d", tick.s(), solar="sunset")
    with pytest.raises(InvalidArgument, match="the store cannot compute it"):
        put("d", tick.s(), cron=BaseSchedule())
    with pytest.raises(InvalidArgument, match="at least a millisecond"):
        put("d", tick.s(), cron=schedule(0))
    assert [each.id for each in app.schedules.list()] == ["a", "b", "c"]
