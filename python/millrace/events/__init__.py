"""Following the durable log of what happens to jobs: as the store tells it, and as Celery's monitors know it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millrace.events.follow import Events, event_data

if TYPE_CHECKING:
    from millrace.events.dispatcher import Event, EventDispatcher
    from millrace.events.entry import AppEvents
    from millrace.events.receiver import EventReceiver

__all__ = ["AppEvents", "Event", "EventDispatcher", "EventReceiver", "Events", "event_data"]

_LAZY = {
    "AppEvents": "entry",
    "Event": "dispatcher",
    "EventDispatcher": "dispatcher",
    "EventReceiver": "receiver",
}


def __getattr__(name: str) -> Any:
    """Loads what only monitors use when it is asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
