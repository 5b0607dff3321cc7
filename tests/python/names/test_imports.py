"""What Celery's users import, from where they look for it."""

from __future__ import annotations

import importlib
import re
import uuid as standard

import millrace
import pytest

# Celery's module and name -> ours, if they differ by more than the package's name.
ELSEWHERE = {
    "kombu.Queue": "millrace.Queue",
    "kombu.Exchange": "millrace.Exchange",
}


def found(name: str):
    ours = ELSEWHERE.get(name, name.replace("celery", "millrace", 1))
    module, _, attribute = ours.rpartition(".")
    try:
        return importlib.import_module(ours)
    except ModuleNotFoundError:
        return getattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize(
    ("name", "same_as"),
    [
        ("celery.Celery", "millrace.Millrace"),
        ("celery.Task", "millrace.app.task.Task"),
        ("celery.app.task.Task", "millrace.task.Task"),
        ("celery.app.task.Context", "millrace.request.Context"),
        ("celery.shared_task", "millrace.current.shared_task"),
        ("celery.utils.log.get_task_logger", "millrace.get_task_logger"),
        ("celery.uuid", "millrace.utils.uuid"),
        ("celery.contrib.abortable.AbortableTask", "millrace.contrib.abortable.AbortableTask"),
        ("celery.app.defaults.DEFAULTS", "millrace.app.defaults.DEFAULTS"),
        ("celery.app.defaults.find", "millrace.app.defaults.find"),
        ("celery.worker.control.control_command", "millrace.worker.control.control_command"),
        ("celery.worker.control.inspect_command", "millrace.worker.control.inspect_command"),
        ("kombu.Queue", "millrace.routing.Queue"),
        ("kombu.Exchange", "millrace.routing.Exchange"),
    ],
)
def test_it_is_where_celerys_users_look(name, same_as):
    module, _, attribute = same_as.rpartition(".")
    assert found(name) is getattr(importlib.import_module(module), attribute)


def test_current_app_and_current_task(app):
    app.set_current()
    assert millrace.current_app.name == app.name
    assert not millrace.current_task

    @app.task(name="who", bind=True)
    def who(self):
        return millrace.current_task.name, millrace.current_task.request.id

    name, _ = who.apply().get()
    assert name == "who"


def test_uuid():
    first, second = millrace.uuid(), millrace.uuid()
    assert first != second
    assert str(standard.UUID(first)) == first


def test_bugreport(app):
    app.set_current()
    text = millrace.bugreport()
    assert re.search(r"millrace:\d+\.\d+\.\d+ py:3\.", text)
    assert app.store in text


def test_names_of_all():
    for name in millrace.__all__:
        assert getattr(millrace, name) is not None, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = millrace.nothing  # type: ignore[attr-defined]


def test_queue_and_exchange():
    media = millrace.Exchange("media", type="direct")
    queue = millrace.Queue("videos", media, routing_key="media.video")
    assert (queue.name, queue.routing_key, queue.exchange) == ("videos", "media.video", media)
