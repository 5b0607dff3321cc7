"""The backend for django.tasks: Django's contract of task backends, on the real engine."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

import django
import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

sys.path.insert(0, str(Path(__file__).parent / "django_project"))
if not settings.configured:
    settings.configure(
        TASKS={
            "default": {
                "BACKEND": "millrace.contrib.django.tasks.MillraceBackend",
                "QUEUES": ["default", "mail"],
            }
        },
        USE_TZ=True,
    )
    django.setup()

from millrace import Millrace
from millrace.contrib.django.tasks import MillraceBackend, TaskResultDoesNotExist
from millrace.testing import Harness
from polls import tasks as polls

try:
    from django.tasks import (
        TaskResultStatus,
        default_task_backend,
        exceptions,
        signals,
        task_backends,
    )
except ImportError:
    from django_tasks import (
        TaskResultStatus,
        default_task_backend,
        exceptions,
        signals,
        task_backends,
    )

INVALID = getattr(exceptions, "InvalidTask", None) or exceptions.InvalidTaskError


@pytest.fixture
def backend(app: Millrace):
    """The backend, on an application of this test."""
    made = task_backends["default"]
    assert isinstance(made, MillraceBackend)
    made.queues = {"default", "mail"}
    made._app, before = app, made._app
    yield made
    made._app = before


@pytest.fixture
def harness(app: Millrace, backend: MillraceBackend):
    with Harness(app) as running:
        backend.register_tasks()
        yield running


def test_enqueue_and_get_result(harness):
    result = polls.add.enqueue(2, y=3)
    assert result.status == TaskResultStatus.READY
    assert (result.args, result.kwargs, result.attempts) == ([2], {"y": 3}, 0)
    assert result.enqueued_at is not None
    assert result.started_at is result.finished_at is None
    assert not result.is_finished
    with pytest.raises(ValueError, match="not finished"):
        _ = result.return_value
    assert harness.run_all() == 1
    result.refresh()
    assert result.is_finished
    assert result.status == TaskResultStatus.SUCCESSFUL
    assert (result.return_value, result.attempts, result.errors) == (5, 1, [])
    assert result.enqueued_at <= result.started_at <= result.finished_at
    again = polls.add.get_result(result.id)
    assert again == result
    assert again.worker_ids == [harness.app.engine.get_job(result.id).worker]


async def test_aenqueue_and_aget_result(harness):
    result = await polls.add.aenqueue(20, 22)
    assert (await polls.add.aget_result(result.id)).args == [20, 22]
    assert (await default_task_backend.aget_result(result.id)).id == result.id


async def test_arefresh(harness):
    result = await polls.mail.aenqueue("ann")
    await result.arefresh()
    assert result.status == TaskResultStatus.READY


def test_a_failed_task(harness):
    result = polls.spoil.enqueue()
    harness.run_all()
    result.refresh()
    assert result.status == TaskResultStatus.FAILED
    assert result.is_finished
    with pytest.raises(ValueError, match="failed"):
        _ = result.return_value
    [error] = result.errors
    assert error.exception_class is polls.Spoiled
    assert 'raise Spoiled("milk")' in error.traceback


def test_a_result_that_is_not_json(harness):
    result = polls.unwritable.enqueue()
    harness.run_all()
    result.refresh()
    assert result.status == TaskResultStatus.FAILED
    assert result.errors[0].exception_class is TypeError


@pytest.mark.parametrize("value", [object(), {1, 2}, dt.date(2026, 1, 1)])
def test_arguments_that_are_not_json_are_refused(harness, value):
    with pytest.raises(TypeError, match="Unsupported type"):
        polls.add.enqueue(value)
    assert harness.enqueued() == []


def test_tuples_and_bytes_are_made_json(harness):
    result = polls.add.enqueue((1, 2), y=b"text")
    assert (result.args, result.kwargs) == ([[1, 2]], {"y": "text"})


def test_takes_context(harness):
    result = polls.look.enqueue("hello")
    harness.run_all()
    result.refresh()
    assert result.return_value == ["hello", 1, result.id, "RUNNING"]


def test_an_async_task(harness):
    result = polls.nap.enqueue(0)
    harness.run_all()
    result.refresh()
    assert result.return_value == "rested"


def test_priority_and_queue(harness, backend):
    low = polls.mail.using(priority=-100).enqueue("low")
    high = polls.mail.enqueue("high")
    info = harness.app.engine.get_job(high.id)
    assert (info.spec.queue, info.spec.priority, info.spec.name) == (
        "mail",
        -50,
        "polls.tasks.mail",
    )
    order = []

    def note(sender, task_result, **_):
        order.append(task_result.id)

    signals.task_started.connect(note)
    harness.run_all()
    signals.task_started.disconnect(note)
    assert order == [high.id, low.id]
    found = polls.mail.get_result(low.id)
    assert (found.task.priority, found.task.queue_name) == (-100, "mail")


def test_run_after(harness):
    later = dt.datetime.fromtimestamp(harness.app.engine.now_ms() / 1000, dt.timezone.utc)
    later += dt.timedelta(hours=1)
    result = polls.add.using(run_after=later).enqueue(1)
    assert harness.run_all() == 0
    assert abs(polls.add.get_result(result.id).task.run_after - later) < dt.timedelta(seconds=1)
    harness.advance(3600)
    assert harness.run_all() == 1


def test_run_after_must_be_aware(harness):
    with pytest.raises(INVALID, match="aware"):
        polls.add.using(run_after=dt.datetime(2026, 1, 1))


@pytest.mark.parametrize("priority", [-101, 101, 1.5])
def test_impossible_priorities(harness, priority):
    with pytest.raises(INVALID, match="whole number between -100 and 100"):
        polls.add.using(priority=priority)


def test_an_unknown_queue(harness):
    with pytest.raises(INVALID, match="Queue 'other' is not valid"):
        polls.add.using(queue_name="other")


def test_no_queues_means_any(harness, backend):
    backend.queues = set()
    assert polls.add.using(queue_name="any").enqueue(1).id


def test_a_function_of_no_module_is_refused(backend):
    for function in (lambda: None, int):
        with pytest.raises(INVALID, match="module level"):
            backend.task_class(func=function)


def test_context_needs_its_argument(backend):
    with pytest.raises(INVALID, match="does not have a first argument of 'context'"):
        backend.task_class(func=polls.plain, takes_context=True)


def test_what_it_supports(backend):
    assert backend.supports_defer
    assert backend.supports_async_task
    assert backend.supports_get_result
    assert backend.supports_priority
    assert backend.task_class(func=polls.coroutine).func is polls.coroutine


def test_an_unknown_result(harness):
    for result_id in ("none", "", "x" * 400):
        with pytest.raises(TaskResultDoesNotExist):
            default_task_backend.get_result(result_id)


def test_a_job_that_is_not_djangos(harness, app):
    job = app.send_task("resize", (1,))
    with pytest.raises(TaskResultDoesNotExist):
        default_task_backend.get_result(job.id)


def test_a_result_of_another_task(harness):
    result = polls.add.enqueue(1)
    with pytest.raises(exceptions.TaskResultMismatch):
        polls.mail.get_result(result.id)


def test_signals(harness):
    seen: list[tuple[str, str]] = []
    receivers = []
    for name in ("task_enqueued", "task_started", "task_finished"):

        def note(sender, task_result, name=name, **_):
            assert sender is MillraceBackend
            seen.append((name, task_result.status))

        getattr(signals, name).connect(note)
        receivers.append((name, note))
    polls.add.enqueue(1)
    harness.run_all()
    polls.spoil.enqueue()
    harness.run_all()
    for name, note in receivers:
        getattr(signals, name).disconnect(note)
    assert seen == [
        ("task_enqueued", "READY"),
        ("task_started", "RUNNING"),
        ("task_finished", "SUCCESSFUL"),
        ("task_enqueued", "READY"),
        ("task_started", "RUNNING"),
        ("task_finished", "FAILED"),
    ]


def test_a_result_can_be_written_by_another_name(harness, app):
    """A task enqueued by its name, as Node does, is the same task."""
    job = app.send_task("polls.tasks.add", (), {"x": 4, "y": 5})
    harness.run_all()
    found = default_task_backend.get_result(job.id)
    assert (found.return_value, found.kwargs) == (9, {"x": 4, "y": 5})


# --- Settings ---------------------------------------------------------------------------------------


def made(**options) -> MillraceBackend:
    return MillraceBackend("other", {"OPTIONS": options})


def test_the_store_option(tmp_path):
    backend = made(store=tmp_path / "jobs.db")
    assert backend.app.store == str(tmp_path / "jobs.db")
    assert list(backend.check()) == []


@pytest.mark.parametrize("options", [{"file": "a"}, {"app": "a:b", "store": "c"}])
def test_options_that_make_no_sense(options):
    with pytest.raises(ImproperlyConfigured, match="takes one of app and store"):
        made(**options)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere:app", "No module named 'nowhere'"),
        ("polls.tasks:plain", "is a function, not a Millrace application"),
    ],
)
def test_an_application_that_is_none(name, message):
    backend = made(app=name)
    with pytest.raises(ImproperlyConfigured, match=message):
        _ = backend.app
    [problem] = backend.check()
    assert message in problem.msg


def test_no_store_is_a_problem_of_the_settings(monkeypatch):
    monkeypatch.delenv("MILLRACE_STORE", raising=False)
    [problem] = made().check()
    assert problem.id == "millrace.E001"
    assert "no store" in problem.msg
