"""Limits on how fast and how many jobs run, groups within a queue, and deduplication keys.

    app.limits.set(queue="mail", rate="100/s", concurrency=10)
    app.groups("mail").pause("tenant-7")
    app.dedup.release("report-2026")

They are rows of the store: set at run time, for all processes and both languages at once.
"""

from __future__ import annotations

import builtins
import dataclasses
import datetime as dt
import re
from typing import TYPE_CHECKING, Any, Final

from millrace import _core, options
from millrace.errors import InvalidArgument
from millrace.result import AsyncResult

if TYPE_CHECKING:
    from millrace.aio_model import DedupCalls, GroupCalls, LimitCalls
    from millrace.app import Millrace
    from millrace.options import Seconds

_PAGE: Final = 1_000
_UNIT_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_RATE: Final = re.compile(r"(\d+)/(\d*)(ms|s|m|h|d)")


@dataclasses.dataclass(frozen=True)
class Rate:
    """At most `count` starts in any stretch of `per`: a token bucket that holds `count` tokens.

    After a pause up to `count` jobs may start at once, so that any window of this length sees less than twice as many;
    the long-run rate is never exceeded. As text: "100/s", "10/m", "5/h", "1/d", "3/500ms".

    Args:
        count: 1 or more.
        per: Seconds, or a timedelta.
    """

    count: int
    per: Seconds = 1


def rate_fields(rate: Rate | str | None) -> dict[str, int]:
    """A rate as the store takes it."""
    if rate is None:
        return {}
    if isinstance(rate, Rate):
        count = options.check_int("rate.count", rate.count, least=1)
        return {"rate_count": count, "rate_period_ms": max(1, options.to_ms("rate.per", rate.per))}
    if not isinstance(rate, str):
        raise options.wrong_type("rate", "a Rate or a str", rate)
    match = _RATE.fullmatch(rate)
    if match is None or int(match[1]) == 0 or match[2] == "0":
        raise InvalidArgument(
            f"rate must be starts, a slash and a time, such as 100/s, 10/m, 5/h, 1/d or 3/500ms, not {rate!r}"
        )
    return {
        "rate_count": int(match[1]),
        "rate_period_ms": int(match[2] or 1) * _UNIT_MS[match[3]],
    }


@dataclasses.dataclass(frozen=True)
class Limit:
    """A limit as it is read back.

    Attributes:
        scope: "store", "queue", "task" or "group".
        queue: Its queue, for the scopes "queue" and "group"; else empty.
        task: Its task's name, for the scope "task"; else empty.
        group: Its group; empty in the scope "group": of each group of the queue that has no limit of its own.
        concurrency: Jobs that run at once; None: no bound.
        rate: Starts in a time; None: no bound.
        max_size: Jobs that may wait in the group; None: no bound.
        active: Jobs that run under it now.
        limited_until: Nothing starts before, by the rate or because a worker said so.
    """

    scope: str
    queue: str
    task: str
    group: str
    concurrency: int | None
    rate: Rate | None
    max_size: int | None
    active: int
    limited_until: dt.datetime | None


