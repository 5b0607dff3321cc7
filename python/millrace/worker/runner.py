"""Runs leased jobs: decodes, calls, settles. Shared by all pools that run jobs in threads."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from millrace import _core, serializer
from millrace.errors import Closed, LeaseLost, MillraceError, NotFound
from millrace.log import logger
from millrace.request import Request, current_request
from millrace.worker.outcomes import WorkerAbort, outcome_of, revoked, unknown_task

if TYPE_CHECKING:
    from millrace.app import Millrace
    from millrace.task import Task
    from millrace.worker.slot import Slot

INFO = 20


class Runner:
    """Runs jobs of one session. Thread-safe; each thread brings its own slot.

    Attributes:
        running: The requests of all jobs that run now, by token.
    """

    def __init__(self, app: Millrace, session: _core.Session) -> None:
        self.session = session
        self.running: dict[int, Request] = {}
        self._tasks = app.tasks
        self._verbose = logger.isEnabledFor(INFO)

    def run(self, job: _core.LeasedJob, slot: Slot) -> None:
        """Runs one job to its end and settles it. Raises nothing of the task's."""
        token = job.token
        task = self._tasks.get(job.name)
        if task is None:
            self.refuse(job)
            return
        request = Request(task, job, self.session)
        request.interrupt = slot.interrupt
        self.running[token] = request
        context = current_request.set(request)
        began = time.perf_counter() if self._verbose else 0.0
        try:
            slot.enter(token)
            try:
                request.kwargs = payload = serializer.loads(job.data)
                value = task.invoke(payload)
                if task.is_async:
                    value = slot.run_coroutine(value)
            finally:
                slot.leave()
        except BaseException as error:  # noqa: BLE001 - whatever a task raises ends that job, not the worker
            self.fail(error, task, request, token)
        else:
            self.complete(token, task, value, began)
        finally:
            current_request.reset(context)
            self.running.pop(token, None)

    def complete(self, token: int, task: Task[..., Any], value: Any, began: float) -> None:
        """Settles a job that has succeeded."""
        try:
            self.session.complete(token, task.result_value(value))
        except (TypeError, ValueError) as error:
            # Not JSON, or too large: the work is done, but nobody can be told what came out.
            error.args = (f"result of {task.name}: {error}",)
            logger.error("Task %s: %s", task.name, error)
            self.settle(
                _core.Outcome(token, "failed", serializer.encode_error(error), retryable=False)
            )
        except MillraceError as error:
            self.not_settled(token, error)
        if self._verbose:
            logger.info("Task %s succeeded in %.6f s", task.name, time.perf_counter() - began)

    def fail(
        self, error: BaseException, task: Task[..., Any], request: Request, token: int
    ) -> None:
        """Settles a job whose task raised."""
        if request.cancelled and (type(error).__name__ == "CancelledError" or not error.args):
            outcome = revoked(token, request.cancel_reason or "")
        else:
            outcome = outcome_of(error, task, request, token)
        self.report(error, task, request)
        self.settle(outcome)

    def refuse(self, job: _core.LeasedJob) -> None:
        """Fails a job whose task is not known here."""
        logger.error("Task %s[%s] is not registered in this worker", job.name, job.id)
        self.settle(unknown_task(job.token, job.name, len(self._tasks)))

    def settle(self, outcome: _core.Outcome) -> None:
        """Hands an outcome to the store."""
        try:
            self.session.settle(outcome)
        except MillraceError as error:
            self.not_settled(outcome.token, error)

    def not_settled(self, token: int, error: MillraceError) -> None:
        """Says that a job had been taken away, or that its end could not be written."""
        if isinstance(error, LeaseLost | NotFound | Closed):
            logger.warning("A job ended after its lease was lost (token %d): %s", token, error)
        else:
            logger.error("The end of a job (token %d) could not be written: %s", token, error)

    def report(self, error: BaseException, task: Task[..., Any], request: Request) -> None:
        """Logs how a task ended that did not return."""
        from millrace.errors import TaskPredicate

        expected = (TaskPredicate, WorkerAbort)
        if isinstance(error, expected) or request.cancelled or task.is_retryable(error):
            logger.info(
                "Task %s[%s] ended with %s: %s", task.name, request.id, type(error).__name__, error
            )
        else:
            logger.error(
                "Task %s[%s] raised %s: %s",
                task.name,
                request.id,
                type(error).__name__,
                error,
                exc_info=error,
            )
