"""`app.amqp`: the queues and routes of the settings, where Celery's users look for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millrace.routing import Exchange, Queue, Queues, Router

if TYPE_CHECKING:
    from millrace.app.base import Millrace


class Amqp:
    """What is left of a broker's protocol: names of queues."""

    queue_cls = Queue

    def __init__(self, app: Millrace) -> None:
        self.app = app

    @property
    def router(self) -> Router:
        """Where the settings send jobs."""
        return self.app.router

    @property
    def queues(self) -> Queues:
        """The queues of the settings, by name."""
        return self.app.router.queues

    @property
    def routes(self) -> Any:
        """The setting `task_routes`."""
        return self.app.conf.task_routes

    @property
    def default_queue(self) -> Queue:
        """Where jobs go that nothing sends elsewhere."""
        return self.queues[self.app.default_queue]

    @property
    def default_exchange(self) -> Exchange:
        """The exchange of that queue."""
        return Exchange(self.app.conf.task_default_exchange or self.app.default_queue)
