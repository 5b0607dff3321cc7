"""Options of a worker."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from millrace import options
from millrace.errors import InvalidArgument
from millrace.worker.node import node_name

if TYPE_CHECKING:
    from millrace.app import Millrace
    from millrace.options import DurabilityName, Seconds

PoolName = Literal["processes", "prefork", "threads", "asyncio", "solo"]
POOLS: Final = ("processes", "threads", "asyncio", "solo")
_ALIASES: Final = {"prefork": "processes"}
_ELSEWHERE: Final = {
    "gevent": "asyncio (for `async def` tasks) or threads",
    "eventlet": "asyncio (for `async def` tasks) or threads",
}

_ASYNCIO_CONCURRENCY: Final = 100
# A store knows 1,024 processes, a session 100,000 slots.
_CONCURRENCY_MAX: Final = {"processes": 1_000, "threads": 10_000, "asyncio": 100_000}
LEVELS: Final = ("debug", "info", "warning", "error", "critical")
_LEVEL_NAMES: Final = {"fatal": "critical", "warn": "warning"}


class WorkerOptions:
    """What a worker does. Checked when it is made.

    Args:
        concurrency: Jobs at once: processes, threads, or coroutines. Default: as many as processors, for asyncio 100.
        pool: "processes" (the default, also called "prefork"; hard time limits and crashes end one process),
            "threads", "asyncio" (for `async def` tasks) or "solo" (one job at a time in the calling thread).
        queues: Which queues it serves, in turn. Default: the application's default queue.
        name: Its node name, for listings and for `app.control`: `%h` is the host's name, `%n` its first part, `%d` the
            rest. A name without "@" gets "@%h". Default "worker@%h".
        durability: What a finish promises, instead of the application's.
        prefetch: How many claimed jobs may wait in a process for a free slot; -1 adapts to how long jobs take.
        loglevel: Of the worker's own log.
        grace: Seconds that jobs have to end after the second signal, before their leases are released.
        autoscale: (most, least) processes: as many as there is work for. In other pools an idle slot costs nothing, so
            that the most is the concurrency.
        max_tasks_per_child: A process of the pool is replaced after so many jobs. None: never.
        max_memory_per_child: The same once it uses more KiB of memory, when its job has ended.
        time_limit: For jobs that have none: seconds after which the attempt fails.
        soft_time_limit: For jobs that have none: seconds after which SoftTimeLimitExceeded is raised in the task.
        soft_shutdown_timeout: Seconds that running jobs still have when SIGQUIT or a second signal asks to cancel them.
        include: Modules to import at the start, beside those of the application.
        logfile: Where the log goes instead of standard error.
        remote_control: Whether it answers `app.control`.
        config: A module of settings that the processes of the pool load beside the application's own.
    """

    __slots__ = (
        "autoscale",
        "concurrency",
        "config",
        "durability",
        "grace_ms",
        "include",
        "logfile",
        "loglevel",
        "max_memory_per_child",
        "max_tasks_per_child",
        "name",
        "pool",
        "prefetch",
        "queues",
        "remote_control",
        "soft_shutdown_timeout",
        "soft_time_limit_ms",
        "time_limit_ms",
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
        autoscale: tuple[int, int] | None = None,
        max_tasks_per_child: int | None = None,
        max_memory_per_child: int | None = None,
        time_limit: Seconds | None = None,
        soft_time_limit: Seconds | None = None,
        soft_shutdown_timeout: float = 0,
        include: Sequence[str] = (),
        logfile: str | None = None,
        remote_control: bool = True,
        config: str | None = None,
    ) -> None:
        self.pool = check_pool(pool)
        self.queues = _check_names("queues", queues)
        self.include = _check_names("include", include)
        self.name = node_name(options.check_name("name", name))
        self.loglevel = check_level(loglevel)
        self.autoscale = None if autoscale is None else _check_autoscale(autoscale)
        self.concurrency = _check_concurrency(self.pool, concurrency, self.autoscale)
        self.durability = None if durability is None else options.check_durability(durability)
        self.prefetch = options.check_int("prefetch", prefetch, least=-1)
        self.grace_ms = options.to_ms("grace", grace)
        self.max_tasks_per_child = _check_bound("max_tasks_per_child", max_tasks_per_child)
        self.max_memory_per_child = _check_bound("max_memory_per_child", max_memory_per_child)
        self.time_limit_ms = options.limit_to_ms("time_limit", time_limit)
        self.soft_time_limit_ms = options.limit_to_ms("soft_time_limit", soft_time_limit)
        self.soft_shutdown_timeout = (
            options.to_ms("soft_shutdown_timeout", soft_shutdown_timeout) / 1000
        )
        self.logfile = None if logfile is None else options.check_text("logfile", logfile)
        self.remote_control = options.check_flag("remote_control", remote_control)
        self.config = None if config is None else options.check_text("config", config)

    @classmethod
    def for_app(cls, app: Millrace, **given: Any) -> WorkerOptions:
        """The same, where the application's settings (`worker_concurrency` and so on) say what is not given."""
        from millrace.worker.settings import fill_from_settings

        return cls(**fill_from_settings(app, given))

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
            "autoscale": self.autoscale,
            "max_tasks_per_child": self.max_tasks_per_child,
            "max_memory_per_child": self.max_memory_per_child,
            "time_limit": self.time_limit_ms / 1000 or None,
            "soft_time_limit": self.soft_time_limit_ms / 1000 or None,
            "soft_shutdown_timeout": self.soft_shutdown_timeout,
            "include": list(self.include),
            "logfile": self.logfile,
            "remote_control": self.remote_control,
            "config": self.config,
        }


