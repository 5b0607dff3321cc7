"""Jobs as coroutines on one event loop: thousands at once. Plain functions run in the loop's threads."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Any

from millrace import serializer
from millrace.errors import Closed, WrongState
from millrace.log import logger
from millrace.loop import Watched
from millrace.pools.asyncio_batches import AsyncioBatches
from millrace.pools.base import WRITE_MS, BasePool, open_session
from millrace.request import Request, current_request
from millrace.signals import RUNNING
from millrace.worker.intake import take
from millrace.worker.job_info import describe_request
from millrace.worker.mailbox import COLD_STAGE, DONE, WORK
from millrace.worker.monitor import log_notices
from millrace.worker.outcomes import WorkerAbort
from millrace.worker.runner import INFO, Runner
from millrace.worker.watchdog import Watchdog

if TYPE_CHECKING:
    from millrace import _core
    from millrace.app import Millrace
    from millrace.task import Task
    from millrace.worker.mailbox import Mailbox
    from millrace.worker.options import WorkerOptions

_BATCH = 256
_THREADS_MAX = 1000  # they are made as they are needed


class _Station:
    """A session, the runner of its jobs, and its batches."""

    def __init__(self, session: _core.Session, runner: Runner, batches: AsyncioBatches) -> None:
        self.session = session
        self.runner = runner
        self.batches = batches
        self.closed = False


class AsyncioPool(BasePool):
    """One loop in the calling thread."""

    def __init__(self, app: Millrace, options: WorkerOptions, mailbox: Mailbox) -> None:
        super().__init__(app, options, mailbox)
        # By token; None until the coroutine has begun: cancelled before that, it would never run, and not settle.
        self._coroutines: dict[int, asyncio.Task[None] | None] = {}
        self._wanted: dict[int, type[BaseException]] = {}
        # Tokens of plain functions that run, also of jobs that have ended.
        self._threads: set[int] = set()
        self._counted: dict[str, int] = {}
        self._full = False
        self._refilling = False
        self._former: list[_Station] = []
        self._watchdog = Watchdog(self._find, options)

    def run(self) -> int:
        """Works until it is stopped; answers the exit status."""
        loop = asyncio.new_event_loop()
        try:
            # Not asyncio.run(): that waits for threads, also for those of jobs that were left behind.
            return loop.run_until_complete(self._main())
        finally:
            self._watchdog.close()
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    async def _main(self) -> int:
        loop = asyncio.get_running_loop()
        self._loop = loop
        # A thread for each plain function that may run at once: behind the few of the loop's own executor jobs
        # would wait with their leases and time limits running.
        loop.set_default_executor(ThreadPoolExecutor(_THREADS_MAX, "millrace-plain"))
        self._watched = Watched(loop, self._news)
        self._station = self._open()
        self._verbose = logger.isEnabledFor(INFO)
        self._done: asyncio.Future[int] = loop.create_future()
        loop.add_reader(self.mailbox.fileno(), self._mail)
        self._news()
        self.announce()
        try:
            status = await self._done
        finally:
            loop.remove_reader(self.mailbox.fileno())
            wait_ms = self.options.grace_ms if self.mailbox.stage < COLD_STAGE else WRITE_MS
            for station in self._stations():
                station.session.close(wait_ms)
            self._watched.close()
        if status == 0 and self._threads:
            logger.error("%d functions outlived their jobs and are left behind", len(self._threads))
            return 1
        return status

    def _open(self) -> _Station:
        session = open_session(
            self.app, self.options, self.concurrency, self._watched.notifier, queues=self.queues
        )
        runner = Runner(self.app, session, totals=self._counted)
        runner.watchdog = self._watchdog if self._watchdog.wanted else None
        runner.leave = self.leave
        batches = AsyncioBatches(
            runner, self.concurrency, self._coroutines, self._wanted, self._job_ended
        )
        return _Station(session, runner, batches)

    def _stations(self) -> list[_Station]:
        return [*self._former, self._station]

    def _find(self, token: int) -> Request | None:
        """For the watchdog's thread: a request that is interrupted in the loop."""
        for station in self._stations():
            request = station.runner.running.get(token)
            if request is not None:
                found = Request(request.owner, request._job)
                found.interrupt = self._interrupt_from_outside
                return found
        return None

    def _interrupt_from_outside(self, token: int, error: type[BaseException]) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._interrupt, token, error)

    # --- For control ------------------------------------------------------------------------------

    def active(self) -> list[dict[str, Any]]:
        """The jobs that run now."""
        running = [each for one in self._stations() for each in list(one.runner.running.values())]
        return [describe_request(request, self.options.name) for request in running]

    def totals(self) -> dict[str, int]:
        """How many jobs of each task were started since the worker began."""
        return dict(self._counted)

    def resize(self, by: int) -> int:
        """More or fewer coroutines at once."""
        self.concurrency = max(1, self.concurrency + by)
        self._station.batches.resize(self.concurrency)
        return self.concurrency

    def serve(self, queues: tuple[str, ...]) -> None:
        """Opens a session for these queues; the former one takes nothing more, and goes when its jobs have ended."""
        self.mailbox.submit(lambda: self._serve(tuple(queues)))

    def _serve(self, queues: tuple[str, ...]) -> None:
        if self.mailbox.stage > 0:
            raise WrongState("the worker is about to stop")
        before, self.queues = self.queues, queues
        try:
            new = self._open()
        except BaseException:
            self.queues = before
            raise
        former, self._station = self._station, new
        self._former.append(former)
        former.session.stop()
        Thread(target=self._retire, args=(former,), daemon=True).start()
        self._news()

    def _retire(self, station: _Station) -> None:
        station.session.close(-1)
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._former.remove, station)

    def set_time_limit(self, task: str, soft_ms: int, hard_ms: int) -> None:
        """Limits the jobs of a task that start from now on."""
        self._watchdog.limit_task(task, soft_ms, hard_ms)
        for station in self._stations():
            station.runner.watchdog = self._watchdog

    # --- Jobs -------------------------------------------------------------------------------------

    def _news(self) -> None:
        """The core has jobs, signals, or both."""
        for station in self._stations():
            notices = station.session.drain(0)
            if log_notices(notices):
                for signal in notices.signals:
                    station.runner.deliver(signal)
            self._fill(station)
        self._end_if_done()

    def _fill(self, station: _Station) -> None:
        while not station.closed:
            # What is claimed ahead waits in the session, where it can go back to the queue.
            free = station.batches.slots - len(self._coroutines)
            self._full = free <= 0
            if self._full and station is self._station and self.mailbox.stage == 0:
                return
            try:
                jobs = station.session.take(max(1, min(_BATCH, free)), 0)
            except Closed:
                station.closed = True
                station.batches.flush()
                return
            if not jobs:
                return
            for job in jobs:
                self._start(job, station)

    def _job_ended(self) -> None:
        if self._full and not self._refilling:  # once for all that end in one turn of the loop
            self._refilling = True
            self._loop.call_soon(self._refill)
        self._end_if_done()

    def _refill(self) -> None:
        self._refilling = False
        self._fill(self._station)
        self._end_if_done()

    def _end_if_done(self) -> None:
        if self._station.closed and not self._coroutines and not self._done.done():
            self._done.set_result(0)

    def _start(self, job: _core.LeasedJob, station: _Station) -> None:
        runner = station.runner
        task = self.app.tasks.get(job.name) or runner.builtin(job.name)
        if task is None:
            runner.refuse(job)
            return
        if task.batch:
            station.batches.add(job, task)
            return
        token = job.token
        request = Request(task, job, station.session)
        request.interrupt = self._interrupt
        runner.running[token] = request
        self._counted[job.name] = self._counted.get(job.name, 0) + 1
        if runner.watchdog is not None:
            runner.watchdog.enter(job)
        self._coroutines[token] = None
        self._loop.create_task(self._run(job, task, request, runner))

    async def _run(
        self, job: _core.LeasedJob, task: Task[..., Any], request: Request, runner: Runner
    ) -> None:
        token = job.token
        current_request.set(request)
        began = time.perf_counter() if self._verbose else 0.0
        self._coroutines[token] = asyncio.current_task()
        try:
            if token in self._wanted:
                raise self._wanted[token]()
            payload = serializer.loads(job.data)
            if job.dependency_count == 1:
                payload = take(request, task, payload)
            elif job.dependency_count:  # many, which are read from the store
                payload = await asyncio.to_thread(take, request, task, payload)
            request.take_payload(payload)
            if (task.hooked or RUNNING) and (rest := runner.begin(task, request)) is not None:
                await rest
            if task.is_async:
                value = await task.invoke(payload)
            else:
                value = await asyncio.to_thread(self._plain, token, task, payload)
        except asyncio.CancelledError as error:
            wanted = self._wanted.pop(token, None)
            rest = runner.fail(wanted() if wanted is not None else error, task, request, token)
        except BaseException as error:  # noqa: BLE001 - whatever a task raises ends that job, not the worker
            rest = runner.fail(error, task, request, token)
        else:
            rest = runner.complete(token, task, value, began)
        try:
            if rest is not None:
                self._coroutines[token] = (
                    None  # how it ended is settled: nothing interrupts its hooks
                )
                await rest
        finally:
            self._wanted.pop(token, None)
            runner.running.pop(token, None)
            self._coroutines.pop(token, None)
            if runner.watchdog is not None:
                runner.watchdog.leave(token)
            self._job_ended()

    def _plain(self, token: int, task: Task[..., Any], payload: Any) -> Any:
        self._threads.add(token)
        try:
            return task.invoke(payload)
        finally:
            self._threads.discard(token)

    def _interrupt(self, token: int, error: type[BaseException]) -> None:
        if token not in self._coroutines:
            return
        self._wanted[token] = error
        coroutine = self._coroutines[token]
        if coroutine is not None:
            coroutine.cancel()

    def _mail(self) -> None:
        for message in self.mailbox.read():
            if message == WORK:
                self.mailbox.work()
                continue
            if message == DONE or not self.mailbox.advance(message):
                continue
            for station in self._stations():
                station.session.stop()
            if self.mailbox.stage == 1:
                logger.info("Stopping: %d running jobs may finish", len(self._coroutines))
            elif self.mailbox.stage == COLD_STAGE:
                logger.warning("Cancelling %d running jobs", len(self._coroutines))
                for token in list(self._coroutines):
                    self._interrupt(token, WorkerAbort)
                self._loop.call_later(self.options.grace_ms / 1000, self._give_up)
            elif not self._done.done():
                self._done.set_result(1)
            self._news()

    def _give_up(self) -> None:
        if not self._done.done():
            logger.error("%d jobs did not end; their leases are released", len(self._coroutines))
            self._done.set_result(1)
