"""Tasks of a Django project: the base class of all tasks where DJANGO_SETTINGS_MODULE is set."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction

from millrace.task import P, R, Task

__all__ = ["DjangoTask"]


class DjangoTask(Task[P, R]):
    """A task that can be enqueued when the current database transaction commits.

    If the process dies between that commit and the enqueue, the job is lost; `docs/howto/outbox.md` has the way that
    loses none.
    """

    def delay_on_commit(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """`delay` after the commit, never if there is none; at once outside a transaction."""
        transaction.on_commit(partial(self.delay, *args, **kwargs))

    def apply_async_on_commit(self, *args: Any, **kwargs: Any) -> None:
        """`apply_async` after the commit, never if there is none; at once outside a transaction."""
        transaction.on_commit(partial(self.apply_async, *args, **kwargs))
