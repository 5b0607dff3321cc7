"""Schedules as objects: what `crontab`, `schedule` and `solar` have in common, and the plain interval."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from millrace import options
from millrace.schedules.slots import zone_name

if TYPE_CHECKING:
    from millrace.app import Millrace

NowFunction = Callable[[], dt.datetime]
_Moment = dt.datetime

_UTC = dt.timezone.utc
_RESOLUTIONS = (
    (dt.timedelta(days=1), ("hour", "minute", "second")),
    (dt.timedelta(hours=1), ("minute", "second")),
    (dt.timedelta(minutes=1), ("second",)),
)


class schedstate(NamedTuple):  # noqa: N801 - Celery's name
    """What `is_due` answers: whether to run now, and in how many seconds to ask again."""

    is_due: bool
    next: float


class BaseSchedule:
    """When a job is to run. A subclass with an `is_due` of its own is run by `millrace beat` alone.

    Args:
        nowfun: What time it is; default the application's clock. The time zone of what it returns is the schedule's.
        app: Whose time zone and clock count; default the current application.
    """

    def __init__(self, nowfun: NowFunction | None = None, app: Millrace | None = None) -> None:
        self.nowfun = nowfun
        self._app = app
        self._tz: dt.tzinfo | None = None

    @property
    def app(self) -> Any:
        """The application."""
        if self._app is not None:
            return self._app
        from millrace import current_app

        return current_app

    @app.setter
    def app(self, app: Millrace | None) -> None:
        self._app = app

    @property
    def tz(self) -> dt.tzinfo:
        """The time zone that it is read in."""
        if self._tz is not None:
            return self._tz
        if self.nowfun is not None:
            zone = self.nowfun().tzinfo
            if zone is not None:
                return zone
        zone = self.app.timezone
        return zone if isinstance(zone, dt.tzinfo) else _UTC

    @tz.setter
    def tz(self, zone: dt.tzinfo | None) -> None:
        self._tz = zone

    @property
    def utc_enabled(self) -> bool:
        """The setting `enable_utc`."""
        return bool(self.app.conf.enable_utc)

    def now(self) -> dt.datetime:
        """The present."""
        now: dt.datetime = (self.nowfun or self.app.now)()
        return now

    def maybe_make_aware(self, dt: _Moment, naive_as_utc: bool = True) -> _Moment:
        """A datetime in the schedule's time zone; one without time zone is taken as UTC, or as local."""
        if dt.tzinfo is not None:
            return dt
        if not naive_as_utc:
            return dt.replace(tzinfo=self.tz)
        return dt.replace(tzinfo=_UTC).astimezone(self.tz)

    def timing(self) -> dict[str, Any]:
        """When, as the store takes it: fields of `Engine.put_schedule`."""
        raise NotImplementedError

    def remaining_estimate(self, last_run_at: dt.datetime) -> dt.timedelta:
        """How long it is until the first slot after the last run; negative if that has passed."""
        raise NotImplementedError

    def is_due(self, last_run_at: dt.datetime) -> tuple[bool, float]:
        """Whether to run now, and in how many seconds to ask again."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        if isinstance(other, BaseSchedule):
            return other.nowfun == self.nowfun
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it may be changed

    def zone(self) -> str:
        """The IANA name of `tz`. Raises ValueError if it has none."""
        return zone_name(self.tz)


class schedule(BaseSchedule):  # noqa: N801 - Celery's name
    """An interval.

    Args:
        run_every: Seconds, or a timedelta.
        relative: For `is_due`: runs fall on full days, hours, minutes or seconds, whichever the interval is made of. In
            the store all intervals are counted from the epoch, so that they always do.
        nowfun: What time it is; default the application's clock.
        app: Whose time zone and clock count.
    """

    relative = False

    def __init__(
        self,
        run_every: float | dt.timedelta | None = None,
        relative: bool = False,
        nowfun: NowFunction | None = None,
        app: Millrace | None = None,
    ) -> None:
        if isinstance(run_every, bool) or not isinstance(
            run_every, int | float | dt.timedelta | None
        ):
            raise options.wrong_type("run_every", "a number of seconds or a timedelta", run_every)
        if isinstance(run_every, int | float):
            run_every = dt.timedelta(seconds=run_every)
        if run_every is not None and run_every < dt.timedelta(0):
            raise ValueError(f"run_every must not be negative, not {run_every}")
        self.run_every = run_every
        self.relative = relative
        super().__init__(nowfun=nowfun, app=app)

    @property
    def interval(self) -> dt.timedelta:
        """`run_every`; raises ValueError if there is none."""
        if self.run_every is None:
            raise ValueError("schedule() has no run_every")
        return self.run_every

    @property
    def seconds(self) -> float:
        """The interval in seconds."""
        return max(self.interval.total_seconds(), 0)

    @property
    def human_seconds(self) -> str:
        """The interval for people."""
        return _human(self.seconds)

    def timing(self) -> dict[str, Any]:
        """When, as the store takes it. Raises ValueError for an interval below a millisecond."""
        every_ms = round(self.seconds * 1000)
        if every_ms < 1:
            raise ValueError(f"run_every must be at least a millisecond, not {self.run_every}")
        return {"every_ms": every_ms}

    def remaining_estimate(self, last_run_at: dt.datetime) -> dt.timedelta:
        """How long it is until the next run; negative if that has passed."""
        due = self.maybe_make_aware(last_run_at) + self.interval
        if self.relative:
            due = _rounded(due, self.interval)
        return due - self.maybe_make_aware(self.now())

    def is_due(self, last_run_at: dt.datetime) -> tuple[bool, float]:
        """Whether to run now, and in how many seconds to ask again."""
        remaining_s = max(self.remaining_estimate(last_run_at).total_seconds(), 0.0)
        if remaining_s == 0:
            return schedstate(is_due=True, next=self.seconds)
        return schedstate(is_due=False, next=remaining_s)

    def __repr__(self) -> str:
        return f"<freq: {self.human_seconds}>"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, schedule):
            return self.run_every == other.run_every
        return self.run_every == other

    __hash__ = None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.run_every, self.relative, self.nowfun)


def maybe_schedule(value: Any, relative: bool = False, app: Millrace | None = None) -> Any:
    """A schedule of what stands in `beat_schedule`: a number of seconds, a timedelta, or a schedule."""
    if isinstance(value, int | float | dt.timedelta):
        return schedule(value, relative, app=app)
    if isinstance(value, BaseSchedule):
        value.app = app
    return value


def _rounded(moment: dt.datetime, interval: dt.timedelta) -> dt.datetime:
    """Down to what the interval is made of."""
    for unit, fields in _RESOLUTIONS:
        if interval >= unit:
            return moment.replace(microsecond=0, **dict.fromkeys(fields, 0))  # type: ignore[arg-type]
    return moment.replace(microsecond=0)


def _human(seconds: float) -> str:
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            number = seconds / length
            return f"{number:g} {unit}{'' if number == 1 else 's'}"
    return f"{seconds:g} second{'' if seconds == 1 else 's'}" if seconds else "now"