def check_pool(pool: object) -> str:
    """The name of a pool that exists; "prefork" is "processes"."""
    if not isinstance(pool, str):
        raise options.wrong_type("pool", "a str", pool)
    if pool in _ELSEWHERE:
        raise InvalidArgument(f"pool {pool!r} is not here: use {_ELSEWHERE[pool]}")
    name = _ALIASES.get(pool, pool)
    if name not in POOLS:
        raise InvalidArgument(f"pool must be one of {', '.join(POOLS)} or prefork, not {pool!r}")
    return name


def check_level(level: object) -> str:
    """The name of a log level in lower case; numbers of the `logging` module are accepted too."""
    import logging

    given = logging.getLevelName(level) if isinstance(level, int) else level
    if not isinstance(given, str):
        raise options.wrong_type("loglevel", "a str", level)
    name = given.lower()
    name = _LEVEL_NAMES.get(name, name)
    if name not in LEVELS:
        raise InvalidArgument(
            f"loglevel must be debug, info, warning, error or critical, not {level!r}"
        )
    return name


def _check_names(name: str, given: object) -> tuple[str, ...]:
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise options.wrong_type(name, "a list of str", given)
    return tuple(options.check_text(f"{name}[{i}]", each) for i, each in enumerate(given))


def _check_bound(name: str, value: int | None) -> int | None:
    return None if value is None else options.check_int(name, value, least=1)


def _check_autoscale(given: object) -> tuple[int, int]:
    if isinstance(given, str) or not isinstance(given, Sequence) or len(given) != 2:  # noqa: PLR2004
        raise options.wrong_type("autoscale", "a pair (most, least)", given)
    most = options.check_int("autoscale[0]", given[0], least=1)
    least = options.check_int("autoscale[1]", given[1], least=0)
    return max(most, least), max(1, min(most, least))


def _check_concurrency(pool: str, given: int | None, autoscale: tuple[int, int] | None) -> int:
    if pool == "solo":
        return 1
    if autoscale is not None:
        given = autoscale[1] if pool == "processes" else autoscale[0]
    elif given is None:
        given = _ASYNCIO_CONCURRENCY if pool == "asyncio" else os.cpu_count() or 1
    concurrency = options.check_int("concurrency", given, least=1)
    highest = autoscale[0] if autoscale is not None else concurrency
    if highest > (most := _CONCURRENCY_MAX[pool]):
        raise InvalidArgument(
            f"concurrency is {highest}; at most {most} is accepted for the pool {pool!r}"
        )
    return concurrency
