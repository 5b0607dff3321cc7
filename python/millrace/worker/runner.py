"""Runs leased jobs: decodes, calls, settles. Shared by all pools that run jobs in threads."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from millrace import _core, lifecycle, serializer, signals, states
from millrace.errors import (
    Closed,
    Ignore,
    InvalidArgument,
    LeaseLost,
    MillraceError,
    NotFound,
    NotRegistered,
    ReplaceJob,
    SoftTimeLimitExceeded,
    TaskRevokedError,
    TimeLimitExceeded,
    TooLarge,
    WaitForChildren,
    WrongState,
)
from millrace.exceptions import WorkerShutdown, WorkerTerminate
from millrace.log import logger
from millrace.request import Request, current_request
from millrace.result import SOFTLY
from millrace.signals import RUNNING
from millrace.worker.batches import Batches
from millrace.worker.intake import take
from millrace.worker.outcomes import WorkerAbort, outcome_of, report, revoked, unknown_task

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from millrace.app import Millrace
    from millrace.task import Task
    from millrace.worker.slot import Slot
    from millrace.worker.watchdog import Watchdog

    Rest = Coroutine[Any, Any, None] | None
    """What is left to do with a job: nothing, or what tells its hooks and then settles it; see `finish`."""

INFO = 20
EARLY_MAX = 100_000  # as many as a session can have slots


def finish(rest: Rest, task: Task[..., Any], slot: Slot) -> None:
    """Does what is left, in the thread that ran the job."""
    if rest is None:
        return
    if task.awaits:
        slot.run_coroutine(rest)
    else:
        lifecycle.run_plain(rest)


class Runner:
    """Runs jobs of one session. Thread-safe; each thread brings its own slot.

    Attributes:
        running: The requests of all jobs that run now, by token.
        early: Signals for jobs that were taken and do not run yet, by token.
        aborted: Whether jobs are to be given back instead of run.
        totals: How many jobs of each task were started.
        watchdog: Of the limits that this worker sets; None if it sets none.
        leave: Called when a job has ended that wants the worker to stop: at once?, with which exit status.
    """

    def __init__(
        self,
        app: Millrace,
        session: _core.Session,
        *,
        slots: int = 1,
        totals: dict[str, int] | None = None,
    ) -> None:
        self.session = session
        self.running: dict[int, Request] = {}
        self.early: dict[int, _core.Signal] = {}
        self.aborted = False
        self.app = app
        self.tasks = app.tasks
        self.totals: dict[str, int] = {} if totals is None else totals
        self.watchdog: Watchdog | None = None
        self.leave: Callable[[bool, int], None] | None = None
        self._batches = Batches(self, slots)
        self._verbose = logger.isEnabledFor(INFO)

    def resize(self, slots: int) -> None:
        """Changes how many jobs the session may have at once."""
        self._batches.resize(slots)

    def run(self, job: _core.LeasedJob, slot: Slot) -> int:
        """Runs one job to its end and settles it; answers how many have ended. Raises nothing of the task's.

        A job of a task that takes batches is run together with others, or left to the thread that gathers them.
        """
        token = job.token
        task = self.tasks.get(job.name) or self.builtin(job.name)
        if task is None:
            self.refuse(job)
            return 1
        if task.batch:
            return self._batches.run(job, slot)
        request = Request(task, job, self.session)
        request.interrupt = slot.interrupt
        context = current_request.set(request)
        began = time.perf_counter() if self._verbose else 0.0
        try:
            slot.enter(token, is_async=task.is_async)
            try:
                self._enter(job, token, request)
                payload = serializer.loads(job.data)
                if job.dependency_count:
                    payload = take(request, task, payload)
                request._payload = payload
                if (task.hooked or RUNNING) and (rest := self.begin(task, request)) is not None:
                    slot.run_coroutine(rest)
                value = task.invoke(payload)
                if task.is_async:
                    value = slot.run_coroutine(value)
            finally:
                slot.leave()
        except BaseException as error:  # noqa: BLE001 - whatever a task raises ends that job, not the worker
            finish(self.fail(error, task, request, token), task, slot)
        else:
            finish(self.complete(token, task, value, began), task, slot)
        finally:
            current_request.reset(context)
            self.running.pop(token, None)
            if self.watchdog is not None:
                self.watchdog.leave(token)
        return 1

    def _enter(self, job: _core.LeasedJob, token: int, request: Request) -> None:
        """Counts a job among those that run."""
        self.running[token] = request
        self.totals[job.name] = self.totals.get(job.name, 0) + 1
        if self.watchdog is not None:
            self.watchdog.enter(job)
        # After it can be found in `running`: what comes from now on finds it there.
        if self.aborted:
            raise WorkerAbort
        if self.early and (signal := self.early.pop(token, None)) is not None:
            self.deliver(signal)

    def begin(self, task: Task[..., Any], request: Request) -> Rest:
        """Tells the task and receivers of signals that a job begins; for those with hooks, and while any listens."""
        request.note_start()
        if signals.task_received.receivers:
            signals.task_received.send(sender=self, request=request)
        return lifecycle.started(task, request)

    def deliver(self, signal: _core.Signal) -> None:
        """Tells a job. One that was taken and does not run yet is told when it begins."""
        token = signal.token
        if token not in self.running:
            if len(self.early) >= EARLY_MAX:
                self.early.clear()  # of jobs that had ended: their number is otherwise that of the slots
            self.early[token] = signal
            if token not in self.running or self.early.pop(token, None) is None:
                return
        request = self.running.get(token)
        if request is None:
            return
        if signal.kind == "soft_limit":
            request.interrupt(token, SoftTimeLimitExceeded)
        elif signal.kind == "hard_limit":
            logger.error("Job %s ran longer than its time limit", signal.id)
            request.cancel_reason = "time limit exceeded"
            request.interrupt(token, TimeLimitExceeded)
        else:
            request.cancel_reason = (
                signal.reason if signal.kind == "cancel" else "lease lost"
            ) or "revoked"
            if signal.reason == SOFTLY:  # as Celery has it
                request.interrupt(token, SoftTimeLimitExceeded)
            elif request.owner is not None and request.owner.is_async:
                request.interrupt(token, TaskRevokedError)

    def abort(self) -> int:
        """Interrupts what runs, and has what was taken given back; answers how many run."""
        self.aborted = True
        requests = list(self.running.items())
        for token, request in requests:
            request.interrupt(token, WorkerAbort)
        return len(requests)

    def complete(self, token: int, task: Task[..., Any], value: Any, began: float) -> Rest:
        """Settles a job that has succeeded; for a task with hooks, and while any listens, what is answered does so."""
        request = self.running.get(token)
        effects = request.effects if request is not None else None
        if request is not None and effects is not None and effects.is_open:
            error = WrongState(f"{task.name} has left a transaction open: use it with `with`")
            return self.fail(error, task, request, token)
        if request is not None and (task.hooked or RUNNING):
            return self._told(token, task, value, began, request)
        try:
            self._complete(token, task, value, began, request)
        except (TypeError, ValueError) as error:
            lifecycle.run_plain(self._unfit(token, task, error, None))
        return None

    async def _told(
        self, token: int, task: Task[..., Any], value: Any, began: float, request: Request
    ) -> None:
        """Settles a job that has succeeded, after telling so."""
        try:
            # Hooks of a success must not be told of what is none.
            serializer.dumps(None if task.ignores(request) else value)
            await lifecycle.succeeded(task, request, value, request.runtime())
            self._complete(token, task, value, began, request)
        except (TypeError, ValueError) as error:
            await self._unfit(token, task, error, request)

    def _complete(
        self, token: int, task: Task[..., Any], value: Any, began: float, request: Request | None
    ) -> None:
        effects = request.effects if request is not None else None
        try:
            if request is not None and task.ignores(request):
                value = None
            if effects is None:
                self.session.complete(token, value)
            else:
                effects.complete(self.session, token, value)
        except MillraceError as error:
            self.not_settled(token, error)
        if self._verbose:
            job_id = request.id if request is not None else ""
            took = time.perf_counter() - began
            logger.info("Task %s[%s] succeeded in %.6f s", task.name, job_id, took)

    async def _unfit(
        self, token: int, task: Task[..., Any], error: Exception, request: Request | None
    ) -> None:
        """Its result is not JSON, or too large: the work is done, but nobody can be told what came out."""
        error.args = (f"result of {task.name}: {error}",)
        running = self.running.get(token)
        logger.error("Task %s[%s]: %s", task.name, running.id if running else "", error)
        if request is not None:
            await lifecycle.failed(task, request, states.FAILURE, error)
        self.settle(_core.Outcome(token, "failed", serializer.encode_error(error), retryable=False))

    def fail(
        self, error: BaseException, task: Task[..., Any], request: Request, token: int
    ) -> Rest:
        """Settles a job whose task raised; for a task with hooks, and while any listens, what is answered does so."""
        if isinstance(error, WaitForChildren | ReplaceJob) and request.effects is not None:
            error = WrongState(
                f"{task.name}: what self.transaction() collects goes with the job's completion; a job that waits for "
                "children or is replaced has none"
            )
        if request.cancelled and (type(error).__name__ == "CancelledError" or not error.args):
            outcome = revoked(token, request.cancel_reason or "")
            state: str | None = states.REVOKED
        else:
            outcome = outcome_of(error, task, request, token)
            state = lifecycle.state_of(error, task, request)
        if isinstance(error, Ignore):
            request.note_ignored()
        report(error, task, request, state)
        if state is not None and (task.hooked or RUNNING):
            return self._told_failure(outcome, state, error, task, request)
        self._end(outcome, error)
        return None

    async def _told_failure(
        self,
        outcome: _core.Outcome,
        state: str,
        error: BaseException,
        task: Task[..., Any],
        request: Request,
    ) -> None:
        await lifecycle.failed(task, request, state, error)
        self._end(outcome, error)

    def _end(self, outcome: _core.Outcome, error: BaseException) -> None:
        self.settle(outcome)
        if isinstance(error, WorkerShutdown | WorkerTerminate) and self.leave is not None:
            logger.warning("A task has asked the worker to stop: %s", type(error).__name__)
            status = 0 if error.code is None else error.code
            self.leave(isinstance(error, WorkerTerminate), status if isinstance(status, int) else 1)

    def builtin(self, name: str) -> Task[..., Any] | None:
        """A task that every worker has; None if there is none of this name."""
        if not name.startswith("millrace."):
            return None
        from millrace.canvas.builtin import find_task

        return find_task(self.app, name)

    def refuse(self, job: _core.LeasedJob) -> None:
        """Fails a job whose task is not known here."""
        logger.error("Task %s[%s] is not registered in this worker", job.name, job.id)
        if signals.task_unknown.receivers:
            error = NotRegistered(job.name)
            signals.task_unknown.send(sender=self, message=job, exc=error, name=job.name, id=job.id)
        self.settle(unknown_task(job.token, job.name, len(self.tasks)))

    def settle(self, outcome: _core.Outcome) -> None:
        """Hands an outcome to the store."""
        try:
            self.session.settle(outcome)
        except (InvalidArgument, TooLarge) as error:
            # It asked for something that cannot be: jobs that are refused, an error that is too large.
            logger.error("The end of a job was refused: %s", error)
            self.settle(
                _core.Outcome(
                    outcome.token, "failed", serializer.encode_error(error), retryable=False
                )
            )
        except MillraceError as error:
            self.not_settled(outcome.token, error)

    def not_settled(self, token: int, error: MillraceError) -> None:
        """Says that a job had been taken away, or that its end could not be written."""
        if isinstance(error, LeaseLost | NotFound | Closed):
            logger.warning("A job ended after its lease was lost (token %d): %s", token, error)
        else:
            logger.error("The end of a job (token %d) could not be written: %s", token, error)
