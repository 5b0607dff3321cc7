"""What `app.events` is: a call that follows events, and the classes of Celery's monitors."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from millrace.events.follow import Events

if TYPE_CHECKING:
    from collections.abc import Callable

    from millrace.app import Millrace
    from millrace.events.dispatcher import EventDispatcher
    from millrace.events.receiver import EventReceiver
    from millrace.events.state import State


class AppEvents:
    """`app.events`. Call it to follow the store's own events; `Receiver`, `State` and `Dispatcher` are Celery's."""

    def __init__(self, app: Millrace) -> None:
        self._app = app

    def __call__(
        self,
        queue: str | None = None,
        *,
        after: str = "$",
        types: Iterable[str] = (),
        job_id: str = "",
    ) -> Events:
        """Follows what happens to jobs, with `for` or `async for`. See `millrace.events.Events`."""
        return Events(
            self._app, queue or self._app.default_queue, after=after, types=types, job_id=job_id
        )

    @property
    def Receiver(self) -> Callable[..., EventReceiver]:  # noqa: N802 - Celery's name
        """Makes what calls handlers with Celery's events: `app.events.Receiver(handlers={"*": print}).capture()`."""
        from millrace.events.receiver import EventReceiver

        return partial(EventReceiver, app=self._app)

    @property
    def Dispatcher(self) -> Callable[..., EventDispatcher]:  # noqa: N802
        """Makes what writes custom events."""
        from millrace.events.dispatcher import EventDispatcher

        return partial(EventDispatcher, app=self._app)

    @property
    def State(self) -> Callable[..., State]:  # noqa: N802
        """Makes what remembers tasks and workers from their events."""
        from millrace.events.state import State

        return State

    def default_dispatcher(self, **given: Any) -> EventDispatcher:
        """A dispatcher for a `with` block."""
        return self.Dispatcher(**given)
