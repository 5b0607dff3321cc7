"""`app.schedules`: the schedules of a store, put and read."""

from __future__ import annotations

import builtins
import dataclasses
import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Literal

from millrace import _core, options
from millrace.errors import InvalidArgument
from millrace.prepared import PreparedJob, as_prepared
from millrace.result import AsyncResult

if TYPE_CHECKING:
    from millrace.aio_model import ScheduleCalls
    from millrace.app import Millrace
    from millrace.options import Seconds
    from millrace.prepared import JobLike
    from millrace.schedules.cron import crontab
    from millrace.schedules.sun import solar as celery_solar

Overlap = Literal["allow", "skip", "queue_one"]
CatchUp = Literal["none", "last", "all"]

_PAGE: Final = 1_000


@dataclasses.dataclass(frozen=True)
class Solar:
    """A moment of the sun at a place.

    Args:
        event: "sunrise", "sunset", "solar_noon", "dawn_civil", "dawn_nautical", "dawn_astronomical", and the same with
            "dusk".
        latitude: -90 to 90, north is positive.
        longitude: -180 to 180, east is positive.
    """

    event: str
    latitude: float
    longitude: float


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A schedule as it is read back, and how far it is.

    Attributes:
        id: Its id.
        job: The job of each slot.
        cron: The cron text; None if it goes by `every` or `solar`.
        tz: The time zone of the cron text.
        every: The interval.
        offset: Of the interval's slots.
        solar: The moment of the sun.
        start: No slot before.
        end: No slot after.
        limit: Jobs that it makes in all; None: no bound.
        jitter: By how much each job is delayed at most.
        overlap: What happens when a slot comes while the job of an earlier one is not finished.
        catch_up: What happens to slots that passed while no process was there.
        catch_up_max: Bound of "all".
        paused: Whether it makes no jobs now.
        next_run: The next slot; None if there is none.
        last_run: The newest slot that was fired or passed by.
        fired: Jobs made.
        skipped: Slots passed by.
        last_job: The newest job's result.
    """

    id: str
    job: JobLike[Any]
    cron: str | None
    tz: str
    every: dt.timedelta | None
    offset: dt.timedelta
    solar: Solar | None
    start: dt.datetime | None
    end: dt.datetime | None
    limit: int | None
    jitter: dt.timedelta
    overlap: str
    catch_up: str
    catch_up_max: int
    paused: bool
    next_run: dt.datetime | None
    last_run: dt.datetime | None
    fired: int
    skipped: int
    last_job: AsyncResult[Any] | None


class Schedules:
    """`app.schedules`."""

    def __init__(self, app: Millrace) -> None:
        self._app = app

    def put(
        self,
        id: str,  # noqa: A002 - what it is called everywhere else
        job: JobLike[Any],
        *,
        cron: str | crontab | None = None,
        tz: str | None = None,
        every: Seconds | None = None,
        offset: Seconds | None = None,
        solar: Solar | celery_solar | None = None,
        start: dt.datetime | None = None,
        end: dt.datetime | None = None,
        limit: int | None = None,
        jitter: Seconds | None = None,
        overlap: Overlap = "allow",
        catch_up: CatchUp = "last",
        catch_up_max: int = 100,
        paused: bool = False,
        immediately: bool = False,
        from_start: bool = False,
    ) -> Schedule:
        """Creates or replaces a schedule. One whose timing has not changed keeps its next slot and its counters.

        Args:
            id: Unique in the store.
            job: The job of each slot, made by `task.s(...)`; with a queue, priority and so on as it says.
            cron: Five fields (minute hour day month weekday) or six (second first), or "@daily" and the like; or a
                `millrace.schedules.crontab`, which knows its time zone.
            tz: IANA name of the time zone of the cron text, such as "Europe/Berlin"; default UTC.
            every: Seconds (or a timedelta) between slots, instead of cron.
            offset: Of the interval's slots, counted from the epoch.
            solar: A moment of the sun, instead of cron: a `Solar`, or a `millrace.schedules.solar`.
            start: No slot before.
            end: No slot after. A naive datetime is UTC.
            limit: Jobs that it makes in all.
            jitter: Each job is delayed by up to so many seconds.
            overlap: While the job of an earlier slot is not finished: "allow" another one, "skip" the slot, or
                "queue_one": one more waits until the running one has ended.
            catch_up: For slots that passed while no process was there: "none", a job for the "last" of them, or "all".
            catch_up_max: Bound of "all"; the newest ones count.
            paused: Put it down without starting it.
            immediately: One job now besides, when the schedule is new.
            from_start: The slots of `every` count from `start` (or from now), not from the epoch; put again with the
                same interval it keeps them. Not together with `offset`.

        Raises:
            InvalidArgument: A timing that can never fire, an unknown time zone, a value out of range; nothing was
                changed.
        """
        job = as_prepared("job", job)
        fields = timing(self._app, cron, tz, every, offset, solar, start, end)
        if limit is not None:
            fields["limit"] = options.check_int("limit", limit, least=1)
        if jitter is not None:
            fields["jitter_ms"] = options.to_ms("jitter", jitter)
        if options.check_flag("from_start", from_start):
            if offset is not None:
                raise InvalidArgument("give offset or from_start, not both")
            fields["from_start"] = True
        info = self._app.engine.put_schedule(
            options.check_text("id", id),
            job.spec,
            overlap=overlap,
            catch_up=catch_up,
            catch_up_max=options.check_int("catch_up_max", catch_up_max, least=1),
            paused=options.check_flag("paused", paused),
            immediately=options.check_flag("immediately", immediately),
            **fields,
        )
        return self._made(info)

    def get(self, id: str) -> Schedule:  # noqa: A002
        """One schedule. Raises NotFound."""
        return self._made(self._app.engine.get_schedule(options.check_text("id", id)))

    def list(self) -> builtins.list[Schedule]:
        """All schedules, by id."""
        return [self._made(info) for info in self._infos()]

    def pause(self, id: str) -> None:  # noqa: A002
        """Makes no more jobs until `resume`. Raises NotFound."""
        self._app.engine.pause_schedule(options.check_text("id", id), paused=True)

    def resume(self, id: str) -> None:  # noqa: A002
        """Undoes `pause`; the next slot is in the future. Raises NotFound."""
        self._app.engine.pause_schedule(options.check_text("id", id), paused=False)

    def remove(self, id: str) -> None:  # noqa: A002
        """Removes a schedule; the jobs that it has made stay. Raises NotFound."""
        self._app.engine.remove_schedule(options.check_text("id", id))

    def preview(
        self,
        *,
        count: int = 10,
        after: dt.datetime | None = None,
        cron: str | crontab | None = None,
        tz: str | None = None,
        every: Seconds | None = None,
        offset: Seconds | None = None,
        solar: Solar | celery_solar | None = None,
        start: dt.datetime | None = None,
        end: dt.datetime | None = None,
    ) -> builtins.list[dt.datetime]:
        """The next slots of a timing, without a schedule; fewer than `count` if it ends. Times are UTC."""
        fields = timing(self._app, cron, tz, every, offset, solar, start, end)
        after_ms = 0 if after is None else options.to_epoch_ms("after", after)
        slots = self._app.engine.preview_timing(
            after_ms=after_ms, count=options.check_int("count", count, least=1), **fields
        )
        return [dt.datetime.fromtimestamp(at_ms / 1000, dt.timezone.utc) for at_ms in slots]

    @property
    def aio(self) -> ScheduleCalls:
        """The same, to be awaited. They never block the event loop."""
        from millrace.aio_model import ScheduleCalls

        return ScheduleCalls(self)

    def _infos(self) -> Iterator[_core.ScheduleInfo]:
        after = ""
        while page := self._app.engine.list_schedules(after=after, limit=_PAGE):
            yield from page
            after = page[-1].id

    def _made(self, info: _core.ScheduleInfo) -> Schedule:
        app, queue = self._app, info.job.queue
        return Schedule(
            id=info.id,
            job=PreparedJob(app, info.job),
            cron=info.cron or None,
            tz=info.time_zone or "UTC",
            every=_duration(info.every_ms) if info.every_ms else None,
            offset=_duration(info.offset_ms),
            solar=Solar(info.solar, info.latitude, info.longitude) if info.solar else None,
            start=_moment(info.start_at_ms),
            end=_moment(info.end_at_ms),
            limit=info.limit or None,
            jitter=_duration(info.jitter_ms),
            overlap=info.overlap,
            catch_up=info.catch_up,
            catch_up_max=info.catch_up_max,
            paused=info.paused,
            next_run=_moment(info.next_at_ms),
            last_run=_moment(info.last_at_ms),
            fired=info.fired,
            skipped=info.skipped,
            last_job=AsyncResult(info.last_job_id, app, queue=queue) if info.last_job_id else None,
        )


def timing(
    app: Millrace,
    cron: str | crontab | None,
    tz: str | None,
    every: Seconds | None,
    offset: Seconds | None,
    solar: Solar | celery_solar | None,
    start: dt.datetime | None,
    end: dt.datetime | None,
) -> dict[str, Any]:
    """When, as the store takes it. Exactly one of cron, every and solar must be given."""
    if [cron, every, solar].count(None) != 2:  # noqa: PLR2004
        raise InvalidArgument("give exactly one of cron, every and solar")
    fields: dict[str, Any] = {}
    for name, given, plain in (("cron", cron, str), ("solar", solar, Solar)):
        if given is None or isinstance(given, plain):
            continue
        fields = _computed(app, name, given)
        if tz is not None:
            raise InvalidArgument(f"{name} knows its time zone: tz cannot be given with it")
    if isinstance(cron, str):
        fields["cron"] = options.check_text("cron", cron)
    if tz is not None:
        fields["time_zone"] = options.check_text("tz", tz)
    if every is not None:
        fields["every_ms"] = options.to_ms("every", every)
    if offset is not None:
        fields["offset_ms"] = options.to_ms("offset", offset)
    if isinstance(solar, Solar):
        fields.update(solar=solar.event, latitude=solar.latitude, longitude=solar.longitude)
    if start is not None:
        fields["start_at_ms"] = options.to_epoch_ms("start", start)
    if end is not None:
        fields["end_at_ms"] = options.to_epoch_ms("end", end)
    return fields


def _computed(app: Millrace, name: str, given: object) -> dict[str, Any]:
    """The fields of a schedule object."""
    from millrace.schedules.base import BaseSchedule

    if not isinstance(given, BaseSchedule):
        accepted = {"cron": "a str or a crontab", "solar": "a Solar or a solar"}
        raise options.wrong_type(name, accepted[name], given)
    if given._app is None:
        given.app = app
    try:
        return given.timing()
    except (NotImplementedError, ValueError) as error:
        raise InvalidArgument(f"{name}: {str(error) or 'the store cannot compute it'}") from error


def _moment(at_ms: int) -> dt.datetime | None:
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.timezone.utc) if at_ms else None


def _duration(ms: int) -> dt.timedelta:
    return dt.timedelta(milliseconds=ms)
