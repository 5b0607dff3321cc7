"""Periodic tasks: the configuration as schedules of the store, and the beat process."""

from __future__ import annotations

import datetime as dt
import json
import logging
import pickle
from zoneinfo import ZoneInfo

import pytest
from beat_support import configure, entry, rows
from millrace import Millrace, beat, chain
from millrace.beat import (
    ScheduleEntry,
    begin_schedules,
    sync_schedules,
)
from millrace.schedules import crontab, schedule, solar

UTC = dt.timezone.utc


# --- The configuration as rows ----------------------------------------------------------------------


def test_beat_schedule(app, harness, report):
    configure(
        app,
        crontab=entry(crontab(minute=0, hour=7, day_of_week="mon-fri"), args=("weekly",)),
        number=entry(30, kwargs={"copies": 2}, options={"queue": "other", "priority": 3}),
        timedelta=entry(dt.timedelta(hours=2), options={"expires": 60}),
        solar=entry(solar("sunset", 52.5, 13.4)),
        unknown={"task": "elsewhere", "schedule": 60.5, "args": [1]},
    )
    done = sync_schedules(app)
    assert sorted(done.put) == ["crontab", "number", "solar", "timedelta", "unknown"]
    assert (done.removed, done.needs_beat) == ([], [])
    found = rows(app)
    assert set(found) == {f"beat/{app.name}/{name}" for name in done.put}
    weekly = found[f"beat/{app.name}/crontab"]
    assert (weekly.cron, weekly.tz, weekly.catch_up) == ("0 7 * * 1,2,3,4,5", "UTC", "last")
    assert (weekly.job.spec.name, weekly.job.spec.queue) == ("report", "reports")
    assert json.loads(weekly.job.spec.data) == {"kind": "weekly"}
    number = found[f"beat/{app.name}/number"]
    assert number.every == dt.timedelta(seconds=30)
    assert (number.job.spec.queue, number.job.spec.priority) == ("other", 3)
    assert json.loads(number.job.spec.data) == {"copies": 2}
    assert found[f"beat/{app.name}/timedelta"].job.spec.expires_in_ms == 60_000
    assert found[f"beat/{app.name}/solar"].solar.event == "sunset"
    assert json.loads(found[f"beat/{app.name}/unknown"].job.spec.data)["$args"] == [1]


def test_any_worker_fires_them(app, harness, report):
    configure(app, often=entry(30, args=("often",)))
    begin_schedules(app)
    assert harness.run_all() == 0
    harness.advance(30)
    assert harness.run_all() == 1
    [job] = harness.enqueued(report)
    assert json.loads(job.spec.headers)["millrace-schedule"] == f"beat/{app.name}/often"
    assert json.loads(job.result) == "often 1"


def test_a_worker_puts_the_configuration_when_it_starts(app, report):
    from millrace.contrib.testing.worker import start_worker

    configure(app, often=entry(3600))
    with start_worker(app):
        assert set(rows(app)) == {f"beat/{app.name}/often"}


def test_entries_that_are_gone_are_removed_and_others_left_alone(app, harness, report):
    app.schedules.put("by hand", report.prepare(), every=60)
    app.schedules.put("beat/other/entry", report.prepare(), every=60)
    app.schedules.put("beat/", report.prepare(), every=60)
    configure(app, a=entry(10), b=entry(20))
    sync_schedules(app)
    configure(app, b=entry(20), c=entry(30))
    done = sync_schedules(app)
    assert (sorted(done.put), done.removed) == (["b", "c"], ["a"])
    names = {"by hand", "beat/other/entry", "beat/", f"beat/{app.name}/b", f"beat/{app.name}/c"}
    assert set(rows(app)) == names


def test_an_unchanged_entry_keeps_its_slot_and_a_pause(app, harness, report):
    configure(app, a=entry(3600), b=entry(3600))
    sync_schedules(app)
    app.schedules.pause(f"beat/{app.name}/b")
    before = rows(app)
    harness.advance(1800)
    configure(app, a=entry(3600, args=("changed",)), b=entry(3600))
    sync_schedules(app)
    after = rows(app)
    a, b = f"beat/{app.name}/a", f"beat/{app.name}/b"
    assert after[a].next_run == before[a].next_run
    assert json.loads(after[a].job.spec.data) == {"kind": "changed"}
    assert after[b].paused


