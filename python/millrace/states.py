"""The words for where a task stands, as Celery's users know them.

The store's own states are finer: `scheduled`, `ready` and `blocked` all are `PENDING` (or `RETRY` after a failed
attempt). A name that is not in this list was set by `update_state`.
"""

from __future__ import annotations

from typing import Final

PENDING: Final = "PENDING"
RECEIVED: Final = "RECEIVED"
"""Of events only: a worker has the job."""
STARTED: Final = "STARTED"
RETRY: Final = "RETRY"
SUCCESS: Final = "SUCCESS"
FAILURE: Final = "FAILURE"
REVOKED: Final = "REVOKED"
REJECTED: Final = "REJECTED"
"""Of events only: the task raised `Reject`."""
IGNORED: Final = "IGNORED"
"""Of signals and hooks only: the task raised `Ignore`."""

READY_STATES: Final = frozenset({SUCCESS, FAILURE, REVOKED})
UNREADY_STATES: Final = frozenset({PENDING, RECEIVED, STARTED, REJECTED, RETRY})
EXCEPTION_STATES: Final = frozenset({RETRY, FAILURE, REVOKED})
PROPAGATE_STATES: Final = frozenset({FAILURE, REVOKED})
ALL_STATES: Final = frozenset({PENDING, RECEIVED, STARTED, SUCCESS, FAILURE, RETRY, REVOKED})

PRECEDENCE: Final = (
    SUCCESS,
    FAILURE,
    None,
    REVOKED,
    STARTED,
    RECEIVED,
    REJECTED,
    RETRY,
    PENDING,
)
"""From final to first; None stands for states of users."""
PRECEDENCE_LOOKUP: Final = {state: index for index, state in enumerate(PRECEDENCE)}
NONE_PRECEDENCE: Final = PRECEDENCE_LOOKUP[None]

FINISHED: Final = frozenset({"completed", "failed", "cancelled"})
"""The store's states in which a job stays until it is removed or redriven."""

_FIXED: Final = {"completed": SUCCESS, "failed": FAILURE, "cancelled": REVOKED, "active": STARTED}


def precedence(state: str) -> int:
    """The place of a state in PRECEDENCE: lower is more final."""
    return PRECEDENCE_LOOKUP.get(state, NONE_PRECEDENCE)


class state(str):  # noqa: N801 - Celery's name
    """A state that compares by how far it is: `state("PENDING") < state("SUCCESS")`."""

    __slots__ = ()

    def __gt__(self, other: str) -> bool:
        return precedence(self) < precedence(other)

    def __ge__(self, other: str) -> bool:
        return precedence(self) <= precedence(other)

    def __lt__(self, other: str) -> bool:
        return precedence(self) > precedence(other)

    def __le__(self, other: str) -> bool:
        return precedence(self) >= precedence(other)


def from_store(state: str, attempts_made: int) -> str:
    """The word for a state of the store."""
    return _FIXED.get(state) or (RETRY if attempts_made else PENDING)
