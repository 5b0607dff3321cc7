"""Jobs as coroutines on one event loop: thousands at once. Plain functions run in the loop's threads."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from millrace import serializer
from millrace.errors import Closed
from millrace.log import logger
from millrace.loop import Watched
from millrace.pools.asyncio_batches import AsyncioBatches
from millrace.pools.base import _WRITE_MS, open_session
from millrace.request import Request, current_request
from millrace.worker.intake import take
from millrace.worker.mailbox import DONE
from millrace.worker.monitor import log_notices
from millrace.worker.outcomes import WorkerAbort
from millrace.worker.runner import INFO, Runner

if TYPE_CHECKING:
    from collections.abc import Callable

    from millrace import _core
    from millrace.app import Millrace
    from millrace.task import Task
    from millrace.worker.mailbox import Mailbox
    from millrace.worker.options import WorkerOptions

_BATCH = 256
_THREADS_MAX = 1000  # they are made as they are needed


class AsyncioPool:
    """One loop in the calling thread."""

    def __init__(self, app: Millrace, options: WorkerOptions, mailbox: Mailbox) -> None:
        self._app = app
        self._options = options
        self._mailbox = mailbox
        # By token; None until the coroutine has begun: cancelled before that, it would never run, and not settle.
        self._coroutines: dict[int, asyncio.Task[None] | None] = {}
        self._wanted: dict[int, type[BaseException]] = {}
        # Tokens of plain functions that run, also of jobs that have ended.
        self._threads: set[int] = set()
        self._closed = False
        self.on_ready: Callable[[], None] | None = None

    def run(self) -> int:
        """Works until it is stopped; answers the exit status."""
        loop = asyncio.new_event_loop()
        try:
            # Not asyncio.run(): that waits for threads, also for those of jobs that were left behind.
            return loop.run_until_complete(self._main())
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    async def _main(self) -> int:
        loop = asyncio.get_running_loop()
        self._loop = loop
        # A thread for each plain function that may run at once: behind the few of the loop's own executor jobs
        # would wait with their leases and time limits running.
        loop.set_default_executor(
            ThreadPoolExecutor(min(self._options.concurrency, _THREADS_MAX), "millrace-plain")
        )
        watched = Watched(loop, self._news)
        self._session = open_session(
            self._app, self._options, self._options.concurrency, watched.notifier
        )
        self._runner = Runner(self._app, self._session)
        self._batches = AsyncioBatches(
            self._runner,
            self._options.concurrency,
            self._coroutines,
            self._wanted,
            self._end_if_done,
        )
        self._verbose = logger.isEnabledFor(INFO)
        self._done: asyncio.Future[int] = loop.create_future()
        loop.add_reader(self._mailbox.fileno(), self._mail)
        self._news()
        if self.on_ready is not None:
            self.on_ready()
        try:
            status = await self._done
        finally:
            loop.remove_reader(self._mailbox.fileno())
            session_ms = self._options.grace_ms if self._mailbox.stage < 2 else _WRITE_MS  # noqa: PLR2004
            self._session.close(session_ms)
            watched.close()
        if status == 0 and self._threads:
            logger.error("%d functions outlived their jobs and are left behind", len(self._threads))
            return 1
        return status

    def _news(self) -> None:
        """The core has jobs, signals, or both."""
        notices = self._session.drain(0)
        if log_notices(notices):
            for signal in notices.signals:
                self._runner.deliver(signal)
        self._fill()

    def _fill(self) -> None:
        while not self._closed:
            try:
                jobs = self._session.take(_BATCH, 0)
            except Closed:
                self._closed = True
                self._batches.flush()
                break
            if not jobs:
                return
            for job in jobs:
                self._start(job)
        self._end_if_done()

    def _end_if_done(self) -> None:
        if self._closed and not self._coroutines and not self._done.done():
            self._done.set_result(0)

    def _start(self, job: _core.LeasedJob) -> None:
        task = self._app.tasks.get(job.name)
        if task is None:
            self._runner.refuse(job)
            return
        if task.batch:
            self._batches.add(job, task)
            return
        token = job.token
        request = Request(task, job, self._session)
        request.interrupt = self._interrupt
        self._runner.running[token] = request
        self._coroutines[token] = None
        self._loop.create_task(self._run(job, token, task, request))

    async def _run(
        self, job: _core.LeasedJob, token: int, task: Task[..., Any], request: Request
    ) -> None:
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
            request.kwargs = payload
            if task.is_async:
                value = await task.invoke(payload)
            else:
                value = await asyncio.to_thread(self._plain, token, task, payload)
        except asyncio.CancelledError as error:
            wanted = self._wanted.pop(token, None)
            self._runner.fail(wanted() if wanted is not None else error, task, request, token)
        except BaseException as error:  # noqa: BLE001 - whatever a task raises ends that job, not the worker
            self._runner.fail(error, task, request, token)
        else:
            self._runner.complete(token, task, value, began)
        finally:
            self._wanted.pop(token, None)
            self._runner.running.pop(token, None)
            self._coroutines.pop(token, None)
            self._end_if_done()

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
        for message in self._mailbox.read():
            if message == DONE or not self._mailbox.advance(message):
                continue
            self._session.stop()
            if self._mailbox.stage == 1:
                logger.info("Stopping: %d running jobs may finish", len(self._coroutines))
            elif self._mailbox.stage == 2:  # noqa: PLR2004 - the stage that cancels
                logger.warning("Cancelling %d running jobs", len(self._coroutines))
                for token in list(self._coroutines):
                    self._interrupt(token, WorkerAbort)
                self._loop.call_later(self._options.grace_ms / 1000, self._give_up)
            elif not self._done.done():
                self._done.set_result(1)
            self._fill()

    def _give_up(self) -> None:
        if not self._done.done():
            logger.error("%d jobs did not end; their leases are released", len(self._coroutines))
            self._done.set_result(1)
