"""Celery's scheduler classes and the beat process."""

from __future__ import annotations

import datetime as dt
import json
import queue
import signal
import threading
from typing import Any

import pytest
from beat_support import Every, configure, entry, rows
from millrace import beat, signals
from millrace.beat import (
    BeatLazyFunc,
    PersistentScheduler,
    ScheduleEntry,
    Scheduler,
    SchedulingError,
    Service,
    begin_schedules,
    sync_schedules,
)
from millrace.beat.service import Stop
from millrace.schedules import crontab, schedule

UTC = dt.timezone.utc
PATIENCE_S = 60.0


# --- Celery's loop ----------------------------------------------------------------------------------


class Looping(Scheduler):
    """A scheduler of a user's own."""

    max_interval = 42

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.synced = 0
        super().__init__(*args, **kwargs)

    def sync(self) -> None:
        self.synced += 1

    @property
    def info(self) -> str:
        return "looping"


class Time:
    """What a schedule calls the present."""

    def __init__(self) -> None:
        self.now = dt.datetime(2026, 3, 2, 12, tzinfo=UTC)

    def __call__(self) -> dt.datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)


def test_scheduler_tick(app, harness, report):
    time = Time()
    configure(
        app,
        fast=entry(schedule(10, nowfun=time), args=("fast",)),
        slow=entry(schedule(25, nowfun=time), args=("slow",), options={"queue": "slow"}),
    )
    looping = Looping(app)
    assert looping.tick() == pytest.approx(9.99)
    time.advance(10)
    assert looping.tick() == 0
    assert looping.schedule["fast"].total_run_count == 1
    assert looping.tick() == pytest.approx(9.99)
    time.advance(15)
    assert [looping.tick(), looping.tick()] == [0, 0]
    assert looping.tick() == pytest.approx(9.99)
    kinds = [json.loads(job.spec.data)["kind"] for job in harness.enqueued(report)]
    assert sorted(kinds) == ["fast", "fast", "slow"]
    assert len(harness.enqueued(report, queue="slow")) == 1
    assert looping.info == "looping"
    assert rows(app) == {}


def test_scheduler_max_interval(app, harness):
    assert Looping(app).tick() == 42
    assert Looping(app, max_interval=7).tick() == 7
    app.conf.beat_max_loop_interval = 5
    assert Looping(app).max_interval == 5
    assert Scheduler(app).info == ""


def test_scheduler_removes_what_the_store_would_fire_too(app, harness, report):
    configure(app, a=entry(10))
    sync_schedules(app)
    Looping(app, lazy=True)
    assert len(rows(app)) == 1
    Looping(app)
    assert rows(app) == {}


def test_scheduler_apply_async_and_apply_entry(app, harness, report, caplog):
    configure(app, a=entry(10, args=("x",)), b=entry(10, args=(1, 2, 3, 4)))
    looping = Looping(app, sync_every_tasks=2)
    result = looping.apply_async(looping.schedule["a"])
    assert result.id == harness.enqueued(report)[0].spec.id
    assert looping.schedule["a"].total_run_count == 1
    looping.apply_async(looping.schedule["a"], advance=False)
    assert looping.schedule["a"].total_run_count == 1
    assert looping.synced == 1
    with pytest.raises(SchedulingError, match="the periodic task b was not enqueued"):
        looping.apply_async(looping.schedule["b"])
    assert looping.synced == 2  # the first time, and after two more
    looping.apply_entry(looping.schedule["b"])
    assert "the periodic task b was not enqueued" in caplog.text
    looping.apply_entry(looping.schedule["a"])
    assert len(harness.enqueued(report)) == 3


def test_scheduler_reserve_and_populate_heap(app, harness, report):
    time = Time()
    configure(app, a=entry(schedule(10, nowfun=time)), b=entry(schedule(5, nowfun=time)))
    looping = Looping(app)
    looping.populate_heap()
    assert [event.entry.name for event in looping._heap] == ["b", "a"]
    reserved = looping.reserve(looping.schedule["a"])
    assert looping.schedule["a"] is reserved
    assert reserved.total_run_count == 1


def test_scheduler_add_update_and_merge(app, harness, report):
    looping = Looping(app)
    added = looping.add(name="a", task="report", schedule=10)
    assert looping.schedule == {"a": added}
    looping.update_from_dict({"b": entry(20), "a": entry(30)})
    assert looping.schedule["a"].schedule == schedule(30)
    looping.schedule["b"].total_run_count = 9
    looping.merge_inplace({"b": entry(25), "c": entry(1)})
    assert set(looping.schedule) == {"b", "c"}
    assert (looping.schedule["b"].schedule, looping.schedule["b"].total_run_count) == (
        schedule(25),
        9,
    )
    looping.schedule = {}
    assert looping.get_schedule() == {}
    looping.set_schedule({"d": added})
    assert looping.schedule == {"d": added}


