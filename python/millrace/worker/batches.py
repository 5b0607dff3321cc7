"""Tasks that take their jobs in batches: gathering the jobs, one call for all of them, and an end for each.

In a pool of threads one batch of a task gathers at a time. The thread that took its first job leads it: it goes on
taking jobs until the batch is full or its time is over. What other threads take meanwhile of the same task joins it,
and whoever fills it runs it. A job of another task ends the gathering, so that it need not wait.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from millrace import serializer
from millrace.errors import Closed, TaskRevokedError
from millrace.request import Request, current_request
from millrace.worker.intake import take
from millrace.worker.outcomes import WorkerAbort

if TYPE_CHECKING:
    from millrace import _core
    from millrace.task import Task
    from millrace.worker.runner import Rest, Runner
    from millrace.worker.slot import Slot


class Batch:
    """Jobs of one task that will be run together.

    Attributes:
        task: The task.
        jobs: The jobs so far.
        deadline: When it is run, full or not; of the monotonic clock.
        open: Whether it still takes jobs.
    """

    __slots__ = ("deadline", "jobs", "open", "task")

    def __init__(self, task: Task[..., Any]) -> None:
        self.task = task
        self.jobs: list[_core.LeasedJob] = []
        self.deadline = time.monotonic() + task.batch_wait_s
        self.open = True

    def full(self) -> bool:
        """Whether no more jobs fit in."""
        return len(self.jobs) >= self.task.batch


class Slots:
    """How many jobs a session may have: one for each that runs alone, and for a batch as many as it may hold."""

    def __init__(self, session: _core.Session, base: int) -> None:
        self._session = session
        self._base = base
        self._extra = 0
        self._lock = threading.Lock()

    @property
    def total(self) -> int:
        """How many there are now."""
        return self._base + self._extra

    def resize(self, base: int) -> None:
        """Changes how many jobs run alone."""
        with self._lock:
            self._base = base
            self._session.set_slots(self._base + self._extra)

    def add(self, count: int) -> None:
        """Changes their number by so many."""
        if count == 0:
            return
        with self._lock:
            self._extra += count
            self._session.set_slots(self._base + self._extra)


class Batches:
    """The batches of one session. Thread-safe."""

    def __init__(self, runner: Runner, slots: int) -> None:
        self._runner = runner
        self._slots = Slots(runner.session, slots)
        self._open: dict[str, Batch] = {}
        self._lock = threading.Lock()

    def resize(self, slots: int) -> None:
        """Changes how many jobs run alone."""
        self._slots.resize(slots)

    def run(self, job: _core.LeasedJob, slot: Slot) -> int:
        """Runs a job with others of its task, or leaves it to the thread that gathers them; answers how many ended."""
        ended = 0
        following: _core.LeasedJob | None = job
        while following is not None:
            task = self._runner.tasks.get(following.name)
            if task is None or not task.batch:
                return ended + self._runner.run(following, slot)
            batch, leads = self._join(task, following)
            following = None
            if not batch.full():
                if not leads:
                    return ended
                following = self._gather(batch)
            if self._close(batch):
                ended += self._run(batch, slot)
        return ended

    def _join(self, task: Task[..., Any], job: _core.LeasedJob) -> tuple[Batch, bool]:
        """The batch that the job is part of now, and whether it is the first in it."""
        with self._lock:
            batch = self._open.get(task.name)
            first = batch is None or batch.full()
            if batch is None or first:
                batch = self._open[task.name] = Batch(task)
            batch.jobs.append(job)
        if first:
            self._slots.add(task.batch - 1)
        return batch, first

    def _gather(self, batch: Batch) -> _core.LeasedJob | None:
        """Takes jobs for a batch until it is full, closed or due; answers a job that is not part of it."""
        name = batch.task.name
        while batch.open and (left := batch.deadline - time.monotonic()) > 0:
            try:
                taken = self._runner.session.take(1, math.ceil(left * 1000), False)
            except Closed:
                return None
            for job in taken:
                if job.name != name:
                    return job
                with self._lock:
                    if not batch.open or batch.full():
                        return job
                    batch.jobs.append(job)
                    if batch.full():
                        return None
        return None

    def _close(self, batch: Batch) -> bool:
        """Lets no more jobs in; true for the one caller that is to run it."""
        with self._lock:
            if not batch.open:
                return False
            batch.open = False
            if self._open.get(batch.task.name) is batch:
                del self._open[batch.task.name]
        self._slots.add(len(batch.jobs) - batch.task.batch)
        return True

    def _run(self, batch: Batch, slot: Slot) -> int:
        from millrace.worker.runner import finish  # which imports this module

        runner, task = self._runner, batch.task
        token = batch.jobs[0].token
        requests, rests = batch_requests(
            batch, runner, lambda _, error: slot.interrupt(token, error)
        )
        context = current_request.set(Request(task))
        began = time.perf_counter()
        try:
            slot.enter(token, is_async=task.is_async)
            try:
                if runner.aborted:
                    raise WorkerAbort
                runner.totals[task.name] = runner.totals.get(task.name, 0) + len(requests)
                tell_early(runner, requests)
                answers = task.invoke_batch(requests)
                if task.is_async:
                    answers = slot.run_coroutine(answers)
            finally:
                slot.leave()
        except BaseException as error:  # noqa: BLE001 - whatever a task raises ends its jobs, not the worker
            rests += fail_all(runner, task, requests, error)
        else:
            rests += settle_all(runner, task, requests, answers, began)
        finally:
            for rest in rests:
                finish(rest, task, slot)
            current_request.reset(context)
            for job in batch.jobs:
                runner.running.pop(job.token, None)
            self._slots.add(1 - len(batch.jobs))
        return len(batch.jobs)


def batch_requests(
    batch: Batch, runner: Runner, interrupt: Any
) -> tuple[list[Request], list[Rest]]:
    """A request for each job, known to the runner. A job whose payload cannot be read has failed by itself."""

    def interrupt_all(token: int, error: type[BaseException]) -> None:
        if error is not TaskRevokedError:  # of one job: the others go on
            interrupt(token, error)

    requests: list[Request] = []
    rests: list[Rest] = []
    for job in batch.jobs:
        request = Request(batch.task, job, runner.session)
        request.interrupt = interrupt_all
        try:
            payload = serializer.loads(job.data)
            request.take_payload(
                take(request, batch.task, payload) if job.dependency_count else payload
            )
        except Exception as error:  # noqa: BLE001
            rests.append(runner.fail(error, batch.task, request, job.token))
            continue
        runner.running[job.token] = request
        requests.append(request)
    return requests, rests


def tell_early(runner: Runner, requests: list[Request]) -> None:
    """Tells the jobs of a batch what came for them while they gathered."""
    for request in requests:
        early = runner.early.pop(request.token, None) if runner.early else None
        if early is not None:
            runner.deliver(early)


def fail_all(
    runner: Runner, task: Task[..., Any], requests: list[Request], error: BaseException
) -> list[Rest]:
    """Ends all jobs of a batch with an error; answers what is left to do with each."""
    return [runner.fail(error, task, request, request.token) for request in requests]


def settle_all(
    runner: Runner, task: Task[..., Any], requests: list[Request], answers: Any, began: float
) -> list[Rest]:
    """Ends each job of a batch by its answer: a result, or an exception; answers what is left to do with each."""
    fits = isinstance(answers, Sequence) and not isinstance(answers, str | bytes)
    if not fits or len(answers) != len(requests):
        found = f"{len(answers)} entries" if fits else type(answers).__name__
        error = TypeError(
            f"{task.name}: a task with batch= must return a list with an entry for each of its {len(requests)} jobs, "
            f"not {found}"
        )
        return fail_all(runner, task, requests, error)
    return [
        runner.fail(answer, task, request, request.token)
        if isinstance(answer, BaseException)
        else runner.complete(request.token, task, answer, began)
        for request, answer in zip(requests, answers, strict=True)
    ]
