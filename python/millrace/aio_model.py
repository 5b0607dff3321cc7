"""The awaitable twins of flows, schedules, limits, groups and deduplication keys. None ever blocks the event loop."""

from __future__ import annotations

import asyncio
import builtins
import datetime as dt
from typing import TYPE_CHECKING, Any

from millrace.aio import _enqueue

if TYPE_CHECKING:
    from millrace import _core
    from millrace.flows import Flow, FlowResults
    from millrace.limits import DedupKeys, Groups, Limit, Limits
    from millrace.options import DurabilityName, Seconds
    from millrace.prepared import JobLike
    from millrace.result import AsyncResult
    from millrace.schedules import Schedule, Schedules


class FlowCalls:
    """`flow.aio`."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow

    async def enqueue(self, *, durability: DurabilityName | None = None) -> FlowResults:
        """As `Flow.enqueue`."""
        flow = self._flow
        return flow.results(await _enqueue(flow.app, flow._checked(), durability))


class ScheduleCalls:
    """`app.schedules.aio`."""

    def __init__(self, schedules: Schedules) -> None:
        self._schedules = schedules

    async def put(self, id: str, job: JobLike[Any], **schedule_options: Any) -> Schedule:  # noqa: A002
        """As `Schedules.put`, with the same options."""
        return await asyncio.to_thread(lambda: self._schedules.put(id, job, **schedule_options))

    async def get(self, id: str) -> Schedule:  # noqa: A002
        """As `Schedules.get`."""
        return await asyncio.to_thread(self._schedules.get, id)

    async def pause(self, id: str) -> None:  # noqa: A002
        """As `Schedules.pause`."""
        await asyncio.to_thread(self._schedules.pause, id)

    async def resume(self, id: str) -> None:  # noqa: A002
        """As `Schedules.resume`."""
        await asyncio.to_thread(self._schedules.resume, id)

    async def remove(self, id: str) -> None:  # noqa: A002
        """As `Schedules.remove`."""
        await asyncio.to_thread(self._schedules.remove, id)

    async def preview(self, **timing_options: Any) -> list[dt.datetime]:
        """As `Schedules.preview`."""
        return await asyncio.to_thread(lambda: self._schedules.preview(**timing_options))

    async def list(self) -> builtins.list[Schedule]:
        """As `Schedules.list`."""
        return await asyncio.to_thread(self._schedules.list)


class LimitCalls:
    """`app.limits.aio`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    async def set(self, **limit_options: Any) -> None:
        """As `Limits.set`."""
        await asyncio.to_thread(lambda: self._limits.set(**limit_options))

    async def remove(self, **scope: Any) -> None:
        """As `Limits.remove`."""
        await asyncio.to_thread(lambda: self._limits.remove(**scope))

    async def throttle(self, seconds: Seconds, **scope: Any) -> None:
        """As `Limits.throttle`."""
        await asyncio.to_thread(lambda: self._limits.throttle(seconds, **scope))

    async def list(self) -> builtins.list[Limit]:
        """As `Limits.list`."""
        return await asyncio.to_thread(self._limits.list)


class GroupCalls:
    """`app.groups(queue).aio`."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups

    async def pause(self, group: str) -> None:
        """As `Groups.pause`."""
        await asyncio.to_thread(self._groups.pause, group)

    async def resume(self, group: str) -> None:
        """As `Groups.resume`."""
        await asyncio.to_thread(self._groups.resume, group)

    async def list(self) -> builtins.list[_core.GroupInfo]:
        """As `Groups.list`."""
        return await asyncio.to_thread(self._groups.list)


class DedupCalls:
    """`app.dedup.aio`."""

    def __init__(self, keys: DedupKeys) -> None:
        self._keys = keys

    async def holder(self, key: str, *, queue: str | None = None) -> AsyncResult[Any] | None:
        """As `DedupKeys.holder`."""
        return await asyncio.to_thread(lambda: self._keys.holder(key, queue=queue))

    async def release(self, key: str, *, queue: str | None = None) -> bool:
        """As `DedupKeys.release`."""
        return await asyncio.to_thread(lambda: self._keys.release(key, queue=queue))
