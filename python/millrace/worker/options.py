"""Options of a worker."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from millrace import options
from millrace.errors import InvalidArgument

if TYPE_CHECKING:
    from millrace.options import DurabilityName, Seconds

PoolName = Literal["processes", "threads", "asyncio", "solo"]
POOLS: Final[tuple[PoolName, ...]] = get_args(PoolName)

_ASYNCIO_CONCURRENCY: Final = 100
# A store knows 1,024 processes, a session 100,000 slots.
_CONCURRENCY_MAX: Final = {"processes": 1_000, "threads": 10_000, "asyncio": 100_000}


class WorkerOptions:
    """What a worker does. Checked when it is made.

    Args:
        concurrency: Jobs at once: processes, threads, or coroutines. Default: as many as processors, for asyncio 100.
        pool: "processes" (the default; hard time limits and crashes end one process), "threads", "asyncio" (for
            `async def` tasks) or "solo" (one job at a time in the calling thread).
        queues: Which queues it serves, in turn. Default: the application's default queue.
        name: Shown in listings. Default "host:pid".
        durability: What a finish promises, instead of the application's.
        prefetch: How many claimed jobs may wait in the process for a free slot; -1 adapts to how long jobs take.
        loglevel: Of the worker's own log on standard error.
        grace: Seconds that jobs have to end after the second signal, before their leases are released.
    """

    __slots__ = (
        "concurrency",
        "durability",
        "grace_ms",
        "loglevel",
        "name",
        "pool",
        "prefetch",
        "queues",
    )

    def __init__(
        self,
        *,
        concurrency: int | None = None,
        pool: PoolName = "processes",
        queues: Sequence[str] = (),
        name: str = "",
        durability: DurabilityName | None = None,
        prefetch: int = -1,
        loglevel: str = "warning",
        grace: Seconds = 5,
    ) -> None:
        if not isinstance(pool, str):
            raise options.wrong_type("pool", "a str", pool)
        if pool not in POOLS:
            raise InvalidArgument(f"pool must be one of {', '.join(POOLS)}, not {pool!r}")
        if isinstance(queues, str) or not isinstance(queues, Sequence):
            raise options.wrong_type("queues", "a list of str", queues)
        if not isinstance(name, str):
            raise options.wrong_type("name", "a str", name)
        if loglevel not in {"debug", "info", "warning", "error", "critical"}:
            raise InvalidArgument(
                f"loglevel must be debug, info, warning, error or critical, not {loglevel!r}"
            )
        if concurrency is None:
            concurrency = _ASYNCIO_CONCURRENCY if pool == "asyncio" else os.cpu_count() or 1
        self.pool: PoolName = pool
        self.concurrency = (
            1 if pool == "solo" else options.check_int("concurrency", concurrency, least=1)
        )
        if self.concurrency > (most := _CONCURRENCY_MAX.get(pool, 1)):
            raise InvalidArgument(
                f"concurrency is {concurrency}; at most {most} is accepted for the pool {pool!r}"
            )
        self.queues = tuple(
            options.check_text(f"queues[{i}]", queue) for i, queue in enumerate(queues)
        )
        self.name = name
        self.durability = None if durability is None else options.check_durability(durability)
        self.prefetch = options.check_int("prefetch", prefetch, least=-1)
        self.loglevel = loglevel
        self.grace_ms = options.to_ms("grace", grace)

    def to_json(self) -> dict[str, Any]:
        """The keywords that make the same options again, as JSON."""
        return {
            "concurrency": self.concurrency,
            "pool": self.pool,
            "queues": list(self.queues),
            "name": self.name,
            "durability": self.durability,
            "prefetch": self.prefetch,
            "loglevel": self.loglevel,
            "grace": self.grace_ms / 1000,
        }
