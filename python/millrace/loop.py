"""The bridge between the core and one asyncio event loop: no thread waits, the core makes descriptors readable."""

from __future__ import annotations

import asyncio
import itertools
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from millrace import _core, states
from millrace.errors import Closed, MillraceError, QueueFull

if TYPE_CHECKING:
    from millrace.app import Millrace
    from millrace.options import DurabilityName

_ENDINGS = ("completed", "failed", "cancelled", "removed")

AckTuple = tuple[str, bool, str, str, str]


class Watched:
    """A notifier that calls back in the loop when the core has signalled it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self.notifier = _core.Notifier()
        self._loop = loop
        self._callback = callback
        loop.add_reader(self.notifier.fileno(), self._ready)

    def _ready(self) -> None:
        self.notifier.clear()
        self._callback()

    def close(self) -> None:
        """Stops calling back. Idempotent."""
        if not self._loop.is_closed():
            self._loop.remove_reader(self.notifier.fileno())


class ResultWatcher:
    """Tells which jobs of one queue have ended, for as long as somebody waits."""

    def __init__(self, app: Millrace, loop: asyncio.AbstractEventLoop, queue: str) -> None:
        self._waiters: dict[str, set[asyncio.Future[None]]] = {}
        self._watched = Watched(loop, self._drain)
        self._loop = loop
        self._subscription = app.engine.subscribe(
            queue, after="$", types=_ENDINGS, notifier=self._watched.notifier
        )

    def add(self, job_id: str) -> asyncio.Future[None]:
        """A future that is done when the job has ended after this call."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiters.setdefault(job_id, set()).add(future)
        return future

    def discard(self, job_id: str, future: asyncio.Future[None]) -> bool:
        """Forgets a future; true if nobody waits any more."""
        futures = self._waiters.get(job_id)
        if futures is not None:
            futures.discard(future)
            if not futures:
                del self._waiters[job_id]
        return not self._waiters

    def _drain(self) -> None:
        while True:
            try:
                events, _ = self._subscription.next(0)
            except MillraceError as error:
                self._fail(error)
                return
            if not events:
                return
            for event in events:
                for future in self._waiters.pop(event.job_id, ()):
                    if not future.done():
                        future.set_result(None)

    def _fail(self, error: MillraceError) -> None:
        waiters, self._waiters = self._waiters, {}
        for future in itertools.chain.from_iterable(waiters.values()):
            if not future.done():
                future.set_exception(error)

    def close(self) -> None:
        """Ends the subscription; whoever still waits gets Closed."""
        self._watched.close()
        self._subscription.close()
        self._fail(Closed("the application was closed"))


class LoopBridge:
    """Enqueues and waits for one application on one event loop. Used only from that loop."""

    def __init__(self, app: Millrace, loop: asyncio.AbstractEventLoop) -> None:
        self._app = app
        self._loop = loop
        self._futures: dict[int, asyncio.Future[_core.Acks]] = {}
        self._tags = itertools.count()
        self._watched: Watched | None = None
        self._completions: _core.Completions | None = None
        self._watchers: dict[str, ResultWatcher] = {}
        self._opening = asyncio.Lock()

    async def engine(self) -> _core.Engine:
        """The open store; opening it reads the disk, so it is done beside the loop."""
        engine = self._app._engine
        if engine is None:
            engine = await asyncio.to_thread(lambda: self._app.engine)
        return engine

    async def call(self, function: Callable[[_core.Engine], Any]) -> Any:
        """Runs a short blocking call of the core beside the loop."""
        engine = await self.engine()
        return await asyncio.to_thread(function, engine)

    async def enqueue(
        self, specs: list[_core.JobSpec], durability: DurabilityName | None
    ) -> _core.Acks:
        """Enqueues all or none; awaits the commit without a thread."""
        engine = await self.engine()
        if self._completions is None:
            self._watched = Watched(self._loop, self._complete)
            self._completions = _core.Completions(self._watched.notifier)
        tag = next(self._tags)
        future: asyncio.Future[_core.Acks] = self._loop.create_future()
        self._futures[tag] = future
        try:
            engine.enqueue_async(
                specs, tag, self._completions, durability=durability, wait_if_full=False
            )
            return await future
        except QueueFull:
            # Back-pressure: wait for room where waiting harms nobody.
            return await asyncio.to_thread(engine.enqueue, specs, durability=durability)
        finally:
            self._futures.pop(tag, None)

    def _complete(self) -> None:
        if self._completions is None:
            return
        for tag, answer in self._completions.take():
            future = self._futures.get(tag)
            if future is None or future.done():
                continue
            if isinstance(answer, MillraceError):
                future.set_exception(answer)
            else:
                future.set_result(answer)

    async def wait_finished(self, job_id: str, queue: str) -> _core.JobOutcome:
        """Awaits the end of a job. Raises NotFound."""
        if not queue:
            queue = (await self.call(lambda engine: engine.get_job(job_id, ""))).spec.queue
        watcher = await self._watcher(queue)
        while True:
            # First the promise to be told, then the look: an end between the two is not missed.
            ended = watcher.add(job_id)
            try:
                outcome: _core.JobOutcome = await self.call(
                    lambda engine: engine.get_outcome(job_id, queue)
                )
                if outcome.state in states.FINISHED:
                    return outcome
                await ended
            finally:
                if watcher.discard(job_id, ended) and self._watchers.get(queue) is watcher:
                    del self._watchers[queue]
                    watcher.close()
            watcher = await self._watcher(queue)

    async def _watcher(self, queue: str) -> ResultWatcher:
        async with self._opening:
            watcher = self._watchers.get(queue)
            if watcher is None:
                await self.engine()
                watcher = self._watchers[queue] = ResultWatcher(self._app, self._loop, queue)
            return watcher


_bridges: weakref.WeakKeyDictionary[
    asyncio.AbstractEventLoop, weakref.WeakKeyDictionary[Millrace, LoopBridge]
] = weakref.WeakKeyDictionary()


def bridge(app: Millrace) -> LoopBridge:
    """The bridge of an application and the running loop."""
    loop = asyncio.get_running_loop()
    of_loop = _bridges.get(loop)
    if of_loop is None:
        of_loop = _bridges[loop] = weakref.WeakKeyDictionary()
    found = of_loop.get(app)
    if found is None:
        found = of_loop[app] = LoopBridge(app, loop)
    return found
