"""Calling handlers with Celery's events."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from millrace.errors import Closed, InvalidArgument
from millrace.events.translate import Translator
from millrace.queue_names import CONTROL_PREFIX, is_internal

if TYPE_CHECKING:
    from millrace import _core
    from millrace.app import Millrace

Handler = Callable[[dict[str, Any]], Any]

_LOOK_S: Final = 15.0
_FREQ_S: Final = 60


class EventReceiver:
    """Follows all queues and calls handlers with Celery's events, until it is stopped.

    Workers need no option for that: the store's log has the events anyway. That a worker has come or gone is told by
    the listing of workers, which is looked at while somebody follows.

    Args:
        channel: Without meaning here; Celery's callers pass a connection.
        handlers: Functions by the type of event; "*" gets those that have no other.
        app: The application.
        after: "$" (what comes from now on), "" (from the oldest kept) or the id of an event.
        **_ignored: What only concerns a broker.
    """

    def __init__(
        self,
        channel: object = None,
        handlers: Mapping[str, Handler] | None = None,
        *_more: Any,
        app: Millrace | None = None,
        after: str = "$",
        **_ignored: Any,
    ) -> None:
        if app is None:
            raise InvalidArgument("app: make it with app.events.Receiver()")
        self.app = app
        self.channel = channel
        self.handlers: dict[str, Handler] = dict(handlers or {})
        self.should_stop = False
        self._after = after
        self._translator = Translator(app.engine)
        self._subscription: _core.Subscription | None = None
        self._workers: dict[str, dict[str, Any]] = {}
        self._clock = itertools.count(1)

    def start(self) -> EventReceiver:
        """Begins to follow now rather than with `capture`."""
        if self._subscription is None:
            self._subscription = self.app.engine.subscribe("", after=self._after)
        return self

    def stop(self) -> None:
        """Has `capture` return. Thread-safe."""
        self.should_stop = True
        if self._subscription is not None:
            self._subscription.close()

    close = stop

    def capture(
        self, limit: int | None = None, timeout: float | None = None, wakeup: bool = True
    ) -> None:
        """Calls handlers until it is stopped.

        Args:
            limit: Return after so many events.
            timeout: Raise TimeoutError if nothing happens for so many seconds.
            wakeup: Begin with a worker-online event for each worker there is.
        """
        for _ in self.itercapture(limit, timeout, wakeup):
            pass

    def itercapture(
        self, limit: int | None = None, timeout: float | None = None, wakeup: bool = True
    ) -> Iterator[dict[str, Any]]:
        """The same, and yields each event after its handler."""
        for count, event in enumerate(self._events(timeout, wakeup=wakeup), 1):
            self.process(event["type"], event)
            yield event
            if (limit is not None and count >= limit) or self.should_stop:
                return

    def wakeup_workers(self, channel: object = None) -> None:  # noqa: ARG002 - Celery's argument
        """Has the next look at the workers tell of all that live."""
        self._workers.clear()

    def process(self, type: str, event: dict[str, Any]) -> None:  # noqa: A002 - Celery's name
        """Calls the handler of an event."""
        handler = self.handlers.get(type) or self.handlers.get("*")
        if handler is not None:
            handler(event)

    def event_from_message(self, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """The type of an event, and the event."""
        return body["type"], body

    # --- Where they come from ---------------------------------------------------------------------

    def _events(self, timeout: float | None, *, wakeup: bool) -> Iterator[dict[str, Any]]:
        self.start()
        subscription = self._subscription
        if subscription is None or self.should_stop:
            return
        first = self._look_at_workers()
        if wakeup:
            yield from first
        looked = heard = time.monotonic()
        while not self.should_stop:
            now = time.monotonic()
            wait_s = looked + _LOOK_S - now
            if timeout is not None:
                wait_s = min(wait_s, heard + timeout - now)
            try:
                events, _ = subscription.next(max(0, round(wait_s * 1000)))
            except Closed:
                return
            now = time.monotonic()
            if events:
                heard = now
            elif timeout is not None and now - heard >= timeout:
                raise TimeoutError(f"no event for {timeout} s")
            for event in events:
                if event.type == "custom" or not is_internal(event.queue):
                    yield from self._translator.translate(event)
            if now - looked >= _LOOK_S:
                looked = now
                yield from self._look_at_workers()

    def _look_at_workers(self) -> list[dict[str, Any]]:
        """What has changed among the workers since the last look, and a heartbeat of each."""
        living: dict[str, dict[str, Any]] = {}
        for each in self.app.engine.list_workers():
            if each.alive:
                fields = living.setdefault(each.name, _worker_fields(each))
                if not all(map(is_internal, each.queues)):
                    fields["active"] = max(fields["active"], each.active)
        events = []
        for name, fields in living.items():
            kind = "worker-heartbeat" if name in self._workers else "worker-online"
            events.append(self._worker_event(kind, fields))
        gone = [fields for name, fields in self._workers.items() if name not in living]
        events += [self._worker_event("worker-offline", fields) for fields in gone]
        self._workers = living
        return events

    def _worker_event(self, kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "type": kind,
            "timestamp": time.time(),
            "clock": next(self._clock),
            "utcoffset": 0,
            **fields,
        }


def _worker_fields(worker: _core.WorkerInfo) -> dict[str, Any]:
    return {
        "hostname": worker.name,
        "pid": worker.pid,
        "freq": _FREQ_S,
        "sw_ident": f"millrace-{worker.language}",
        "sw_ver": "",
        "sw_sys": "Linux",
        "active": 0,
        "processed": None,
        "loadavg": None,
        "controlled": any(queue.startswith(CONTROL_PREFIX) for queue in worker.queues),
    }
