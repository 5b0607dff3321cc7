"""One periodic task of an application."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import total_ordering
from typing import TYPE_CHECKING, Any, Final

from millrace.errors import MillraceError
from millrace.schedules import BaseSchedule, crontab, maybe_schedule, schedule, solar

if TYPE_CHECKING:
    from typing_extensions import Self

    from millrace.app import Millrace

_EDITABLE: Final = ("task", "args", "kwargs", "options", "schedule")
_STORED: Final = (crontab, schedule, solar)  # those that the core computes


class SchedulingError(MillraceError):
    """A periodic task could not be enqueued, or its entry cannot be understood; the message says which and why."""

    code = "invalid_argument"


class BeatLazyFunc:
    """An argument of a periodic task that is computed when the job is made; such an entry needs `millrace beat`.

    Args:
        func: What computes it.
        *args: For it.
        **kwargs: For it.
    """

    def __init__(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self._func = func
        self._args = args
        self._kwargs = kwargs

    def __call__(self) -> Any:
        """Computes it."""
        return self.delay()

    def delay(self) -> Any:
        """Computes it."""
        return self._func(*self._args, **self._kwargs)


@total_ordering
class ScheduleEntry:
    """A periodic task: what to run, when, and how often it was run so far.

    Args:
        name: Unique in the application.
        task: The task's name.
        last_run_at: When it was run last; default now.
        total_run_count: How often.
        schedule: A schedule, a number of seconds, or a timedelta.
        args: Positional arguments.
        kwargs: Keyword arguments.
        options: As for `apply_async`.
        relative: For an interval: fall on full hours and minutes.
        app: The application.
    """

    def __init__(
        self,
        name: str | None = None,
        task: Any = None,
        last_run_at: dt.datetime | None = None,
        total_run_count: int | None = None,
        schedule: Any = None,
        args: Sequence[Any] | None = (),
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        relative: bool = False,
        app: Millrace | None = None,
    ) -> None:
        self.app: Any = app
        self.name = name
        self.task = getattr(task, "name", task)
        self.args = args
        self.kwargs = dict(kwargs or {})
        self.options = dict(options or {})
        self.schedule = maybe_schedule(schedule, relative, app=app)
        self.last_run_at = last_run_at or self.default_now()
        self.total_run_count = total_run_count or 0

    def default_now(self) -> dt.datetime:
        """The present, by the schedule's clock."""
        now: dt.datetime = self.schedule.now() if self.schedule is not None else self.app.now()
        return now

    def next(self, last_run_at: dt.datetime | None = None) -> Self:
        """The entry after one more run."""
        fields = dict(self)
        fields["last_run_at"] = last_run_at or self.default_now()
        fields["total_run_count"] = self.total_run_count + 1
        return type(self)(**fields)

    __next__ = next  # noqa: A003 - Celery's name

    def update(self, other: ScheduleEntry) -> None:
        """Takes over what to run and when; how often it was run stays."""
        for field in _EDITABLE:
            setattr(self, field, getattr(other, field))

    def is_due(self) -> tuple[bool, float]:
        """Whether to run now, and in how many seconds to ask again."""
        answer: tuple[bool, float] = self.schedule.is_due(self.last_run_at)
        return answer

    def editable_fields_equal(self, other: ScheduleEntry) -> bool:
        """Whether both run the same at the same time."""
        return all(getattr(self, field) == getattr(other, field) for field in _EDITABLE)

    @property
    def needs_beat(self) -> bool:
        """Whether only a beat process can run it: the store cannot compute its times or its arguments."""
        when = self.schedule
        computed = next((kind for kind in _STORED if isinstance(when, kind)), None)
        if computed is None or any(
            getattr(type(when), name) is not getattr(computed, name)
            for name in ("is_due", "remaining_estimate")
        ):
            return True
        values = (*(self.args or ()), *self.kwargs.values())
        return any(isinstance(value, BeatLazyFunc) for value in values)

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(vars(self).items())

    def __repr__(self) -> str:
        values = [repr(value) for value in self.args or ()]
        values += [f"{name}={value!r}" for name, value in self.kwargs.items()]
        call = f"{self.task}({', '.join(values)})"
        return f"<{type(self).__name__}: {self.name} {call} {self.schedule}"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ScheduleEntry):
            return self.editable_fields_equal(other)
        return NotImplemented

    def __lt__(self, other: object) -> bool:
        if isinstance(other, ScheduleEntry):
            return id(self) < id(other)  # only to break ties in a heap
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it may be changed

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (
            self.name,
            self.task,
            self.last_run_at,
            self.total_run_count,
            self.schedule,
            self.args,
            self.kwargs,
            self.options,
        )


def checked_entry(app: Millrace, name: str, given: Any, kind: type[ScheduleEntry]) -> ScheduleEntry:
    """The entry of `beat_schedule` under a name. Raises SchedulingError for one that makes no sense."""
    try:
        if isinstance(given, ScheduleEntry):
            given.app = app
            return given
        if not isinstance(given, Mapping):
            raise TypeError(f"it must be a mapping, not {type(given).__name__}")
        unknown = set(given) - {"task", "schedule", "args", "kwargs", "options", "relative"}
        if unknown and kind is ScheduleEntry:
            raise ValueError(
                f"unknown keys {', '.join(sorted(map(str, unknown)))}; accepted are task, schedule, args, kwargs, "
                "options, relative"
            )
        when = given.get("schedule")
        if not isinstance(maybe_schedule(when, app=app), BaseSchedule):
            raise TypeError(
                f"schedule must be a number of seconds, a timedelta or a schedule, not {when!r}"
            )
        args = given.get("args") or ()
        if isinstance(args, str) or not isinstance(args, Sequence):
            raise TypeError(f"args must be a tuple or a list, not {args!r}")
        entry = kind(**{**given, "name": name, "app": app})
        if not isinstance(entry.task, str) or not entry.task:
            raise TypeError(f"task must be a task's name, not {entry.task!r}")
    except SchedulingError:
        raise
    except Exception as error:
        raise SchedulingError(f"beat_schedule[{name!r}]: {error}") from error
    return entry
