"""The native module by itself: types, lifetimes, back-pressure of the GIL."""

import gc
import select
import threading

import pytest
from millrace import _core, errors
from worker_support import PATIENCE_S


@pytest.fixture
def engine(store):
    made = _core.Engine(str(store), durability="process")
    yield made
    made.close()


@pytest.fixture
def session(engine):
    made = engine.open_session(["q"])
    yield made
    made.close(0)


def spec(**options):
    return _core.JobSpec("q", "n", data="{}").replace(**options)


WRONG_ARGUMENTS = [
    lambda e, s: _core.Engine(5),
    lambda e, s: _core.Engine("x", durability=5),
    lambda e, s: _core.Engine("x", nonsense=5),
    lambda e, s: _core.Engine("x", clock=5),
    lambda e, s: _core.Engine("x", keep_completed=5),
    lambda e, s: _core.JobSpec(5, "n"),
    lambda e, s: _core.JobSpec("q"),
    lambda e, s: spec(nonsense=1),
    lambda e, s: spec(data=5),
    lambda e, s: spec(id=5),
    lambda e, s: spec(priority="x"),
    lambda e, s: spec(priority=1.5),
    lambda e, s: spec(lifo=1),
    lambda e, s: spec(retry=5),
    lambda e, s: spec(headers={}),
    lambda e, s: spec(delay_ms=True),
    lambda e, s: spec(keep_failed=(1,)),
    lambda e, s: spec(keep_failed=("x", 1)),
    lambda e, s: spec().replace(queue=None),
    lambda e, s: _core.RetryPolicy(max_attempts="x"),
    lambda e, s: _core.RetryPolicy(5),
    lambda e, s: _core.Outcome("x", "completed"),
    lambda e, s: _core.Outcome(1, "completed", 5),
    lambda e, s: _core.Outcome(1, "completed", policy=5),
    lambda e, s: _core.Completions(5),
    lambda e, s: _core.Completions(None),
    lambda e, s: _core.LeasedJob(),
    lambda e, s: e.enqueue(5),
    lambda e, s: e.enqueue([5]),
    lambda e, s: e.enqueue([spec(), None]),
    lambda e, s: e.enqueue(spec()),
    lambda e, s: e.enqueue([spec()], durability=5),
    lambda e, s: e.enqueue_value(5, {}),
    lambda e, s: e.enqueue_value(spec(), object()),
    lambda e, s: e.enqueue_values(spec(), 5),
    lambda e, s: e.enqueue_values(spec(), [{}, object()]),
    lambda e, s: e.enqueue_async([spec()], "tag", _core.Completions(_core.Notifier())),
    lambda e, s: e.enqueue_async([spec()], 1, None),
    lambda e, s: e.get_job(5),
    lambda e, s: e.get_outcome(None),
    lambda e, s: e.wait_finished("x", timeout_ms="1"),
    lambda e, s: e.list_jobs("q", 5),
    lambda e, s: e.counts(5),
    lambda e, s: e.get_logs(5),
    lambda e, s: e.cancel(5),
    lambda e, s: e.redrive(5),
    lambda e, s: e.promote(5),
    lambda e, s: e.remove(5),
    lambda e, s: e.set_progress("x", 5),
    lambda e, s: e.add_log("x", 5),
    lambda e, s: e.redrive_many(5),
    lambda e, s: e.drain(5),
    lambda e, s: e.obliterate(5),
    lambda e, s: e.pause(5),
    lambda e, s: e.resume(None),
    lambda e, s: e.set_retention("q", completed=5, failed=5),
    lambda e, s: e.read_events(5),
    lambda e, s: e.read_events("q", types="added"),
    lambda e, s: e.read_events("q", types=[5]),
    lambda e, s: e.subscribe("q", notifier=5),
    lambda e, s: e.open_session("q"),
    lambda e, s: e.open_session([5]),
    lambda e, s: e.open_session(["q"], slots="x"),
    lambda e, s: e.backup(5),
    lambda e, s: e.job_json(5),
    lambda e, s: e.dead_json(queue=5),
    lambda e, s: s.take("x"),
    lambda e, s: s.settle(5),
    lambda e, s: s.settle_many([5]),
    lambda e, s: s.settle_many(5),
    lambda e, s: s.complete("x", 1),
    lambda e, s: s.drain("x"),
    lambda e, s: s.progress(1, 5),
    lambda e, s: s.log(1, 5),
    lambda e, s: s.set_slots("x"),
    lambda e, s: s.close("x"),
    lambda e, s: _core.event_id_less(1, 2),
    lambda e, s: _core.raise_in_thread("x", None),
    lambda e, s: _core.ManualClock("x"),
]


@pytest.mark.parametrize("call", WRONG_ARGUMENTS)
def test_wrong_types_are_type_errors_and_write_nothing(engine, session, call):
    with pytest.raises((TypeError, RuntimeError)) as caught:
        call(engine, session)
    assert not isinstance(caught.value, SystemError)
    assert engine.counts("q").ready == 0


