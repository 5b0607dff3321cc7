"""Names of workers, as Celery's users import them."""

from __future__ import annotations

from typing import Final

from millrace.routing import Exchange, Queue

__all__ = ["WORKER_DIRECT_EXCHANGE", "WORKER_DIRECT_QUEUE_FORMAT", "worker_direct"]

WORKER_DIRECT_EXCHANGE: Final = Exchange("C.dq2")
"""Routes with this exchange name a worker as their key."""
WORKER_DIRECT_QUEUE_FORMAT: Final = "{hostname}.dq2"


def worker_direct(hostname: str | Queue) -> Queue:
    """The queue that only the worker of this name serves, if the setting `worker_direct` is on there.

    Args:
        hostname: The worker's full name, such as "w1@example.com"; a queue is answered as it is.
    """
    if isinstance(hostname, Queue):
        return hostname
    name = WORKER_DIRECT_QUEUE_FORMAT.format(hostname=hostname)
    return Queue(name, WORKER_DIRECT_EXCHANGE, hostname)
