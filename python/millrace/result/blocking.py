"""Whether the current code may wait for jobs: a task that does can lock a worker up for ever."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from millrace.request import current_request

_allowed: ContextVar[bool | None] = ContextVar("millrace_join_allowed", default=None)


def refuse_inside_task() -> None:
    """Raises RuntimeError if the current code runs for a job, and nobody has allowed it to wait."""
    allowed = _allowed.get()
    if allowed is None:
        request = current_request.get()
        allowed = request is None or request.is_eager
    if not allowed:
        raise RuntimeError(
            "get() inside a task: all workers may end up waiting for jobs that no worker is free to run. "
            "Enqueue the follow-up from the other task, or pass disable_sync_subtasks=False if another queue runs it"
        )


assert_will_not_block = refuse_inside_task


@contextmanager
def allow_join_result() -> Iterator[None]:
    """Within the block a task may wait for jobs. The caller knows that others than this worker run them."""
    token = _allowed.set(True)
    try:
        yield
    finally:
        _allowed.reset(token)


@contextmanager
def denied_join_result() -> Iterator[None]:
    """Within the block waiting is refused, as it is in a task."""
    token = _allowed.set(False)
    try:
        yield
    finally:
        _allowed.reset(token)