WRONG_VALUES = [
    lambda e, s: _core.Engine("x.db", durability="fsync"),
    lambda e, s: _core.Engine(""),
    lambda e, s: _core.RetryPolicy(backoff="linear"),
    lambda e, s: _core.Outcome(1, "nonsense"),
    lambda e, s: spec(content_type="pickle"),
    lambda e, s: spec(priority=2**40),
    lambda e, s: spec(delay_ms=2**80),
    lambda e, s: spec(id="\ud800"),
    lambda e, s: e.enqueue([spec(queue="")]),
    lambda e, s: e.enqueue([spec(queue="q" * 256)]),
    lambda e, s: e.enqueue([spec(name="")]),
    lambda e, s: e.enqueue([spec(name="a\nb")]),
    lambda e, s: e.enqueue([spec(id="i" * 256)]),
    lambda e, s: e.enqueue([spec(priority=3_000_000)]),
    lambda e, s: e.enqueue([spec(headers="[1]")]),
    lambda e, s: e.enqueue([spec(headers="nonsense")]),
    lambda e, s: e.enqueue([spec(delay_ms=-1)]),
    lambda e, s: e.enqueue([spec(delay_ms=1, due_at_ms=1)]),
    lambda e, s: e.enqueue([spec(retry=_core.RetryPolicy(max_attempts=0))]),
    lambda e, s: e.enqueue([spec(time_limit_ms=5, soft_time_limit_ms=5)]),
    lambda e, s: e.enqueue([spec(), spec(queue="")]),
    lambda e, s: e.enqueue([spec()], durability="fsync"),
    lambda e, s: e.list_jobs("q", "nonsense"),
    lambda e, s: e.list_jobs("q", "ready", limit=0),
    lambda e, s: e.open_session([]),
    lambda e, s: e.open_session(["q", "q"]),
    lambda e, s: e.open_session(["q"], slots=0),
    lambda e, s: e.read_events("q", types=["nonsense"]),
]


@pytest.mark.parametrize("call", WRONG_VALUES)
def test_wrong_values_are_invalid_arguments_and_write_nothing(engine, session, call):
    with pytest.raises(errors.InvalidArgument) as caught:
        call(engine, session)
    assert str(caught.value)
    assert engine.counts("q").ready == 0


def test_a_specs_options_can_be_read_back():
    policy = _core.RetryPolicy(
        max_attempts=3, backoff="exponential", delay_ms=5, max_ms=50, jitter=0.5
    )
    given = {
        "data": '{"a":1}',
        "id": "i",
        "delay_ms": 5,
        "expires_in_ms": 6,
        "priority": -7,
        "headers": "{}",
        "lifo": True,
        "max_crashes": 8,
        "time_limit_ms": 10,
        "soft_time_limit_ms": 9,
        "keep_logs": 11,
        "keep_completed": (12, 13),
        "keep_failed": None,
    }
    made = _core.JobSpec("q", "n", retry=policy, **given)
    assert {name: getattr(made, name) for name in given} == given
    assert (made.retry.max_attempts, made.retry.backoff, made.retry.jitter) == (
        3,
        "exponential",
        0.5,
    )
    other = made.replace(queue="q2", value={"b": [1]})
    assert (other.queue, other.data, made.queue, made.data) == ("q2", '{"b":[1]}', "q", '{"a":1}')


def test_the_acks_of_many(engine):
    acks = engine.enqueue([spec(id="a"), spec(id="b")])
    assert acks.ids() == ["a", "b"]
    assert acks[-1] == ("b", False, "ready", "process", "")
    assert list(acks) == [acks[0], acks[1]]
    with pytest.raises(IndexError):
        acks[2]


def test_all_or_none(engine):
    with pytest.raises(errors.InvalidArgument):
        engine.enqueue([spec(), spec(name="")])
    assert engine.counts("q").ready == 0


def test_a_leased_job(engine, session):
    engine.enqueue([spec(id="i", headers='{"a":"b"}', priority=3, time_limit_ms=60_000)])
    (job,) = session.take(5, 30_000)
    assert (job.id, job.name, job.queue, job.data, job.headers) == (
        "i",
        "n",
        "q",
        "{}",
        '{"a":"b"}',
    )
    assert (job.attempt, job.crashes, job.priority, job.time_limit_ms) == (1, 0, 3, 60_000)
    assert (job.content_type, job.progress, job.max_attempts) == ("json", "", 1)
    assert job.token > 0
    assert session.active == 1
    with pytest.raises(AttributeError):
        job.id = "x"
    session.progress(job.token, '{"half":true}')
    session.log(job.token, "line")
    session.complete(job.token, {"done": True})
    assert engine.wait_finished("i", timeout_ms=30_000).result == '{"done":true}'
    assert session.take(1, 0) == []
    assert [line.text for line in engine.get_logs("i")] == ["line"]