def test_a_worker_without_entries_leaves_the_store_alone(app, harness, report, caplog):
    configure(app, a=entry(10))
    begin_schedules(app)
    forget_setting(app)
    with caplog.at_level(logging.INFO, "millrace"):
        begin_schedules(app)
    assert "beat_schedule = {} removes them" in caplog.text
    assert len(rows(app)) == 1
    configure(app)
    begin_schedules(app)
    assert rows(app) == {}


def forget_setting(app: Millrace) -> None:
    del app.conf["beat_schedule"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("every day", "must be a mapping, not str"),
        ({"schedule": 10}, "task must be a task's name, not None"),
        (entry("10"), "schedule must be a number of seconds, a timedelta or a schedule, not '10'"),
        (entry(10, args=5), "args must be a tuple or a list, not 5"),
        (entry(None), "schedule must be a number of seconds, a timedelta or a schedule, not None"),
        (entry(10, every=1), "unknown keys every; accepted are task, schedule"),
        (entry(0), "run_every must be at least a millisecond"),
        (entry(10, args=(1, 2, 3)), "takes .* positional arguments? but"),
        (entry(10, kwargs={"kind": object()}), "argument"),
        (entry(10, options={"countdown": "soon"}), "countdown"),
        (entry(crontab(day_of_month=30, month_of_year=2)), "can never fire"),
    ],
)
def test_an_entry_that_makes_no_sense(app, harness, report, caplog, given, message):
    configure(app, good=entry(10))
    sync_schedules(app)
    configure(app, bad=given, good=entry(20))
    with pytest.raises(Exception, match=message):
        sync_schedules(app)
    assert rows(app)[f"beat/{app.name}/good"].every == dt.timedelta(seconds=10)
    begin_schedules(app)  # a worker goes on with the others
    assert "beat_schedule['bad']" in caplog.text
    assert rows(app)[f"beat/{app.name}/good"].every == dt.timedelta(seconds=20)


def test_a_schedule_of_entries_that_makes_no_sense(app, harness, caplog):
    app.conf.beat_schedule = 5
    begin_schedules(app)
    assert "beat_schedule must be a mapping of names to entries, not int" in caplog.text


def test_the_time_zone_of_the_application(app, harness, report):
    set_zone(app, "Europe/Berlin")
    configure(app, morning=entry(crontab(minute=0, hour=7)))
    sync_schedules(app)
    row = rows(app)[f"beat/{app.name}/morning"]
    assert row.tz == "Europe/Berlin"
    assert row.next_run == dt.datetime(2026, 3, 3, 6, tzinfo=UTC)


def set_zone(app: Millrace, name: str) -> None:
    app.conf.timezone = name


def test_a_starting_deadline_passes_missed_slots_by(app, harness, report):
    app.conf.beat_cron_starting_deadline = 60
    configure(app, a=entry(crontab(minute=0)), b=entry(60))
    sync_schedules(app)
    found = rows(app)
    assert found[f"beat/{app.name}/a"].catch_up == "none"
    assert found[f"beat/{app.name}/b"].catch_up == "last"


def test_both_day_fields_must_match(app, harness, report):
    configure(app, friday=entry(crontab(minute=0, hour=0, day_of_month=13, day_of_week="fri")))
    sync_schedules(app)
    assert rows(app)[f"beat/{app.name}/friday"].next_run == dt.datetime(2026, 3, 13, tzinfo=UTC)


def test_relative_and_task_objects(app, harness, report):
    configure(app, a={"task": report, "schedule": 90, "relative": True})
    assert sync_schedules(app).put == ["a"]
    made = beat.sync.configured_entries(app)["a"]
    assert (made.task, made.schedule.relative) == ("report", True)


# --- Entries ----------------------------------------------------------------------------------------


