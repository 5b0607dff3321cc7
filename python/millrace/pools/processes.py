"""Jobs in child processes: the default. A crash or a hard time limit costs one child and one attempt.

The children are started afresh (never forked) and work the store by themselves, each with a session of its own: no job
passes through this process, which only starts, restarts and stops them. A socket pair to each child carries commands;
its end tells each side that the other is gone.
"""

from __future__ import annotations

import itertools
import selectors
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from millrace import signals
from millrace.errors import InvalidArgument, WrongState
from millrace.log import logger
from millrace.pools import link
from millrace.pools.base import BasePool
from millrace.pools.child_process import (
    EXIT_CANNOT_START,
    EXIT_REPLACED,
    EXIT_TERMINATED,
    EXIT_TIME_LIMIT,
    ChildProcess,
)
from millrace.pools.scaling import Autoscaler
from millrace.worker.mailbox import COLD_STAGE, STOP, WORK

if TYPE_CHECKING:
    from millrace.app import Millrace
    from millrace.worker.mailbox import Mailbox
    from millrace.worker.options import WorkerOptions

_YOUNG_S: Final = 1.0  # from the second child on that dies younger, restarts are delayed
_RESTART_MAX_S: Final = 30.0  # where they do not even begin to work
_CRASH_MAX_S: Final = 1.0  # where they do: other jobs wait for them
# Of a child whose job, or whose age, is the reason: nothing is wrong with the next one.
_EXITS_OF_JOBS: Final = {EXIT_TIME_LIMIT, EXIT_TERMINATED, EXIT_REPLACED}
_REPLY_S: Final = (
    0.7  # a child whose job holds the GIL does not answer; those who ask wait for a second
)


def restart_delay(deaths: int, *, worked: bool) -> float:
    """Seconds until a child is started again.

    Args:
        deaths: How many in its place have died young, one after another.
        worked: Whether the last one had begun to take jobs.
    """
    most = _CRASH_MAX_S if worked else _RESTART_MAX_S
    return 0.0 if deaths == 1 else min(most, 0.1 * 2 ** min(deaths, 16))


