"""The words for where a task stands, as Celery's users know them.

The store's own states are finer: `scheduled`, `ready` and `blocked` all are `PENDING` (or `RETRY` after a failed
attempt). A name that is not in this list was set by `update_state`.
"""

from __future__ import annotations

from typing import Final

PENDING: Final = "PENDING"
STARTED: Final = "STARTED"
RETRY: Final = "RETRY"
SUCCESS: Final = "SUCCESS"
FAILURE: Final = "FAILURE"
REVOKED: Final = "REVOKED"

READY_STATES: Final = frozenset({SUCCESS, FAILURE, REVOKED})
UNREADY_STATES: Final = frozenset({PENDING, STARTED, RETRY})
EXCEPTION_STATES: Final = frozenset({RETRY, FAILURE, REVOKED})
PROPAGATE_STATES: Final = frozenset({FAILURE, REVOKED})
ALL_STATES: Final = READY_STATES | UNREADY_STATES

FINISHED: Final = frozenset({"completed", "failed", "cancelled"})
"""The store's states in which a job stays until it is removed or redriven."""

_FIXED: Final = {"completed": SUCCESS, "failed": FAILURE, "cancelled": REVOKED, "active": STARTED}


def from_store(state: str, attempts_made: int) -> str:
    """The word for a state of the store."""
    return _FIXED.get(state) or (RETRY if attempts_made else PENDING)
