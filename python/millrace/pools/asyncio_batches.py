"""Batches of the asyncio pool: jobs of one task gather until there are enough, or until the first has waited enough."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from millrace.request import Request, current_request
from millrace.worker.batches import Batch, Slots, batch_requests, fail_all, settle_all, tell_early

if TYPE_CHECKING:
    from millrace import _core
    from millrace.task import Task
    from millrace.worker.runner import Runner


class AsyncioBatches:
    """The batches of one loop. Used only from that loop.

    Args:
        runner: Of the pool.
        slots: Jobs at once that run alone.
        coroutines: Of the pool: what runs, by token; None for a job that waits for its batch.
        wanted: Of the pool: with what to interrupt a job, by token.
        on_end: Called after a batch has ended.
    """

    def __init__(
        self,
        runner: Runner,
        slots: int,
        coroutines: dict[int, asyncio.Task[None] | None],
        wanted: dict[int, type[BaseException]],
        on_end: Callable[[], None],
    ) -> None:
        self._runner = runner
        self._slots = Slots(runner.session, slots)
        self._coroutines = coroutines
        self._wanted = wanted
        self._on_end = on_end
        self._open: dict[str, Batch] = {}
        self._loop = asyncio.get_running_loop()

    @property
    def slots(self) -> int:
        """How many jobs there may be at once, with those that gather."""
        return self._slots.total

    def resize(self, slots: int) -> None:
        """Changes how many jobs run alone."""
        self._slots.resize(slots)

    def add(self, job: _core.LeasedJob, task: Task[..., Any]) -> None:
        """Has a job run with others of its task."""
        batch = self._open.get(task.name)
        if batch is None:
            batch = self._open[task.name] = Batch(task)
            self._slots.add(task.batch - 1)
            self._loop.call_later(task.batch_wait_s, self._start, batch)
        batch.jobs.append(job)
        self._coroutines[job.token] = None
        if batch.full():
            self._start(batch)

    def flush(self) -> None:
        """Runs what has gathered: no more will come."""
        for batch in list(self._open.values()):
            self._start(batch)

    def _start(self, batch: Batch) -> None:
        if not batch.open:
            return
        batch.open = False
        del self._open[batch.task.name]
        self._slots.add(len(batch.jobs) - batch.task.batch)
        self._loop.create_task(self._run(batch))

    async def _run(self, batch: Batch) -> None:
        runner, task = self._runner, batch.task
        current = asyncio.current_task()
        begun = False

        def interrupt(token: int, error: type[BaseException]) -> None:
            self._wanted[token] = error
            if current is not None and begun:
                current.cancel()

        requests, rests = batch_requests(batch, runner, interrupt)
        current_request.set(Request(task))
        tokens = [job.token for job in batch.jobs]
        began = time.perf_counter()
        runner.totals[task.name] = runner.totals.get(task.name, 0) + len(requests)
        try:
            tell_early(runner, requests)
            for token in tokens:
                self._coroutines[token] = current
            begun = True
            if error := self._wanted_of(tokens):
                raise error()
            if task.is_async:
                answers = await task.invoke_batch(requests)
            else:
                answers = await asyncio.to_thread(task.invoke_batch, requests)
        except asyncio.CancelledError as error:
            wanted = self._wanted_of(tokens)
            rests += fail_all(runner, task, requests, wanted() if wanted is not None else error)
        except BaseException as error:  # noqa: BLE001 - whatever a task raises ends its jobs, not the worker
            rests += fail_all(runner, task, requests, error)
        else:
            rests += settle_all(runner, task, requests, answers, began)
        finally:
            for token in tokens:
                self._coroutines[token] = (
                    None  # how they ended is settled: nothing interrupts the rest
                )
            for rest in rests:
                if rest is not None:
                    await rest
            for token in tokens:
                self._wanted.pop(token, None)
                runner.running.pop(token, None)
                self._coroutines.pop(token, None)
            self._slots.add(1 - len(tokens))
            self._on_end()

    def _wanted_of(self, tokens: list[int]) -> type[BaseException] | None:
        return next((self._wanted[token] for token in tokens if token in self._wanted), None)
