"""`solar`, as Celery's users write it; the sun is the core's, so that no library for astronomy is needed."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from millrace import options
from millrace.schedules.base import BaseSchedule, NowFunction, schedstate
from millrace.schedules.slots import next_slot

if TYPE_CHECKING:
    from millrace.app import Millrace

_LATITUDE_MAX: Final = 90
_LONGITUDE_MAX: Final = 180
_EVENTS: Final = (
    "dawn_astronomical",
    "dawn_nautical",
    "dawn_civil",
    "sunrise",
    "solar_noon",
    "sunset",
    "dusk_civil",
    "dusk_nautical",
    "dusk_astronomical",
)


class solar(BaseSchedule):  # noqa: N801 - Celery's name
    """A moment of the sun at a place.

    Args:
        event: "dawn_astronomical", "dawn_nautical", "dawn_civil", "sunrise", "solar_noon", "sunset", "dusk_civil",
            "dusk_nautical" or "dusk_astronomical".
        lat: Latitude, -90 to 90; north is positive.
        lon: Longitude, -180 to 180; east is positive.
        nowfun: What time it is; default the application's clock.
        app: Whose time zone and clock count.
    """

    def __init__(
        self,
        event: str,
        lat: float,
        lon: float,
        *,
        nowfun: NowFunction | None = None,
        app: Millrace | None = None,
    ) -> None:
        super().__init__(nowfun=nowfun, app=app)
        if event not in _EVENTS:
            raise ValueError(f"event must be one of {', '.join(_EVENTS)}, not {event!r}")
        self.event = event
        self.lat = _degrees("lat", lat, _LATITUDE_MAX)
        self.lon = _degrees("lon", lon, _LONGITUDE_MAX)

    def timing(self) -> dict[str, Any]:
        """When, as the store takes it."""
        return {"solar": self.event, "latitude": self.lat, "longitude": self.lon}

    def remaining_estimate(self, last_run_at: dt.datetime) -> dt.timedelta:
        """How long it is until the event after the last run; negative if that has passed."""
        now = self.maybe_make_aware(self.now())
        slot = next_slot(self.maybe_make_aware(last_run_at), self.timing())
        return dt.timedelta.max if slot is None else slot - now

    def is_due(self, last_run_at: dt.datetime) -> tuple[bool, float]:
        """Whether to run now, and in how many seconds to ask again."""
        remaining_s = max(self.remaining_estimate(last_run_at).total_seconds(), 0.0)
        if remaining_s > 0:
            return schedstate(is_due=False, next=remaining_s)
        following_s = self.remaining_estimate(self.now()).total_seconds()
        return schedstate(is_due=True, next=max(following_s, 0.0))

    def __repr__(self) -> str:
        return f"<solar: {self.event} at latitude {self.lat}, longitude: {self.lon}>"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, solar):
            return (self.event, self.lat, self.lon) == (other.event, other.lat, other.lon)
        return NotImplemented

    __hash__ = None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.event, self.lat, self.lon)


def _degrees(name: str, value: float, most: int) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise options.wrong_type(name, "a number", value)
    if not -most <= value <= most:
        raise ValueError(f"{name} must be between -{most} and {most}, not {value}")
    return value
