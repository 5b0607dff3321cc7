"""Being told of the ends of many jobs without asking again and again: one subscription for each queue concerned."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from millrace import _core, states
from millrace.errors import Closed, MillraceError, Timeout
from millrace.log import logger

if TYPE_CHECKING:
    from millrace.app import Millrace
    from millrace.result.base import AsyncResult

_ENDINGS = ("completed", "failed", "cancelled", "removed")


class Endings:
    """Which of some jobs have ended, in the order of their ends. Used by one thread; `close` it."""

    def __init__(self, app: Millrace, results: Iterable[AsyncResult[Any]]) -> None:
        self._app = app
        self._waiting: dict[str, AsyncResult[Any]] = {}
        self._notifier = _core.Notifier()
        self._subscriptions: dict[str, _core.Subscription] = {}
        self._ended: list[AsyncResult[Any]] = []
        for result in results:
            self.add(result)

    def add(self, result: AsyncResult[Any]) -> None:
        """Watches one more job."""
        queue = result.queue
        if queue and queue not in self._subscriptions:
            self._subscriptions[queue] = self._app.engine.subscribe(
                queue, after="$", types=_ENDINGS, notifier=self._notifier
            )
        # First the promise to be told, then the look: an end between the two is not missed.
        if result.ready() or not queue:
            self._ended.append(result)
        else:
            self._waiting[result.id] = result

    def next(self, timeout: float | None) -> list[AsyncResult[Any]]:
        """Those that have ended since the last call; waits for the first of them. Empty after the time-out."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            ended, self._ended = self._ended, []
            self._notifier.clear()
            for subscription in self._subscriptions.values():
                while events := subscription.next(0)[0]:
                    ended += self._among(events)
            if ended or not self._waiting:
                return ended
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self._notifier.fileno()], [], [], left)[0]:
                return []

    def _among(self, events: list[_core.Event]) -> Iterator[AsyncResult[Any]]:
        for event in events:
            result = self._waiting.pop(event.job_id, None)
            if result is not None:
                yield result

    def wake(self) -> None:
        """Makes a waiting `next` look again."""
        self._notifier.signal()

    def close(self) -> None:
        """Ends the subscriptions."""
        for subscription in self._subscriptions.values():
            subscription.close()


def iterate_ended(
    app: Millrace, results: list[AsyncResult[Any]], timeout: float | None
) -> Iterator[AsyncResult[Any]]:
    """The results in the order in which their jobs end. Raises Timeout."""
    deadline = None if timeout is None else time.monotonic() + timeout
    endings = Endings(app, results)
    left = len(results)
    try:
        while left:
            wait = None if deadline is None else max(0.0, deadline - time.monotonic())
            ended = endings.next(wait)
            if not ended:
                raise Timeout(f"{left} of {len(results)} jobs have not ended within {timeout} s")
            left -= len(ended)
            yield from ended
    finally:
        endings.close()


Callback = Callable[[Any], object]


def when_ended(result: AsyncResult[Any], callback: Callback, on_error: Callback | None) -> None:
    """Calls one of the two when the job has ended: now, or in a thread."""
    if result.ready():
        _tell(result, callback, on_error)
        return

    def wait() -> None:
        try:
            result._app.engine.wait_finished(result.id, result._queue, -1)
        except Closed:
            return
        except MillraceError as error:
            logger.warning("then(): job %s could not be waited for: %s", result.id, error)
            return
        _tell(result, callback, on_error)

    threading.Thread(target=wait, name="millrace-then", daemon=True).start()


def _tell(result: AsyncResult[Any], callback: Callback, on_error: Callback | None) -> None:
    chosen = callback if result.state == states.SUCCESS else on_error
    if chosen is None:
        return
    try:
        chosen(result)
    except Exception:  # noqa: BLE001 - nobody would see it in this thread
        logger.exception("then(): the callback of job %s failed", result.id)


def when_all_ended(results: Any, callback: Callback, on_error: Callback | None) -> None:
    """The same for a set of results."""

    def wait() -> None:
        try:
            for _ in results.iter_native():
                pass
        except Closed:
            return
        except MillraceError as error:
            logger.warning("then(): %r could not be waited for: %s", results, error)
            return
        chosen = callback if results.successful() else on_error
        if chosen is not None:
            chosen(results)

    if results.ready():
        wait()
    else:
        threading.Thread(target=wait, name="millrace-then", daemon=True).start()