def test_scheduler_schedules_equal(app, harness):
    looping = Looping(app)
    a, b = (ScheduleEntry("a", "t", schedule=seconds, app=app) for seconds in (1, 2))
    assert looping.schedules_equal(None, None)
    assert not looping.schedules_equal({}, None)
    assert looping.schedules_equal({"a": a}, {"a": a})
    assert not looping.schedules_equal({"a": a}, {"a": b})
    assert not looping.schedules_equal({"a": a}, {"b": a})


def test_scheduler_sees_a_schedule_that_changes(app, harness, report):
    time = Time()
    looping = Looping(app)
    assert looping.tick() == 42
    looping.add(name="a", task="report", schedule=schedule(10, nowfun=time))
    assert looping.tick() == pytest.approx(9.99)


def test_scheduler_sync(app, harness):
    looping = Looping(app)
    assert looping.should_sync()
    looping._do_sync()
    assert not looping.should_sync()
    looping.sync_every = -1
    assert looping.should_sync()
    looping.close()
    assert looping.synced == 2


def test_scheduler_takes_another_entry_class_and_a_given_schedule(app, harness, report):
    class Mine(ScheduleEntry):
        pass

    class Own(Looping):
        Entry = Mine

        def install_default_entries(self, data):
            self.update_from_dict({"default": entry(5)})

    assert type(Own(app, lazy=True, schedule={"a": 1}).schedule["a"]) is int
    assert Own(app, lazy=True, schedule=lambda: {"a": 2}).schedule == {"a": 2}
    configure(app, a=entry(5))
    made = Own(app)
    assert {type(each) for each in made.schedule.values()} == {Mine}


# --- The store as scheduler -------------------------------------------------------------------------


def test_persistent_scheduler(app, harness, report, tmp_path):
    configure(app, stored=entry(30), looped=entry(Every(10, app=app)))
    app.now = lambda: dt.datetime.fromtimestamp(app.engine.now_ms() / 1000, UTC)
    kept = tmp_path / "beat.json"
    made = PersistentScheduler(app, schedule_filename=str(kept))
    assert set(rows(app)) == {f"beat/{app.name}/stored"}
    assert made.info.endswith(app.store)
    assert made.tick() == pytest.approx(9.99)
    harness.advance(30)
    assert made.tick() == 0
    assert harness.run_all() == 2  # the store's job and the loop's
    made.close()
    assert made.schedule["stored"].total_run_count == 1
    assert made.schedule["looped"].total_run_count == 1
    again = PersistentScheduler(app, schedule_filename=str(kept))
    assert again.schedule["looped"].total_run_count == 1
    assert again.schedule["looped"].last_run_at == made.schedule["looped"].last_run_at
    again.add(name="more", task="report", schedule=5)
    assert set(rows(app)) == {f"beat/{app.name}/{name}" for name in ("stored", "more")}


def test_persistent_scheduler_replaces_a_strange_file(app, harness, report, tmp_path, caplog):
    configure(app, looped=entry(Every(10, app=app)))
    kept = tmp_path / "beat.json"
    kept.write_text("no json")
    PersistentScheduler(app, schedule_filename=str(kept))
    assert "is not a file of this scheduler" in caplog.text
    assert set(json.loads(kept.read_text())) == {"looped"}


def test_lazy_arguments_need_beat(app, harness, report, caplog):
    calls = iter(["first", "second"])
    configure(app, a=entry(10, args=(BeatLazyFunc(lambda: next(calls)),)))
    begin_schedules(app)
    assert "only `millrace beat` (or -B) runs them" in caplog.text
    assert rows(app) == {}
    looping = Looping(app)
    for _ in range(2):
        looping.apply_async(looping.schedule["a"])
    harness.run_all()
    assert {json.loads(job.result) for job in harness.enqueued(report)} == {"first 1", "second 1"}


def test_a_subclass_of_crontab_with_its_own_is_due_needs_beat(app, harness, report):
    class Odd(crontab):
        def is_due(self, last_run_at):
            return False, 1.0

    class Even(crontab):
        pass

    configure(app, odd=entry(Odd()), even=entry(Even()))
    assert sync_schedules(app).needs_beat == ["odd"]


