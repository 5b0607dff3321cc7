"""`crontab`, as Celery's users write it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from millrace import options
from millrace.schedules.base import BaseSchedule, NowFunction, schedstate
from millrace.schedules.slots import next_slot

if TYPE_CHECKING:
    from millrace.app import Millrace

Cronspec = int | str | Iterable[int]

_MONTHS: Final = (
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
)
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART: Final = re.compile(r"(?P<range>\*|[^/]+?)(?:/(?P<step>.*))?")
_NAME_LETTERS: Final = 3
_FIELDS: Final = {
    "minute": (60, 0),
    "hour": (24, 0),
    "day_of_week": (7, 0),
    "day_of_month": (31, 1),
    "month_of_year": (12, 1),
}


class ParseException(ValueError):
    """A part of a crontab field that cannot be read; the message names it and what is accepted."""


class crontab_parser:  # noqa: N801 - Celery's name
    """Reads one field: `*`, numbers and names, ranges (which may wrap), steps, and lists of those.

    Args:
        max_: How many values there are.
        min_: The first of them.
    """

    ParseException = ParseException

    def __init__(self, max_: int = 60, min_: int = 0) -> None:
        self.max_ = max_
        self.min_ = min_

    def parse(self, spec: str) -> set[int]:
        """The values that match. Raises ParseException."""
        found: set[int] = set()
        for part in spec.split(","):
            found.update(self._part(part.strip()))
        return found

    def _part(self, part: str) -> list[int]:
        match = _PART.fullmatch(part)
        if match is None:
            raise self._refused("is empty" if not part else "cannot be read", part)
        values = self._range(match["range"])
        if match["step"] is None:
            return values
        if not match["step"].isdecimal() or int(match["step"]) == 0:
            raise self._refused("has an impossible step", part)
        if match["range"] != "*" and "-" not in match["range"]:
            raise self._refused("has a step and no range before it", part)
        return values[:: int(match["step"])]

    def _range(self, text: str) -> list[int]:
        if text == "*":
            return list(range(self.min_, self.min_ + self.max_))
        first, dash, last = text.partition("-")
        if not first or (dash and not last):
            raise self._refused("is negative or half a range", text)
        begin = self._value(first)
        end = self._value(last) if dash else begin
        if end < begin:  # it wraps
            end += self.max_
        return [(value - self.min_) % self.max_ + self.min_ for value in range(begin, end + 1)]

    def _value(self, text: str) -> int:
        if text.isdecimal():
            value = int(text)
        else:
            name = text[:_NAME_LETTERS].lower()
            if name in _MONTHS:
                value = _MONTHS.index(name) + 1
            elif name in _WEEKDAYS:
                value = _WEEKDAYS.index(name)
            else:
                raise self._refused("is neither a number nor a name", text)
        if not self.min_ <= value < self.min_ + self.max_:
            raise self._refused("is out of range", text)
        return value

    def _refused(self, problem: str, text: str) -> Exception:
        return self.ParseException(
            f"crontab: {text!r} {problem}; accepted are {self.min_} to {self.min_ + self.max_ - 1}, '*', "
            "ranges as '1-5', steps as '*/2' or '1-5/2', names of days and months, and lists of those with commas"
        )


class crontab(BaseSchedule):  # noqa: N801 - Celery's name
    """Times of the clock and days of the calendar. A slot must match all fields.

    Each field is a number, an iterable of numbers, or text such as "*/15", "0,8-17/2" or "mon-fri".

    Args:
        minute: 0 to 59.
        hour: 0 to 23.
        day_of_week: 0 (Sunday) to 6, or names.
        day_of_month: 1 to 31.
        month_of_year: 1 to 12, or names.
        nowfun: What time it is; default the application's clock. The time zone of what it returns is the schedule's.
        app: Whose time zone and clock count.
        tz: The time zone, instead of the application's. (Celery has no such argument.)
    """

    def __init__(
        self,
        minute: Cronspec = "*",
        hour: Cronspec = "*",
        day_of_week: Cronspec = "*",
        day_of_month: Cronspec = "*",
        month_of_year: Cronspec = "*",
        *,
        nowfun: NowFunction | None = None,
        app: Millrace | None = None,
        tz: dt.tzinfo | None = None,
    ) -> None:
        super().__init__(nowfun=nowfun, app=app)
        self._tz = tz
        self._orig_minute = _field(minute)
        self._orig_hour = _field(hour)
        self._orig_day_of_week = _field(day_of_week)
        self._orig_day_of_month = _field(day_of_month)
        self._orig_month_of_year = _field(month_of_year)
        self.minute = _expanded("minute", self._orig_minute)
        self.hour = _expanded("hour", self._orig_hour)
        self.day_of_week = _expanded("day_of_week", self._orig_day_of_week)
        self.day_of_month = _expanded("day_of_month", self._orig_day_of_month)
        self.month_of_year = _expanded("month_of_year", self._orig_month_of_year)

    @classmethod
    def from_string(cls, crontab: str, **kwargs: Any) -> crontab:
        """Of cron's own text: minute, hour, day of the month, month, day of the week. Raises ValueError."""
        fields = crontab.split()
        if len(fields) != len(_FIELDS):
            raise ValueError(
                f"crontab text must have 5 fields (minute hour day-of-month month day-of-week), not {crontab!r}"
            )
        minute, hour, day_of_month, month_of_year, day_of_week = fields
        return cls(minute, hour, day_of_week, day_of_month, month_of_year, **kwargs)

    def text(self) -> str:
        """As the store's cron text."""
        day_of_week = _joined("day_of_week", self.day_of_week)
        day_of_month = _joined("day_of_month", self.day_of_month)
        if day_of_week != "*" and day_of_month != "*":
            day_of_week = f"&{day_of_week}"  # both must match; cron takes either
        fields = (_joined("minute", self.minute), _joined("hour", self.hour), day_of_month)
        return " ".join((*fields, _joined("month_of_year", self.month_of_year), day_of_week))

    def timing(self) -> dict[str, Any]:
        """When, as the store takes it."""
        return {"cron": self.text(), "time_zone": self.zone()}

    def remaining_estimate(self, last_run_at: dt.datetime) -> dt.timedelta:
        """How long it is until the first slot after the last run; negative if that has passed."""
        now = self.maybe_make_aware(self.now())
        return self._next(self.maybe_make_aware(last_run_at)) - now

    def is_due(self, last_run_at: dt.datetime) -> tuple[bool, float]:
        """Whether to run now, and in how many seconds to ask again.

        With the setting `beat_cron_starting_deadline`, a slot that passed longer ago than that is not run.
        """
        now = self.maybe_make_aware(self.now())
        after = self.maybe_make_aware(last_run_at)
        deadline = self.app.conf.beat_cron_starting_deadline
        if deadline is not None:
            after = max(after, now - dt.timedelta(seconds=deadline, milliseconds=1))
        remaining = self._next(after) - now
        if remaining > dt.timedelta(0):
            return schedstate(is_due=False, next=remaining.total_seconds())
        return schedstate(is_due=True, next=(self._next(now) - now).total_seconds())

    def _next(self, after: dt.datetime) -> dt.datetime:
        slot = next_slot(after, self.timing())
        assert slot is not None, "cron text that never fires was refused"
        return slot

    def __repr__(self) -> str:
        fields = (
            self._orig_minute,
            self._orig_hour,
            self._orig_day_of_month,
            self._orig_month_of_year,
            self._orig_day_of_week,
        )
        return f"<crontab: {' '.join(str(field) for field in fields)} (m/h/dM/MY/d)>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, crontab):
            return NotImplemented
        mine = [getattr(self, name) for name in _FIELDS]
        same_time = mine == [getattr(other, name) for name in _FIELDS]
        return same_time and self._tz == other._tz and self.nowfun == other.nowfun

    __hash__ = None

    def __reduce__(self) -> tuple[Any, ...]:
        fields = tuple(getattr(self, f"_orig_{name}") for name in _FIELDS)
        return type(self), fields, {"nowfun": self.nowfun, "_tz": self._tz}


