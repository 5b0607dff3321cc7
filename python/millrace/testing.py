"""Testing an application's tasks: the real engine on a temporary file, and a clock that you move.

    from millrace.testing import Harness

    def test_reminder():
        with Harness(app) as harness:
            sign_up("ann@example.org")              # enqueues remind.apply_async((..., ), countdown=3600)
            harness.assert_enqueued(remind, address="ann@example.org")
            assert harness.run_all() == 0           # not due yet
            harness.advance(3600)
            assert harness.run_all() == 1
            assert harness.perform(add, 2, 3) == 5   # one job, and its result

Nothing is faked: retries, priorities, expiry and time limits behave as they do in production, only the time is yours.
"""

from __future__ import annotations

import select
import shutil
import tempfile
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from millrace import _core, options, serializer, states
from millrace.worker.runner import Runner
from millrace.worker.slot import Slot

if TYPE_CHECKING:
    from types import TracebackType

    from millrace.app import Millrace
    from millrace.options import Seconds
    from millrace.task import Task

P = ParamSpec("P")
R = TypeVar("R")

_STATES: Final = ("ready", "scheduled", "blocked", "active", "completed", "failed", "cancelled")
_PAGE: Final = 1_000
_IDLE_S: Final = 1.0  # how long to wait for news of the session before looking again