def test_schedule_entry(app, harness):
    now = dt.datetime(2026, 3, 2, 12, tzinfo=UTC)
    made = ScheduleEntry(
        name="a",
        task="report",
        last_run_at=now,
        total_run_count=3,
        schedule=schedule(10, nowfun=lambda: now + dt.timedelta(seconds=4)),
        args=(1,),
        kwargs={"b": 2},
        options={"queue": "q"},
        relative=False,
        app=app,
    )
    assert made.is_due() == (False, 6)
    following = next(made)
    assert following.total_run_count == 4
    assert following.last_run_at == now + dt.timedelta(seconds=4)
    assert made.next(last_run_at=now).last_run_at == now
    assert (following.name, following.task, following.args) == ("a", "report", (1,))
    assert (following.kwargs, following.options) == ({"b": 2}, {"queue": "q"})
    assert following == made
    assert repr(made) == "<ScheduleEntry: a report(1, b=2) <freq: 10 seconds>"
    other = ScheduleEntry("a", "other", now, 0, 20, app=app)
    assert other != made
    made.update(other)
    assert (made.task, made.schedule, made.args, made.total_run_count) == (
        "other",
        schedule(20),
        (),
        3,
    )


def test_schedule_entry_relative_and_pickled():
    now = dt.datetime(2026, 3, 2, 12, tzinfo=UTC)
    made = ScheduleEntry("a", "t", now, 1, dt.timedelta(hours=1), (1,), {"x": 1}, {}, True)
    assert made.schedule.relative is True
    again = pickle.loads(pickle.dumps(made))
    assert again == made
    assert (again.last_run_at, again.total_run_count) == (now, 1)


# --- add_periodic_task ------------------------------------------------------------------------------


def test_add_periodic_task(app, harness, report):
    key = app.add_periodic_task(
        30, report.s(), args=("x",), kwargs={"copies": 2}, name="often", queue="q"
    )
    assert key == "often"
    assert app.conf.beat_schedule["often"]["schedule"] == 30
    unnamed = app.add_periodic_task(crontab(minute=0), report.s("y"))
    assert unnamed == repr(report.s("y"))
    sync_schedules(app)
    row = rows(app)[f"beat/{app.name}/often"]
    assert row.every == dt.timedelta(seconds=30)
    assert row.job.spec.queue == "q"
    assert json.loads(row.job.spec.data) == {"kind": "x", "copies": 2}
    assert rows(app)[f"beat/{app.name}/{unnamed}"].cron == "0 * * * *"


def test_add_periodic_task_before_the_settings_are_loaded(app, harness, report):
    loaded = []
    app.config_from_object({"beat_schedule": {"loaded": entry(10), "both": entry(10)}})
    app.add_periodic_task(20, report.s(), name="both")
    app.add_periodic_task(20, app.tasks["report"], name="added")

    @app.on_after_configure.connect
    def handler(sender, **_):
        loaded.append(sender)
        sender.add_periodic_task(30, report.s(), name="handled")

    schedules = {name: each["schedule"] for name, each in app.conf.beat_schedule.items()}
    assert schedules == {"loaded": 10, "both": 20, "added": 20, "handled": 30}
    assert loaded == [app]


def test_add_periodic_task_warns_of_two_without_name(app, harness, report, caplog):
    app.add_periodic_task(20, report.s("x"))
    app.add_periodic_task(30, report.s("x"))
    assert "the second replaces the first; pass name=" in caplog.text


@pytest.mark.parametrize("sig", [None, 5, object()])
def test_add_periodic_task_refuses_what_is_no_signature(app, harness, sig):
    with pytest.raises(TypeError, match="sig must be a signature"):
        app.add_periodic_task(20, sig)


def test_add_periodic_task_refuses_what_is_no_schedule(app, harness, report):
    with pytest.raises(TypeError, match="schedule must be a number of seconds, a timedelta or"):
        app.add_periodic_task("10", report.s())


def test_add_periodic_task_refuses_a_canvas(app, harness, report):
    with pytest.raises(TypeError, match="a signature of one task"):
        app.add_periodic_task(20, chain(report.si(), report.si()))


def test_one_applications_entries_are_not_anothers(app, harness):
    app.conf.beat_schedule["mine"] = entry(10)
    assert app.conf.beat_schedule == {"mine": entry(10)}
    assert Millrace("other", store=":memory:", set_as_current=False).conf.beat_schedule == {}


def test_zones_of_crontabs_may_differ(app, harness, report):
    tokyo = crontab(minute=0, hour=9, tz=ZoneInfo("Asia/Tokyo"))
    configure(app, tokyo=entry(tokyo), here=entry(crontab(minute=0, hour=9)))
    sync_schedules(app)
    found = rows(app)
    assert found[f"beat/{app.name}/tokyo"].tz == "Asia/Tokyo"
    assert found[f"beat/{app.name}/here"].tz == "UTC"
