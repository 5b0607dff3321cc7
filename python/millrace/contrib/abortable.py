"""Tasks that look now and then whether they shall stop.

    from millrace.contrib.abortable import AbortableTask

    @app.task(bind=True, base=AbortableTask)
    def count(self, n):
        for i in range(n):
            if self.is_aborted():
                return i
        return n

    result = count.delay(10_000)
    result.abort()

The wish is kept with the job, so that a worker of another machine sees it, too. A task that returns after it has ended
well: the state is SUCCESS. To end a job without its consent, use `result.revoke(terminate=True)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, overload

from millrace.errors import NotFound
from millrace.result import AsyncResult
from millrace.serializer import dumps
from millrace.task import Task

if TYPE_CHECKING:
    from millrace.effects import JobTransaction
    from millrace.transaction import Transaction

__all__ = ["ABORTED", "AbortableAsyncResult", "AbortableTask"]

ABORTED: Final = "ABORTED"
"""The state of a job that was asked to stop and has not ended yet."""

P = ParamSpec("P")
R = TypeVar("R")


class AbortableAsyncResult(AsyncResult[R]):
    """A result that can be asked to stop."""

    __slots__ = ()

    def is_aborted(self) -> bool:
        """Whether it was asked to stop and has not ended."""
        return self.state == ABORTED

    def abort(self) -> None:
        """Asks it to stop. Nothing happens if it has ended. Raises NotFound if the store does not know it."""
        if not self.ready():
            engine = self.app.engine
            engine.get_outcome(self.id, self.queue or "")  # raises NotFound
            engine.set_progress(self.id, dumps({"$state": ABORTED, "meta": None}), self.queue or "")


class AbortableTask(Task[P, R]):
    """A task whose results are `AbortableAsyncResult`."""

    abstract = True

    def _abortable(self, result: AsyncResult[R]) -> AbortableAsyncResult[R]:
        return AbortableAsyncResult(
            result.id, parent=result.parent, app=self.app, queue=result.queue or ""
        )

    @overload
    def delay(self, *args: P.args, **kwargs: P.kwargs) -> AbortableAsyncResult[R]: ...
    @overload
    def delay(
        self, *args: Any, tx: Transaction | JobTransaction, **kwargs: Any
    ) -> AbortableAsyncResult[R]: ...
    def delay(self, *args: Any, **kwargs: Any) -> AbortableAsyncResult[R]:
        """Enqueues one job with these arguments."""
        return self._abortable(super().delay(*args, **kwargs))

    def apply_async(self, *args: Any, **kwargs: Any) -> AbortableAsyncResult[R]:
        """Enqueues one job, with options for this job alone; see `Task.apply_async`."""
        return self._abortable(super().apply_async(*args, **kwargs))

    def AsyncResult(self, task_id: str, **kwargs: Any) -> AbortableAsyncResult[R]:  # noqa: N802 - Celery's name
        """The result of a job of this task by its id."""
        return self._abortable(super().AsyncResult(task_id, **kwargs))

    def is_aborted(self, task_id: str | None = None, **_kwargs: Any) -> bool:
        """Whether the job that the current code runs for, or the job of this id, was asked to stop. Reads the store."""
        request = self.request
        job_id = task_id or request.id
        if job_id is None:
            return False  # called directly
        queue = (request.queue or "") if task_id is None else ""
        try:
            outcome = self.app.engine.get_outcome(job_id, queue)
        except NotFound:
            return False
        return outcome.progress is not None and f'"$state":"{ABORTED}"' in outcome.progress.replace(
            " ", ""
        )
