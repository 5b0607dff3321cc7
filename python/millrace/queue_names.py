"""Which queues are Millrace's own. Node has the same rule in `node/src/queue-names.ts`."""

from __future__ import annotations

from typing import Final

INTERNAL_PREFIX: Final = "millrace."
"""Queues of this prefix are Millrace's own: listings for people leave them out."""
REVOKED_QUEUE: Final = "millrace.revoked"
"""Its jobs are ids that were revoked before any job had them; the core knows it (core/src/flows/enqueue.h)."""
CONTROL_PREFIX: Final = "millrace.control."
"""Queues of this prefix carry commands to workers."""


def is_internal(queue: str) -> bool:
    """Whether a queue is Millrace's own, so that listings leave it out."""
    return queue.startswith(INTERNAL_PREFIX)
