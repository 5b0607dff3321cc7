"""Schedulers: Celery's loop for classes of your own, and the one that leaves the work to the store."""

from __future__ import annotations

import copy
import datetime as dt
import heapq
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from millrace.beat.entries import BeatLazyFunc, ScheduleEntry, SchedulingError, checked_entry
from millrace.beat.sync import own_rows, remove_row, row_prefix, sync_schedules
from millrace.errors import ImproperlyConfigured
from millrace.log import logger

if TYPE_CHECKING:
    pass

_MAX_INTERVAL: Final = 300
_PRIORITY: Final = 5
_EARLY_S: Final = 0.010  # Celery looks that much before a job is due


class event_t(NamedTuple):  # noqa: N801 - Celery's name
    """When to look at an entry again."""

    time: float
    priority: int
    entry: ScheduleEntry


class Scheduler:
    """Enqueues the jobs of periodic tasks in a loop, as Celery's does: the base of schedulers of your own.

    One process may run it; two would run everything twice.

    Args:
        app: The application.
        schedule: Entries to begin with, or a function that makes them.
        max_interval: Seconds between two looks at the schedule, at most.
        Producer: Accepted and kept, without effect.
        lazy: Does not set up the schedule.
        sync_every_tasks: Calls `sync` after so many jobs.
        **kwargs: For subclasses.
    """

    Entry: type[ScheduleEntry] = ScheduleEntry
    max_interval: float = _MAX_INTERVAL
    sync_every: float = 3 * 60
    sync_every_tasks: int | None = None
    logger = logger

    def __init__(
        self,
        app: Any,
        schedule: Any = None,
        max_interval: float | None = None,
        Producer: Any = None,  # noqa: N803 - Celery's name
        lazy: bool = False,
        sync_every_tasks: int | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        self.app: Any = app
        self.data: Any = (
            schedule() if callable(schedule) else ({} if schedule is None else schedule)
        )
        self.max_interval = max_interval or app.conf.beat_max_loop_interval or self.max_interval
        self.Producer = Producer
        self.sync_every_tasks = (
            app.conf.beat_sync_every if sync_every_tasks is None else sync_every_tasks
        )
        self.old_schedulers: dict[str, ScheduleEntry] | None = None
        self._heap: list[event_t] | None = None
        self._last_sync: float | None = None
        self._tasks_since_sync = 0
        if not lazy:
            self.setup_schedule()

    # --- The schedule -----------------------------------------------------------------------------

    def setup_schedule(self) -> None:
        """Reads the configuration. What an earlier configuration left in the store would run twice: it is removed."""
        self.install_default_entries(self.data)
        self.merge_inplace(self.app.conf.beat_schedule)
        for info in list(own_rows(self.app)):
            remove_row(self.app, info.id)

    def get_schedule(self) -> Any:
        """The entries by name."""
        return self.data

    def set_schedule(self, schedule: Any) -> None:
        """Replaces the entries."""
        self.data = schedule

    @property
    def schedule(self) -> Any:
        """The entries by name."""
        return self.get_schedule()

    @schedule.setter
    def schedule(self, schedule: Any) -> None:
        self.set_schedule(schedule)

    def install_default_entries(self, data: Any) -> None:
        """For subclasses. Celery adds a job that removes old results; here the store does."""

    def add(self, **kwargs: Any) -> ScheduleEntry:
        """Adds an entry; arguments as of `ScheduleEntry`."""
        entry = self.Entry(app=self.app, **kwargs)
        self.schedule[entry.name] = entry
        return entry

    def update_from_dict(self, dict_: Mapping[str, Any]) -> None:
        """Adds or replaces entries, given as in `beat_schedule`."""
        self.schedule.update(
            {name: checked_entry(self.app, name, each, self.Entry) for name, each in dict_.items()}
        )

    def merge_inplace(self, b: Mapping[str, Any]) -> None:
        """Makes the schedule hold the given entries and no others; those it has keep their last run."""
        schedule = self.schedule
        for name in set(schedule) - set(b):
            schedule.pop(name, None)
        for name, given in b.items():
            entry = checked_entry(self.app, name, given, self.Entry)
            if schedule.get(name):
                schedule[name].update(entry)
            else:
                schedule[name] = entry

    def schedules_equal(self, old_schedules: Any, new_schedules: Any) -> bool:
        """Whether both hold the same entries."""
        if old_schedules is None or new_schedules is None:
            return old_schedules is new_schedules
        if set(old_schedules) != set(new_schedules):
            return False
        return all(new_schedules.get(name) == entry for name, entry in old_schedules.items())

    # --- The loop ---------------------------------------------------------------------------------

    def tick(self) -> float:
        """Enqueues the next job if it is due; answers in how many seconds to call it again."""
        if self._heap is None or not self.schedules_equal(self.old_schedulers, self.schedule):
            self.old_schedulers = copy.copy(self.schedule)
            self.populate_heap()
        heap = self._heap
        if not heap:
            return self.max_interval
        event = heap[0]
        is_due, next_s = self.is_due(event.entry)
        if not is_due:
            return min(self.adjust(next_s) or self.max_interval, self.max_interval)
        heapq.heappop(heap)
        following = self.reserve(event.entry)
        self.apply_entry(event.entry)
        heapq.heappush(heap, event_t(self._when(following, next_s), event.priority, following))
        return 0

    def populate_heap(self) -> None:
        """Orders the entries by when they are due."""
        self._heap = []
        for entry in self._looped():
            is_due, next_s = entry.is_due()
            when = self._when(entry, 0 if is_due else next_s)
            self._heap.append(event_t(when, _PRIORITY, entry))
        heapq.heapify(self._heap)

    def _looped(self) -> Iterator[ScheduleEntry]:
        """The entries that the loop runs."""
        yield from self.schedule.values()

    def is_due(self, entry: ScheduleEntry) -> tuple[bool, float]:
        """Whether an entry is due, and in how many seconds to ask again."""
        return entry.is_due()

    def adjust(self, n: float | None, drift: float = -_EARLY_S) -> float | None:
        """Looks a little early: enqueueing takes time."""
        return n + drift if n and n > 0 else n

    def _when(self, entry: ScheduleEntry, next_s: float) -> float:
        return entry.default_now().timestamp() + (self.adjust(next_s) or 0)

    def reserve(self, entry: ScheduleEntry) -> ScheduleEntry:
        """Notes that an entry is run now; answers it as it is for the next time."""
        following = entry.next()
        self.schedule[entry.name] = following
        return following

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        """Enqueues an entry's job; an error is logged."""
        logger.info("sending the periodic task %s (%s)", entry.name, entry.task)
        try:
            result = self.apply_async(entry, producer=producer, advance=False)
        except Exception:  # noqa: BLE001 - one bad entry must not end the others
            logger.exception("the periodic task %s was not enqueued", entry.name)
        else:
            logger.debug("%s is job %s", entry.name, getattr(result, "id", None))

    def apply_async(
        self,
        entry: ScheduleEntry,
        producer: Any = None,  # noqa: ARG002 - Celery's signature
        advance: bool = True,
        **kwargs: Any,  # noqa: ARG002
    ) -> Any:
        """Enqueues an entry's job. Raises SchedulingError."""
        entry = self.reserve(entry) if advance else entry
        try:
            args = [_computed(value) for value in entry.args or ()]
            named = {name: _computed(value) for name, value in entry.kwargs.items()}
            return self.send_task(entry.task, args, named, **entry.options)
        except Exception as error:
            raise SchedulingError(
                f"the periodic task {entry.name} was not enqueued: {error}"
            ) from error
        finally:
            self._tasks_since_sync += 1
            if self.should_sync():
                self._do_sync()

    def send_task(self, *args: Any, **kwargs: Any) -> Any:
        """Enqueues a job; as `app.send_task`."""
        return self.app.send_task(*args, **kwargs)

    # --- Keeping ----------------------------------------------------------------------------------

    def should_sync(self) -> bool:
        """Whether it is time for `sync`."""
        is_old = self._last_sync is None or time.monotonic() - self._last_sync > self.sync_every
        return is_old or bool(
            self.sync_every_tasks and self._tasks_since_sync >= self.sync_every_tasks
        )

    def _do_sync(self) -> None:
        try:
            self.sync()
        finally:
            self._last_sync = time.monotonic()
            self._tasks_since_sync = 0

    def sync(self) -> None:
        """For subclasses: keep what was run when."""

    def close(self) -> None:
        """Called at the end."""
        self.sync()

    @property
    def info(self) -> str:
        """A line for the start of the log."""
        return ""


class PersistentScheduler(Scheduler):
    """The default: entries are schedules of the store, which any working process fires.

    Those that only Python can compute are run by its loop; when they ran last is kept in a small JSON file,
    `beat_schedule_filename`.
    """

    def __init__(self, *args: Any, schedule_filename: str | None = None, **kwargs: Any) -> None:
        self.schedule_filename = schedule_filename
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        """Puts the configuration into the store."""
        self.merge_inplace(self.app.conf.beat_schedule)
        self.install_default_entries(self.data)
        sync_schedules(self.app, self.data)
        for name, (last_run_at, count) in self._kept().items():
            entry = self.data.get(name)
            if entry is not None and entry.needs_beat:
                entry.last_run_at, entry.total_run_count = last_run_at, count
        self.sync()

    def add(self, **kwargs: Any) -> ScheduleEntry:
        """Adds an entry, and its schedule in the store."""
        entry = super().add(**kwargs)
        sync_schedules(self.app, self.data)
        return entry

    def _looped(self) -> Iterator[ScheduleEntry]:
        return (entry for entry in self.data.values() if entry.needs_beat)

    def sync(self) -> None:
        """Reads from the store what was run when, and keeps what the loop has run."""
        prefix = row_prefix(self.app)
        for info in own_rows(self.app):
            entry = self.data.get(info.id.removeprefix(prefix))
            if entry is not None:
                entry.total_run_count = info.fired
                if info.last_at_ms:
                    entry.last_run_at = dt.datetime.fromtimestamp(
                        info.last_at_ms / 1000, dt.timezone.utc
                    )
        looped = {
            entry.name: [entry.last_run_at.isoformat(), entry.total_run_count]
            for entry in self._looped()
        }
        if looped and self.schedule_filename:
            fresh = Path(f"{self.schedule_filename}.{os.getpid()}")
            fresh.write_text(json.dumps(looped), encoding="utf-8")
            fresh.replace(self.schedule_filename)

    def _kept(self) -> dict[str, tuple[dt.datetime, int]]:
        path = Path(self.schedule_filename or "")
        if not self.schedule_filename or not path.is_file():
            return {}
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            return {
                name: (dt.datetime.fromisoformat(last), int(count))
                for name, (last, count) in found.items()
            }
        except (ValueError, TypeError, AttributeError):
            logger.warning("%s is not a file of this scheduler; it will be replaced", path)
            return {}

    @property
    def info(self) -> str:
        """A line for the start of the log."""
        return f"    . db -> {self.app.store}"


def scheduler_class(given: Any) -> type[Scheduler]:
    """The class that `beat_scheduler` or `--scheduler` names. Raises ImproperlyConfigured."""
    if not given:
        return PersistentScheduler
    if not isinstance(given, str):
        return given  # type: ignore[no-any-return]
    text = (
        given.replace("celery.beat", "millrace.beat", 1) if given.startswith("celery.") else given
    )
    module, _, name = text.replace(":", ".").rpartition(".")
    from importlib import import_module

    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ImproperlyConfigured(
            f"there is no scheduler {given!r}: {error}. Leave beat_scheduler out: any worker fires beat_schedule, and "
            "app.schedules.put() adds schedules while it runs"
        ) from error
    if not isinstance(found, type) or not callable(getattr(found, "tick", None)):
        raise ImproperlyConfigured(f"{given!r} is not a scheduler class: {found!r}")
    return found


def _computed(value: Any) -> Any:
    return value() if isinstance(value, BeatLazyFunc) else value