def test_settling_many(engine, session):
    session.set_slots(3)
    engine.enqueue([spec(id=str(i)) for i in range(3)])
    jobs = []
    while len(jobs) < 3:
        jobs += session.take(3, 30_000)
    outcomes = [
        _core.Outcome(jobs[0].token, "completed", "1"),
        _core.Outcome(
            jobs[1].token, "failed", '{"type":"E","message":"m","stack":""}', retryable=False
        ),
        _core.Outcome(jobs[2].token, "cancelled", '{"type":"C","message":"m","stack":""}'),
    ]
    session.settle_many(outcomes)
    assert [engine.wait_finished(j.id, timeout_ms=30_000).state for j in jobs] == [
        "completed",
        "failed",
        "cancelled",
    ]
    with pytest.raises(errors.MillraceError, match=r"outcomes\[0\]"):
        session.settle_many(outcomes)


def test_a_closed_engine_says_so(store):
    engine = _core.Engine(str(store), durability="process")
    session = engine.open_session(["q"])
    subscription = engine.subscribe("q")
    engine.close()
    engine.close()
    for call in (
        lambda: engine.counts("q"),
        lambda: engine.enqueue([spec()]),
        lambda: session.take(1, 0),
        lambda: subscription.next(0),
    ):
        with pytest.raises(errors.Closed):
            call()


def test_sessions_and_subscriptions_hold_their_engine(store):
    session = _core.Engine(str(store), durability="process").open_session(["q"])
    gc.collect()
    assert session.take(1, 0) == []
    session.close(0)


def test_a_waiting_call_lets_other_threads_run(engine, session):
    taken = []
    thread = threading.Thread(target=lambda: taken.extend(session.take(1, -1, False)))
    thread.start()
    engine.enqueue([spec(id="x")])
    thread.join(PATIENCE_S)
    assert [job.id for job in taken] == ["x"]


def test_the_notifier_of_a_session(engine):
    notifier = _core.Notifier()
    session = engine.open_session(["q"], notifier=notifier)
    engine.enqueue([spec(id="x")])
    jobs = []
    while not jobs:
        assert select.select([notifier.fileno()], [], [], PATIENCE_S)[0]
        notifier.clear()
        jobs = session.take(1, 0)
    session.complete(jobs[0].token, None)
    session.close(1000)


def test_notifiers_signal_and_clear():
    notifier = _core.Notifier()

    def readable() -> bool:
        return bool(select.select([notifier.fileno()], [], [], 0)[0])

    assert not readable()
    notifier.signal()
    notifier.signal()
    assert readable()
    notifier.clear()
    assert not readable()
    notifier.signal()
    assert readable()


def test_completions(engine):
    notifier = _core.Notifier()
    completions = _core.Completions(notifier)
    engine.enqueue_async([spec(id="a")], 7, completions)
    engine.enqueue_async([spec(name="")], 8, completions)
    answers: dict[int, object] = {}
    while len(answers) < 2:
        assert select.select([notifier.fileno()], [], [], PATIENCE_S)[0]
        notifier.clear()
        answers.update(completions.take())
    assert answers[7].ids() == ["a"]
    assert isinstance(answers[8], errors.InvalidArgument)


def test_a_manual_clock(store):
    clock = _core.ManualClock(1_000_000)
    engine = _core.Engine(str(store), durability="process", clock=clock)
    assert engine.now_ms() == clock.wall_ms() == 1_000_000
    engine.enqueue([spec(id="later", delay_ms=3_600_000)])
    session = engine.open_session(["q"])
    assert session.take(1, 0) == []
    clock.advance(3_600_000)
    (job,) = session.take(1, -1)
    assert job.id == "later"
    session.complete(job.token, None)
    session.close(0)
    engine.close()


def test_bulk_changes_and_listings(engine):
    engine.enqueue([spec(id=str(i), delay_ms=60_000) for i in range(4)])
    assert [job.spec.id for job in engine.list_jobs("q", "scheduled", limit=2)] == ["0", "1"]
    engine.promote("3")
    assert engine.promote_many("q", limit=1) == 1
    assert engine.remove_many("q", state="scheduled") == 2
    counts = engine.counts("q")
    assert (counts.queue, counts.ready, counts.scheduled) == ("q", 2, 0)
    assert [c.queue for c in engine.list_queues()] == ["q"]
    session = engine.open_session(["q"])
    (job,) = session.take(1, 30_000)
    session.settle(
        _core.Outcome(job.token, "failed", '{"type":"E","message":"m","stack":""}', retryable=False)
    )
    engine.wait_finished(job.id, timeout_ms=30_000)
    session.close(0)
    assert engine.redrive_many("q") == 1
    with pytest.raises(errors.WrongState):
        engine.redrive(job.id)
    assert engine.obliterate("q", force=True) >= 1
    with pytest.raises(errors.NotFound):
        engine.get_job(job.id)


def test_administration_answers_json(engine, tmp_path):
    import json

    engine.enqueue([spec(id="a")])
    assert json.loads(engine.inspect_json())["queues"][0]["queue"] == "q"
    assert json.loads(engine.job_json("a"))["id"] == "a"
    assert json.loads(engine.dead_json())["jobs"] == []
    assert json.loads(engine.doctor_json())["ok"] is True
    assert json.loads(engine.stats_json())["operations"] >= 1
    size, pages = engine.backup(str(tmp_path / "copy.db"))
    assert size == (tmp_path / "copy.db").stat().st_size
    assert pages > 0