class Limits:
    """`app.limits`. A scope is `queue=`, `task=`, `queue=` with `group=` or `each_group=True`, or the whole store."""

    def __init__(self, app: Millrace) -> None:
        self._app = app

    def set(
        self,
        *,
        queue: str | None = None,
        task: str | None = None,
        group: str | None = None,
        each_group: bool = False,
        concurrency: int | None = None,
        rate: Rate | str | None = None,
        max_size: int | None = None,
    ) -> None:
        """Sets the limit of a scope, in place of the one that it had.

        Args:
            queue: Limits the jobs of this queue.
            task: Limits the jobs of this task, in all queues.
            group: Limits this group of the queue, or of the default queue.
            each_group: Limits each group of the queue that has no limit of its own.
            concurrency: Jobs that run at once, in all processes together.
            rate: Starts in a time: "100/s", or a `Rate`.
            max_size: Of a group: jobs that may wait in it. An enqueue of more is refused with GroupFull.
        """
        fields: dict[str, Any] = rate_fields(rate)
        if concurrency is not None:
            fields["concurrency"] = options.check_int("concurrency", concurrency, least=1)
        if max_size is not None:
            fields["max_size"] = options.check_int("max_size", max_size, least=1)
        if not fields:
            raise InvalidArgument(
                "give at least one of concurrency, rate and max_size; remove() removes a limit"
            )
        scope, names = self._scope(queue, task, group, each_group)
        if max_size is not None and scope != "group":
            raise InvalidArgument("max_size is for groups: give group= or each_group=True")
        self._app.engine.set_limit(scope, **names, **fields)

    def remove(
        self,
        *,
        queue: str | None = None,
        task: str | None = None,
        group: str | None = None,
        each_group: bool = False,
    ) -> None:
        """Removes the limit of a scope; no error if it has none."""
        scope, names = self._scope(queue, task, group, each_group)
        self._app.engine.set_limit(scope, **names)

    def throttle(
        self,
        seconds: Seconds,
        *,
        queue: str | None = None,
        task: str | None = None,
        group: str | None = None,
        each_group: bool = False,
    ) -> None:
        """Nothing of the scope is started for so long from now; 0 ends that."""
        scope, names = self._scope(queue, task, group, each_group)
        self._app.engine.throttle(scope, options.to_ms("seconds", seconds), **names)

    def list(self) -> builtins.list[Limit]:
        """All limits of the store."""
        return [_limit(info) for info in self._app.engine.list_limits()]

    @property
    def aio(self) -> LimitCalls:
        """The same, to be awaited. They never block the event loop."""
        from millrace.aio_model import LimitCalls

        return LimitCalls(self)

    def _scope(
        self, queue: str | None, task: str | None, group: str | None, each_group: bool
    ) -> tuple[Any, dict[str, Any]]:
        if task is not None:
            if queue is not None or group is not None or each_group:
                raise InvalidArgument(
                    "a limit is for a task, or for a queue or group: not for both"
                )
            return "task", {"task": options.check_text("task", task)}
        if group is not None and each_group:
            raise InvalidArgument("give group= or each_group=True, not both")
        if group is not None or options.check_flag("each_group", each_group):
            names = {"queue": options.check_text("queue", queue or self._app.default_queue)}
            if group is not None:
                names["group"] = options.check_text("group", group)
            return "group", names
        if queue is not None:
            return "queue", {"queue": options.check_text("queue", queue)}
        return "store", {}


def _limit(info: _core.LimitInfo) -> Limit:
    rate = Rate(info.rate_count, info.rate_period_ms / 1000) if info.rate_count else None
    return Limit(
        scope=info.scope,
        queue=info.queue,
        task=info.task,
        group=info.group,
        concurrency=info.concurrency or None,
        rate=rate,
        max_size=info.max_size or None,
        active=info.active,
        limited_until=_moment(info.limited_until_ms),
    )


def _moment(at_ms: int) -> dt.datetime | None:
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.timezone.utc) if at_ms else None


class Groups:
    """`app.groups(queue)`: the lanes of a queue, which take turns."""

    def __init__(self, app: Millrace, queue: str) -> None:
        self._app = app
        self.queue = queue

    def list(self) -> builtins.list[_core.GroupInfo]:
        """The groups that have jobs waiting or running, or are paused, by name."""
        groups = []
        after = ""
        while page := self._app.engine.list_groups(self.queue, after=after, limit=_PAGE):
            groups += page
            after = page[-1].group
        return groups

    def pause(self, group: str) -> None:
        """No job of the group is started, by any worker, until `resume`."""
        name = options.check_text("group", group)
        self._app.engine.pause_group(self.queue, name, paused=True)

    def resume(self, group: str) -> None:
        """Undoes `pause`."""
        name = options.check_text("group", group)
        self._app.engine.pause_group(self.queue, name, paused=False)

    @property
    def aio(self) -> GroupCalls:
        """The same, to be awaited. They never block the event loop."""
        from millrace.aio_model import GroupCalls

        return GroupCalls(self)


class DedupKeys:
    """`app.dedup`: who holds a deduplication key (see `millrace.Dedup`)."""

    def __init__(self, app: Millrace) -> None:
        self._app = app

    def holder(self, key: str, *, queue: str | None = None) -> AsyncResult[Any] | None:
        """The job that holds the key in a queue; None if it is free."""
        where = self._queue(queue)
        job_id = self._app.engine.dedup_holder(where, options.check_text("key", key))
        return None if job_id is None else AsyncResult(job_id, self._app, queue=where)

    def release(self, key: str, *, queue: str | None = None) -> bool:
        """Frees the key: the next job under it is added. False if it was free."""
        return self._app.engine.release_dedup(self._queue(queue), options.check_text("key", key))

    @property
    def aio(self) -> DedupCalls:
        """The same, to be awaited. They never block the event loop."""
        from millrace.aio_model import DedupCalls

        return DedupCalls(self)

    def _queue(self, queue: str | None) -> str:
        return self._app.default_queue if queue is None else options.check_text("queue", queue)
