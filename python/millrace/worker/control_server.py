"""What answers `app.control` in a worker: a small session on a queue of the worker's own, and a thread in it.

A command is a job of that queue, which expires when nobody waits for it any more; its result is the reply. A worker
without commands costs nothing for it: the thread sleeps in the core, which wakes it by the doorbell.
"""

from __future__ import annotations

import itertools
import os
import threading
from typing import TYPE_CHECKING, Any, Final

from millrace import _core, serializer
from millrace.errors import Closed, LeaseLost, MillraceError, NotFound, TooLarge
from millrace.log import logger
from millrace.queue_names import CONTROL_PREFIX
from millrace.worker.control import ControlState, Panel

if TYPE_CHECKING:
    from millrace.worker.main import Worker

_CLOSE_MS: Final = 1_000
_STALE_MS: Final = 60_000
_numbers = itertools.count(1)


class ControlServer:
    """Answers commands until it is closed."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        # Several workers may have one name: each gets a queue of its own.
        self.queue = f"{CONTROL_PREFIX}{worker.hostname}/{os.getpid()}.{next(_numbers)}"
        self._state = ControlState(worker.app, worker)
        engine = worker.app.engine
        remove_stale_queues(engine)
        self._engine = engine
        self._session = engine.open_session(
            [self.queue],
            slots=1,
            prefetch=0,
            worker_name=worker.hostname,
            durability="process",
            quiet=True,
        )
        self._thread = threading.Thread(target=self._serve, name="millrace-control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends it; a command that runs may end for a moment. Replies stay readable for a minute."""
        self._session.close(_CLOSE_MS)

    def _serve(self) -> None:
        while True:
            try:
                jobs = self._session.take(1, -1)
                for job in jobs:
                    self._run(job)
                self._session.drain(0)
            except Closed:
                return
            except MillraceError:
                logger.exception("A command could not be taken or answered")
                return

    def _run(self, job: _core.LeasedJob) -> None:
        command = job.name
        try:
            arguments = serializer.loads(job.data)
            reply = self._call(command, arguments)
            body = serializer.dumps(reply)
        except MillraceError as error:
            body = serializer.dumps({"error": str(error)})
        except Exception as error:  # noqa: BLE001 - whatever a command raises is its answer
            logger.exception("The command %s failed", command)
            body = serializer.dumps({"error": f"{type(error).__name__}: {error}"})
        try:
            self._settle(job, body)
        except TooLarge as error:
            self._settle(job, serializer.dumps({"error": f"the reply of {command}: {error}"}))
        except (LeaseLost, NotFound) as error:
            logger.warning(
                "The reply of the command %s was not wanted any more: %s", command, error
            )

    def _settle(self, job: _core.LeasedJob, body: str) -> None:
        self._session.settle(_core.Outcome(job.token, "completed", body))

    def _call(self, command: str, arguments: dict[str, Any]) -> Any:
        function = Panel.load().data.get(command)
        if function is None:
            return {"error": f"No such command: {command}"}
        return function(self._state, **arguments)


def remove_stale_queues(engine: _core.Engine) -> None:
    """Removes the control queues of workers that are gone, once nobody can wait for their replies any more."""
    counts = [each for each in engine.list_queues() if each.queue.startswith(CONTROL_PREFIX)]
    if not counts:
        return
    living = {queue for each in engine.list_workers() if each.alive for queue in each.queues}
    now_ms = engine.now_ms()
    for each in counts:
        if each.queue in living or each.active:
            continue
        newest = [
            job.created_at_ms
            for state in ("ready", "completed", "cancelled", "failed")
            for job in engine.list_jobs(each.queue, state, limit=1, descending=True)
        ]
        if now_ms - max(newest, default=0) > _STALE_MS:
            try:
                engine.obliterate(each.queue)
            except MillraceError as error:  # somebody else was quicker
                logger.debug("The queue %s could not be removed: %s", each.queue, error)
