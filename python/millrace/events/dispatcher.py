"""Writing events of an application's own."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from millrace import options, serializer
from millrace.errors import InvalidArgument

if TYPE_CHECKING:
    from types import TracebackType

    from millrace.app import Millrace

EVENTS_QUEUE: Final = "millrace.events"
"""Events that belong to no queue are in this one's log; it has no jobs."""


def Event(type: str, _fields: Mapping[str, Any] | None = None, **fields: Any) -> dict[str, Any]:  # noqa: A002, N802 - Celery's names
    """An event as a dictionary, with its type and time."""
    made = {**(_fields or {}), **fields, "type": type}
    made.setdefault("timestamp", time.time())
    return made


class EventDispatcher:
    """Writes events that every `Receiver` gets. Thread-safe.

    Args:
        connection: Without meaning here.
        hostname: Said in each event; default this worker's or host's name.
        enabled: Whether `send` writes anything.
        app: The application.
        groups: Only events whose type begins with one of these and a hyphen; none means all.
        queue: Whose log they are added to.
        **_ignored: What only concerns a broker.
    """

    def __init__(
        self,
        connection: object = None,
        hostname: str | None = None,
        enabled: bool = True,
        *,
        app: Millrace | None = None,
        groups: Iterable[str] | None = None,
        queue: str = EVENTS_QUEUE,
        **_ignored: Any,
    ) -> None:
        if app is None:
            raise InvalidArgument("app: make it with app.events.Dispatcher()")
        from millrace.worker.node import host_name

        self.app = app
        self.connection = connection
        self.hostname = hostname or host_name()
        self.enabled = enabled
        self.groups = set(groups or ())
        self.queue = options.check_text("queue", queue)

    def send(self, type: str, **fields: Any) -> None:  # noqa: A002 - Celery's name
        """Writes an event, unless this dispatcher is not enabled."""
        if not self.enabled or (self.groups and type.partition("-")[0] not in self.groups):
            return
        self.publish(type, fields)

    def publish(self, type: str, fields: Mapping[str, Any], *_: Any, **__: Any) -> None:  # noqa: A002
        """Writes an event."""
        options.check_text("type", type)
        event = Event(type, fields, hostname=self.hostname, pid=os.getpid())
        self.app.engine.publish_event(
            self.queue,
            type,
            serializer.dumps(event),
            job_id=str(fields.get("uuid") or ""),
            durability="process",
        )

    def enable(self) -> None:
        """`send` writes from now on."""
        self.enabled = True

    def disable(self) -> None:
        """`send` writes nothing from now on."""
        self.enabled = False

    def flush(self, errors: bool = True, groups: bool = True) -> None:
        """Nothing waits: each event is written when it is sent."""

    def close(self) -> None:
        """Has nothing to close."""

    def __enter__(self) -> EventDispatcher:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