# --- The process ------------------------------------------------------------------------------------


def test_service_fires_the_stores_schedules(app, harness, report):
    configure(app, often=entry(30))
    started = threading.Event()
    told: list[Any] = []

    def note(sender: Any, **_: Any) -> None:
        told.append(sender)
        started.set()

    signals.beat_init.connect(note)
    events = app.events("reports", types=["ready", "added"])
    following = iter(events)  # from here on
    service = Service(app)
    thread = threading.Thread(target=service.start)
    thread.start()
    try:
        assert started.wait(20)
        harness.advance(31)
        assert next(following).queue == "reports"
    finally:
        service.stop(wait=True)
        thread.join()
        events.close()
        signals.beat_init.disconnect(note)
    assert told == [service]
    assert len(harness.enqueued(report)) == 1
    assert service.scheduler.schedule["often"].total_run_count == 1


def test_service_runs_a_scheduler_of_its_own(app, harness, report):
    ticks = threading.Semaphore(0)

    class Ticking(Looping):
        def tick(self):
            ticks.release()
            return 0.001

    service = Service(app, max_interval=3, scheduler_cls=Ticking)
    thread = threading.Thread(target=service.start)
    thread.start()
    for _ in range(3):
        assert ticks.acquire(timeout=20)
    service.stop(wait=True)
    thread.join()
    assert service.scheduler.max_interval == 3
    assert service.scheduler.synced >= 2
    assert service.get_scheduler(lazy=True).schedule == {}


def test_a_signal_may_stop_it_just_when_it_begins_to_wait():
    """`threading.Event` would wait for itself there: its own lock is held by the thread that the handler runs in."""

    class Signalled(queue.SimpleQueue[None]):
        def get(self, block: bool = True, timeout: float | None = None) -> None:
            signal.raise_signal(signal.SIGUSR2)
            super().get(block, timeout)
            woken.append(True)

    woken: list[bool] = []
    stop = Stop()
    stop._wake = Signalled()
    before = signal.signal(signal.SIGUSR2, lambda *_: stop.set())
    try:
        assert stop.wait(PATIENCE_S)
        assert stop.wait(PATIENCE_S)  # it stays set: nothing is waited for
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert woken == [True]  # by the signal, not by the time's end


def test_it_may_be_stopped_while_it_waits_and_waits_no_longer_than_it_was_told():
    stop = Stop()
    assert not stop.wait(0.001)
    assert not stop.is_set()
    waited: list[bool] = []
    thread = threading.Thread(target=lambda: waited.append(stop.wait(PATIENCE_S)))
    thread.start()
    stop.set()
    thread.join(PATIENCE_S / 2)
    assert waited == [True]  # it has ended, and before its own time
    assert stop.is_set()


def test_embedded(app, harness, report):
    configure(app, often=entry(30))
    assert beat.embedded(app) is None  # any worker does it
    told = []
    receiver = _note(told)
    signals.beat_embedded_init.connect(receiver)
    made = beat.embedded(app, scheduler=Looping)
    assert made is not None
    made.start()
    made.stop()
    made.join()
    assert told == [made.service]
    configure(app, looped=entry(Every(10, app=app)))
    assert isinstance(beat.embedded(app), beat.EmbeddedService)


def _note(told: list[Any]) -> Any:
    def receiver(sender: Any, **_: Any) -> None:
        told.append(sender)

    return receiver


@pytest.mark.parametrize(
    "name",
    [
        "millrace.beat:PersistentScheduler",
        "celery.beat.PersistentScheduler",
        "celery.beat:Scheduler",
        Looping,
        None,
    ],
)
def test_beat_scheduler(app, harness, name):
    service = Service(app, scheduler_cls=name)
    assert isinstance(service.scheduler, Scheduler)
    wanted = name if isinstance(name, type) else None
    if wanted is not None:
        assert type(service.scheduler) is wanted


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere:Scheduler", "there is no scheduler 'nowhere:Scheduler'"),
        ("millrace.beat:Nothing", "there is no scheduler"),
        ("json:dumps", "is not a scheduler class"),
        ("Scheduler", "there is no scheduler"),
    ],
)
def test_a_scheduler_that_is_none(app, harness, name, message):
    with pytest.raises(Exception, match=message):
        _ = Service(app, scheduler_cls=name).scheduler


def test_a_worker_leaves_another_scheduler_its_entries(app, harness, report):
    configure(app, often=entry(30))
    app.conf.beat_scheduler = "celery.beat:Scheduler"
    begin_schedules(app)
    assert rows(app) == {}
