"""The periodic tasks of an application's configuration, as schedules of its store.

Each entry is a row `beat/<application's name>/<entry's name>`. Whoever puts the entries replaces those of the same name
and removes the rows of entries that are gone, of this application's name only: applications that share a file need
different names, and schedules that were put by hand or by others are left alone. A row whose timing has not changed
keeps its next slot; one that was paused by hand stays paused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from millrace import _core, options
from millrace.errors import NotFound
from millrace.log import logger

if TYPE_CHECKING:
    from millrace.beat.entries import ScheduleEntry

_PAGE = 1_000
_CANVASES = ("chain", "group", "chord")
_DEFAULT_SCHEDULERS = (
    "",
    "millrace.beat:PersistentScheduler",
    "millrace.beat.PersistentScheduler",
    "celery.beat:PersistentScheduler",
    "celery.beat.PersistentScheduler",
)


@dataclasses.dataclass
class Synced:
    """What a synchronisation did, each by the entries' names.

    Attributes:
        put: Rows made or replaced.
        removed: Rows of entries that are gone.
        needs_beat: Entries that only a beat process can run.
    """

    put: list[str]
    removed: list[str]
    needs_beat: list[str]


def sync_schedules(app: Any, entries: Mapping[str, ScheduleEntry] | None = None) -> Synced:
    """Puts the entries of `beat_schedule` (or the given ones) into the store, and removes those that are gone.

    Raises SchedulingError for an entry that makes no sense; nothing was changed then.
    """
    if entries is None:
        entries = configured_entries(app)
    rows = {name: row_of(app, entry) for name, entry in entries.items() if not entry.needs_beat}
    known = {info.id: info for info in own_rows(app)}
    prefix = row_prefix(app)
    done = Synced([], [], [name for name, entry in entries.items() if entry.needs_beat])
    for name, (spec, fields) in rows.items():
        before = known.pop(prefix + name, None)
        app.engine.put_schedule(
            prefix + name, spec, paused=before is not None and before.paused, **fields
        )
        done.put.append(name)
    for row_id in known:
        remove_row(app, row_id)
        done.removed.append(row_id.removeprefix(prefix))
    return done


def begin_schedules(app: Any) -> None:
    """What a worker does about periodic tasks when it starts; an entry that makes no sense is logged.

    Without any entry it leaves the store alone: the configuration that has them may be another process's. An empty
    `beat_schedule` that is set removes the rows.
    """
    entries = app.conf.beat_schedule
    if not has_stored_scheduler(app):
        return
    if not entries and not app.conf.value_set_for("beat_schedule"):
        left = app.engine.list_schedules(after=row_prefix(app), limit=1)
        if left and left[0].id.startswith(row_prefix(app)):
            logger.info(
                "periodic tasks of an earlier configuration are still in the store; beat_schedule = {} removes them"
            )
        return
    from millrace.beat.entries import SchedulingError

    if not isinstance(entries, Mapping):
        logger.error(
            "beat_schedule must be a mapping of names to entries, not %s; none of it is run",
            type(entries).__name__,
        )
        return
    good: dict[str, ScheduleEntry] = {}
    for name, given in entries.items():
        try:
            entry = checked(app, name, given)
            if not entry.needs_beat:
                row_of(app, entry)  # raises what is wrong with it
            good[name] = entry
        except SchedulingError as error:
            logger.error("%s; it is not run", error)
    done = sync_schedules(app, good)
    if done.put or done.removed:
        logger.info("%d periodic tasks, %d removed", len(done.put), len(done.removed))
    if done.needs_beat:
        logger.warning(
            "%s: computed in Python, so that only `millrace beat` (or -B) runs them",
            ", ".join(done.needs_beat),
        )


def configured_entries(app: Any) -> dict[str, ScheduleEntry]:
    """The entries of `beat_schedule`, by name. Raises SchedulingError."""
    return {name: checked(app, name, given) for name, given in app.conf.beat_schedule.items()}


def checked(app: Any, name: str, given: Any) -> ScheduleEntry:
    """The entry that stands in `beat_schedule` under a name. Raises SchedulingError."""
    from millrace.beat.entries import ScheduleEntry, checked_entry

    return checked_entry(app, name, given, ScheduleEntry)


def row_of(app: Any, entry: ScheduleEntry) -> tuple[_core.JobSpec, dict[str, Any]]:
    """The job of an entry, and when. Raises SchedulingError."""
    from millrace.beat.entries import SchedulingError

    options = dict(entry.options)
    try:
        fields = entry.schedule.timing()
        app.engine.preview_timing(count=1, **fields)  # raises for one that can never fire
        spec = app.named_job(
            entry.task, entry.args or (), entry.kwargs, queue=options.pop("queue", None), **options
        )
    except Exception as error:
        raise SchedulingError(f"beat_schedule[{entry.name!r}]: {error}") from error
    # As Celery: a slot that nobody was there for runs late, unless there is a deadline for that.
    late = app.conf.beat_cron_starting_deadline
    fields["catch_up"] = "last" if late is None or "cron" not in fields else "none"
    return spec, fields


def row_prefix(app: Any) -> str:
    """What the ids of an application's rows begin with."""
    return f"beat/{app.name}/"


def own_rows(app: Any) -> Iterator[_core.ScheduleInfo]:
    """The rows of an application."""
    prefix = after = row_prefix(app)
    while page := app.engine.list_schedules(after=after, limit=_PAGE):
        for info in page:
            if not info.id.startswith(prefix):
                return
            yield info
        after = page[-1].id


def remove_row(app: Any, row_id: str) -> None:
    """Removes a row; another process may have been quicker."""
    try:
        app.engine.remove_schedule(row_id)
    except NotFound:
        logger.debug("schedule %s was gone already", row_id)


def has_stored_scheduler(app: Any) -> bool:
    """Whether the application's scheduler keeps its entries in the store, so that any worker fires them."""
    given = app.conf.beat_scheduler or ""
    if isinstance(given, str) and given in _DEFAULT_SCHEDULERS:
        return True
    from millrace.beat.scheduler import PersistentScheduler, scheduler_class

    return issubclass(scheduler_class(given), PersistentScheduler)


def periodic_entry(
    app: Any,
    schedule: Any,
    sig: Any,
    args: Iterable[Any],
    kwargs: Mapping[str, Any] | None,
    name: str | None,
    opts: Mapping[str, Any],
) -> tuple[str, dict[str, Any]]:
    """The name and the entry that `app.add_periodic_task` adds."""
    from millrace.canvas import Signature
    from millrace.schedules import BaseSchedule, maybe_schedule

    if not isinstance(maybe_schedule(schedule, app=app), BaseSchedule):
        raise options.wrong_type(
            "schedule", "a number of seconds, a timedelta or a schedule", schedule
        )
    if not isinstance(sig, Signature):
        task = getattr(sig, "name", None)
        if not isinstance(task, str):
            raise options.wrong_type("sig", "a signature, such as task.s()", sig)
        sig = Signature(task, args=tuple(args), kwargs=dict(kwargs or {}), app=app)
    else:
        sig = sig.clone(tuple(args), dict(kwargs or {}))
    key = name or repr(sig)
    if name is None and key in {**app._beat_schedule, **app._periodic}:
        logger.warning(
            "two periodic tasks are called %r, the second replaces the first; pass name=", key
        )
    if sig.subtask_type in _CANVASES:
        raise options.wrong_type(
            "sig", "a signature of one task; a task of its own may start a canvas", sig
        )
    return key, {
        "schedule": schedule,
        "task": sig.task,
        "args": sig.args,
        "kwargs": sig.kwargs,
        "options": {**sig.options, **opts},
    }