def _field(spec: Any) -> Any:
    """As it is kept and shown: an iterator can be read only once."""
    if spec is None:
        return "*"
    if isinstance(spec, str | int) or not isinstance(spec, Iterable):
        return spec
    return spec if isinstance(spec, set | frozenset | list | tuple) else list(spec)


def _expanded(name: str, spec: Any) -> set[int]:
    """The values of a field. Raises ParseException, ValueError, TypeError, each naming the field."""
    length, least = _FIELDS[name]
    accepted = f"{least} to {least + length - 1}"
    if isinstance(spec, str):
        try:
            return crontab_parser(length, least).parse(spec)
        except ParseException as error:
            raise ParseException(f"{name}: {error}") from None
    values = {spec} if isinstance(spec, int) else spec
    if isinstance(spec, bool) or not isinstance(values, Iterable):
        raise options.wrong_type(name, "an int, a str or an iterable of ints", spec)
    found = set(values)
    for value in found:
        if isinstance(value, bool) or not isinstance(value, int):
            raise options.wrong_type(name, "made of ints", value)
        if not least <= value < least + length:
            raise ValueError(f"{name} must be {accepted}, not {value}")
    if not found:
        raise ValueError(f"{name} must hold at least one of {accepted}")
    return found


def _joined(name: str, values: set[int]) -> str:
    if len(values) == _FIELDS[name][0]:
        return "*"
    return ",".join(str(value) for value in sorted(values))
