"""The part of `Millrace` that looks at queues, events, schedules and limits of the store. Not used by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from millrace import options

if TYPE_CHECKING:
    from millrace import _core
    from millrace.app.base import Millrace
    from millrace.events.entry import AppEvents
    from millrace.limits import DedupKeys, Groups, Limits
    from millrace.schedules import Schedules


class StoreParts:
    """Queues, events, schedules, limits, groups and deduplication keys."""

    default_queue: str

    if TYPE_CHECKING:

        @property
        def engine(self) -> _core.Engine: ...  # noqa: D102

    @property
    def events(self) -> AppEvents:
        """Follows what happens to jobs: `for event in app.events(queue)`; and Celery's `app.events.Receiver` ..."""
        from millrace.events.entry import AppEvents

        return AppEvents(cast("Millrace", self))

    @property
    def schedules(self) -> Schedules:
        """Jobs that are enqueued again and again. See `millrace.schedules`."""
        from millrace.schedules import Schedules

        return Schedules(cast("Millrace", self))

    @property
    def limits(self) -> Limits:
        """How fast and how many jobs run. See `millrace.limits`."""
        from millrace.limits import Limits

        return Limits(cast("Millrace", self))

    def groups(self, queue: str | None = None) -> Groups:
        """The groups of a queue."""
        from millrace.limits import Groups

        return Groups(
            cast("Millrace", self),
            self.default_queue if queue is None else options.check_text("queue", queue),
        )

    @property
    def dedup(self) -> DedupKeys:
        """Who holds a deduplication key."""
        from millrace.limits import DedupKeys

        return DedupKeys(cast("Millrace", self))

    def counters(self, queue: str | None = None) -> list[_core.TaskCounters]:
        """What happened to the jobs of each task so far, of one queue or of all: numbers, and histograms of times.

        Kept by each process and added to the store with its commits, a second late at most; a crash may lose that
        second. Element i of `wait_ms` (from when a job could have started to its start) and `run_ms` counts the times
        below 2 ** i milliseconds and not below half of that.
        """
        return self.engine.read_counters(
            "" if queue is None else options.check_text("queue", queue)
        )

    def counts(self, queue: str | None = None) -> _core.QueueCounts:
        """Jobs per state of a queue."""
        return self.engine.counts(queue or self.default_queue)

    def pause(self, queue: str | None = None) -> None:
        """No job of the queue is started, by any worker, until `resume`."""
        self.engine.pause(queue or self.default_queue)

    def resume(self, queue: str | None = None) -> None:
        """Undoes `pause`."""
        self.engine.resume(queue or self.default_queue)

    def purge(self, queue: str | None = None, *, scheduled: bool = False) -> int:
        """Removes the jobs that wait in a queue, those with a later due time too if asked; answers how many."""
        return self.engine.drain(queue or self.default_queue, scheduled=scheduled)