class Harness:
    """Puts an application on a temporary store with a clock that stands still, for the length of a `with` block.

    Args:
        app: The application. Its own store is not touched.
        now_ms: The clock's first reading, in milliseconds since the epoch; default the present.
    """

    def __init__(self, app: Millrace, *, now_ms: int | None = None) -> None:
        self.app = app
        start_ms = (
            int(time.time() * 1000) if now_ms is None else options.check_int("now_ms", now_ms)
        )
        self.clock = _core.ManualClock(start_ms)
        self._directory = ""
        self._saved: dict[str, Any] = {}

    def __enter__(self) -> Harness:
        self.app.load_announced()  # what they say of the store holds again after the block
        self._directory = tempfile.mkdtemp(prefix="millrace-test-")
        self.app.close()
        overrides = {
            "_store": f"{self._directory}/test.db",
            "_told_store": True,  # settings that are loaded in the block do not change it
            "_clock": self.clock,
            "_durability": "process",
        }
        self._saved = {name: getattr(self.app, name) for name in overrides}
        for name, value in overrides.items():
            setattr(self.app, name, value)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.app.close()
        for name, value in self._saved.items():
            setattr(self.app, name, value)
        shutil.rmtree(self._directory, ignore_errors=True)

    def advance(self, by: Seconds) -> None:
        """Moves the clock forward."""
        self.clock.advance(options.to_ms("by", by))

    # --- Running -------------------------------------------------------------------------------------

    def run_all(self, *, limit: int = 10_000) -> int:
        """Runs the jobs that are due, in this thread, until none is left; answers how many attempts that were.

        Jobs that these enqueue are run too, and those of schedules that are due. Jobs that a limit or a paused group
        holds back stay. What a task raises ends its job as it would in a worker. Raises AssertionError after `limit`
        attempts: something enqueues itself without end.
        """
        options.check_int("limit", limit, least=1)
        ran = 0
        drained: set[str] = set()
        while True:
            queues = self._queues()
            # Those of which jobs were added while others were run.
            if not self._any_due([queue for queue in queues if queue not in drained]):
                return ran
            more, all_of_them = self._run_queues(queues, limit - ran)
            ran += more
            assert all_of_them or not self._any_due(queues), (
                f"{limit} attempts were run, and there are still jobs that are due"
            )
            drained.update(queues)

    def perform(self, task: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Enqueues one job with these arguments, runs all that is due, and answers the job's result.

        Raises what the task raised in the end, and AssertionError if the job has not ended: it waits for a retry, a
        limit, or a later time.
        """
        result = task.delay(*args, **kwargs)
        self.run_all()
        state = result.state
        assert state in states.READY_STATES, f"{task.name} has not ended: it is {state}"
        return result.get(timeout=0)

    def _run_queues(self, queues: list[str], limit: int) -> tuple[int, bool]:
        """How many attempts were run, and whether no job of the queues may be started any more."""
        notifier = _core.Notifier()
        session = self.app.engine.open_session(
            queues, slots=1, prefetch=0, worker_name="harness", notifier=notifier
        )
        runner = Runner(self.app, session)
        slot = Slot(use_signal=False)
        ran = 0
        drained = False
        try:
            while ran < limit:
                notifier.clear()
                if jobs := session.take(1, 0):
                    ended = runner.run(jobs[0], slot)
                    drained = _await_settled(session, ended)
                    ran += ended
                elif drained:
                    break
                elif not (drained := session.drain(0).drained):
                    select.select([notifier], [], [], _IDLE_S)
        finally:
            session.close(0)
            slot.close()
        return ran, drained

    def _any_due(self, queues: list[str]) -> bool:
        if any(self._is_due(queue) for queue in queues):
            return True
        return not set(queues).isdisjoint(self._due_slots())

    def _queues(self) -> list[str]:
        """Those that may be worked on."""
        found = {counts.queue: counts.paused for counts in self.app.engine.list_queues()}
        for queue in self._due_slots():
            found.setdefault(queue, False)
        return [queue for queue, paused in found.items() if not paused]

    def _due_slots(self) -> list[str]:
        """The queues of schedules that are due."""
        engine, queues, after = self.app.engine, [], ""
        now_ms = engine.now_ms()
        while page := engine.list_schedules(after=after, limit=_PAGE):
            queues += [each.job.queue for each in page if 0 < each.next_at_ms <= now_ms]
            after = page[-1].id
        return queues

    def _is_due(self, queue: str) -> bool:
        counts = self.app.engine.counts(queue)
        if counts.ready or counts.active:
            return True
        earliest = self.app.engine.list_jobs(queue, "scheduled", limit=1)
        return bool(earliest) and earliest[0].due_at_ms <= self.app.engine.now_ms()

    # --- Looking -------------------------------------------------------------------------------------

    def enqueued(
        self, task: Task[..., Any] | str | None = None, *, queue: str | None = None
    ) -> list[_core.JobInfo]:
        """The jobs of a task (all tasks if none is named) in the order of enqueueing, in whatever state they are."""
        name = "" if task is None else task if isinstance(task, str) else task.name
        jobs = list(self._jobs(name, queue))
        jobs.sort(key=lambda job: (job.created_at_ms, job.spec.id))
        return jobs

    def _jobs(self, name: str, queue: str | None) -> Iterator[_core.JobInfo]:
        engine = self.app.engine
        queues = [counts.queue for counts in engine.list_queues()] if queue is None else [queue]
        for where in queues:
            for state in _STATES:
                offset = 0
                while page := engine.list_jobs(where, state, name=name, offset=offset, limit=_PAGE):
                    yield from page
                    offset += len(page)

    def assert_enqueued(
        self,
        task: Task[..., Any] | str,
        *,
        queue: str | None = None,
        count: int | None = None,
        **arguments: Any,
    ) -> None:
        """Fails unless the task was enqueued with these arguments (others do not matter).

        Args:
            task: The task, or its name.
            queue: Only jobs of this queue count.
            count: How many there must be; default at least one.
            **arguments: Arguments by name, as they travel.
        """
        wanted = serializer.loads(serializer.dumps(arguments))
        jobs = self.enqueued(task, queue=queue)
        matching = [job for job in jobs if wanted.items() <= _payload(job).items()]
        if matching if count is None else len(matching) == count:
            return
        shown = "".join(f"\n  {job.spec.data!s} in {job.spec.queue}, {job.state}" for job in jobs)
        number = "a job" if count is None else f"{count} jobs"
        raise AssertionError(
            f"expected {number} of {task} with {wanted}; {len(matching)} found among:{shown or ' none'}"
        )


def _payload(job: _core.JobInfo) -> dict[str, Any]:
    value = serializer.loads(job.spec.data) if isinstance(job.spec.data, str) else None
    return value if isinstance(value, dict) else {}


def _await_settled(session: _core.Session, count: int) -> bool:
    """Whether no other job may be started after these."""
    drained = False
    while count > 0:
        news = session.drain(-1)
        count -= len(news.settled)
        drained = news.drained
    return drained