class ProcessesPool(BasePool):
    """The supervisor of the children."""

    def __init__(
        self, app: Millrace, options: WorkerOptions, mailbox: Mailbox, location: str
    ) -> None:
        super().__init__(app, options, mailbox)
        self._location = location
        self._selector = selectors.DefaultSelector()
        self._children: dict[int, ChildProcess] = {}
        self._leaving: set[ChildProcess] = set()
        self._restarts: dict[int, float] = {}  # index -> monotonic time at which to start it again
        self._failures: dict[int, int] = {}
        self._status = 0
        self._announced = False
        self._limits: dict[str, tuple[int, int]] = {}
        self._gone: dict[str, int] = {}  # what children counted that have ended
        self._scaler: Autoscaler | None = None
        if options.autoscale is not None:
            self._scaler = Autoscaler(*options.autoscale, self._waiting)
        self._call_ids = itertools.count(1)
        self._replies: dict[int, dict[int, Any]] = {}  # call -> pid -> answer
        self._replied = threading.Condition()

    def _config(self) -> dict[str, Any]:
        child_options = self.options.to_json()
        child_options.update(
            pool="solo",
            concurrency=1,
            autoscale=None,
            queues=list(self.queues),
            prefetch=self.options.prefetch,
        )
        return {
            "app": self._location,
            "store": self.app.store,
            "sys_path": sys.path,
            "options": child_options,
            "limits": self._limits,
            "tell_busy": self._scaler is not None,
        }

    def run(self) -> int:
        """Works until it is stopped; answers the exit status."""
        self._selector.register(self.mailbox.fileno(), selectors.EVENT_READ, None)
        try:
            for index in range(self.concurrency):
                self._start(index)
            while self._children or self._leaving or self._may_restart():
                self._step()
        finally:
            for child in self._all():
                child.process.kill()
                child.reap()
            self._selector.close()
        return self._status

    def _all(self) -> list[ChildProcess]:
        return [*self._children.values(), *self._leaving]

    def _may_restart(self) -> bool:
        return bool(self._restarts) and self.mailbox.stage == 0

    def _start(self, index: int) -> None:
        if signals.worker_before_create_process.receivers:
            signals.worker_before_create_process.send(sender=self)
        child = ChildProcess(index, self._config())
        self._children[index] = child
        self._selector.register(child, selectors.EVENT_READ, child)

    def _step(self) -> None:
        for key, _ in self._selector.select(self._timeout()):
            if key.data is None:
                self._read_mailbox()
            else:
                self._hear(key.data)
        now = time.monotonic()
        for index in [index for index, due in self._restarts.items() if due <= now]:
            del self._restarts[index]
            if self.mailbox.stage == 0:
                self._start(index)
        if self._scaler is not None and self.mailbox.stage == 0 and not self._restarts:
            self._set_size(self._scaler.wanted(self._children.values()))

    def _timeout(self) -> float | None:
        times = []
        if self._restarts:
            times.append(max(0.0, min(self._restarts.values()) - time.monotonic()))
        if self._scaler is not None and self.mailbox.stage == 0:
            again = self._scaler.timeout(self._children.values())
            if again is not None:
                times.append(again)
        return min(times, default=None)

    def _read_mailbox(self) -> None:
        for message in self.mailbox.read():
            if message == WORK:
                self.mailbox.work()
            elif self.mailbox.advance(message):
                self._enter_stage(self.mailbox.stage)

    # --- Children ---------------------------------------------------------------------------------

    def _hear(self, child: ChildProcess) -> None:
        messages = child.link.receive()
        if messages is None:
            self._selector.unregister(child)
            if child.leaving:
                self._leaving.discard(child)
            else:
                del self._children[child.index]
            self._ended(child, child.reap())
            return
        for message in messages:
            kind = message["op"]
            if kind == link.REPLY:
                with self._replied:
                    if message["id"] in self._replies:
                        self._replies[message["id"]][child.pid] = message["value"]
                        self._replied.notify_all()
            elif kind == link.READY:
                child.ready = True
            elif kind == link.LEAVE:
                self.mailbox.leave(message["terminate"], message["status"])
                self._read_mailbox()
            elif kind == "counted":
                for name, number in message["totals"].items():
                    self._gone[name] = self._gone.get(name, 0) + number
            else:
                child.busy = kind == link.BUSY
        if not self._announced and all(each.ready for each in self._children.values()):
            self._announced = True
            self.announce()

    def _ended(self, child: ChildProcess, status: int) -> None:
        if status == EXIT_CANNOT_START:
            self._status = 1
            if self.mailbox.advance(STOP):
                self._enter_stage(1)
            return
        if self.mailbox.stage > 0 or child.leaving:
            return
        pid = child.pid
        if status == EXIT_TIME_LIMIT:
            logger.error("Process %d was ended by its job's time limit", pid)
        elif status == EXIT_TERMINATED:
            logger.warning("Process %d was ended because its job was revoked", pid)
        elif status == EXIT_REPLACED:
            logger.info("Process %d has run its share and is replaced", pid)
        else:
            logger.error(
                "Process %d was lost (%s); what it ran goes back to the queue",
                pid,
                f"signal {-status}" if status < 0 else f"status {status}",
            )
        self._schedule_restart(child, status, time.monotonic())

    def _schedule_restart(self, child: ChildProcess, status: int, now: float) -> None:
        if now - child.started >= _YOUNG_S or status in _EXITS_OF_JOBS:
            self._failures.pop(child.index, None)
            self._restarts[child.index] = now
            return
        failures = self._failures[child.index] = self._failures.get(child.index, 0) + 1
        self._restarts[child.index] = now + restart_delay(failures, worked=child.ready)

    def _enter_stage(self, stage: int) -> None:
        for child in self._all():
            if stage == 1:
                child.link.send({"op": link.STOP})
            elif stage == COLD_STAGE:
                child.link.send({"op": link.ABORT})
            else:
                child.process.kill()
                self._status = 1

    def _set_size(self, size: int) -> None:
        """Starts or retires children until there are so many."""
        places = set(self._children) | set(self._restarts)
        for index in itertools.count():
            if len(places) >= size:
                break
            if index not in places:
                places.add(index)
                self._start(index)
        self._retire(len(places) - size)
        self.concurrency = size

    def _retire(self, count: int) -> None:
        for index in sorted(self._restarts, reverse=True)[: max(count, 0)]:
            del self._restarts[index]
            count -= 1
        # Idle ones first, then the youngest.
        order = sorted(self._children.values(), key=lambda child: (child.busy, -child.started))
        for child in order[: max(count, 0)]:
            self._let_go(child)

    def _let_go(self, child: ChildProcess) -> None:
        del self._children[child.index]
        child.leaving = True
        self._leaving.add(child)
        child.link.send({"op": link.STOP})

    def _waiting(self) -> int:
        engine = self.app.engine
        return sum(engine.counts(queue).ready for queue in self.queues)

    # --- For control ------------------------------------------------------------------------------

    def processes(self) -> list[int]:
        """The ids of the processes that run its jobs."""
        return [child.pid for child in list(self._children.values())]

    def _call(self, command: str, *arguments: Any, to_all: bool = False) -> list[Any]:
        """What each child answers within the time; in the thread that serves `app.control`.

        Args:
            command: What to call in the child.
            arguments: Its arguments.
            to_all: Also ask those that do not work yet.
        """
        call_id = next(self._call_ids)
        children = [child for child in self._all() if child.ready or to_all]
        with self._replied:
            replies = self._replies[call_id] = {}
        for child in children:
            child.link.send(
                {"op": link.CALL, "id": call_id, "command": command, "arguments": arguments}
            )
        with self._replied:
            self._replied.wait_for(lambda: len(replies) >= len(children), _REPLY_S)
            del self._replies[call_id]
            return list(replies.values())

    def active(self) -> list[dict[str, Any]]:
        """The jobs that run now."""
        return [job for jobs in self._call("active") for job in jobs]

    def totals(self) -> dict[str, int]:
        """How many jobs of each task were started since the worker began; without those of children that died."""
        sums = dict(self._gone)
        for counted in self._call("totals"):
            for name, number in counted.items():
                sums[name] = sums.get(name, 0) + number
        return sums

    def resize(self, by: int) -> int:
        """More or fewer processes; one that is too many ends when its job has ended."""
        return int(self.mailbox.submit(lambda: self._resize(by)))

    def _resize(self, by: int) -> int:
        self._refuse_when_stopping()
        size = len(set(self._children) | set(self._restarts)) + by
        if size < 1:
            raise InvalidArgument("the pool must keep at least one process")
        self._set_size(size)
        if self._scaler is not None:
            self._scaler.most = max(self._scaler.most, size)
            self._scaler.least = min(self._scaler.least, size)
        return size

    def _refuse_when_stopping(self) -> None:
        if self.mailbox.stage > 0:
            raise WrongState("the worker is about to stop")

    def autoscale(self, most: int | None, least: int | None) -> tuple[int, int]:
        """Changes the bounds between which the pool's size follows the work; answers them."""
        scaler = self._scaler
        if scaler is None:
            raise WrongState("Autoscale not enabled")

        def change() -> tuple[int, int]:
            scaler.most = max(1, scaler.most if most is None else most)
            scaler.least = min(scaler.most, max(1, scaler.least if least is None else least))
            return scaler.most, scaler.least

        bounds: tuple[int, int] = self.mailbox.submit(change)
        return bounds

    def restart(self) -> None:
        """Replaces all children; each former one ends when its job has ended."""
        self.mailbox.submit(self._replace_all)

    def _replace_all(self) -> None:
        self._refuse_when_stopping()
        for child in list(self._children.values()):
            self._let_go(child)
            self._start(child.index)

    def serve(self, queues: tuple[str, ...]) -> None:
        """Replaces the children by some that serve these queues."""

        def change() -> None:
            self._refuse_when_stopping()
            self.queues = tuple(queues)
            self._replace_all()

        self.mailbox.submit(change)

    def set_time_limit(self, task: str, soft_ms: int, hard_ms: int) -> None:
        """Limits the jobs of a task that start from now on: returns when the children know it."""

        def change() -> None:
            self._limits[task] = (soft_ms, hard_ms)

        self.mailbox.submit(change)  # for the children that it starts from now on
        self._call("limit", task, soft_ms, hard_ms, to_all=True)
