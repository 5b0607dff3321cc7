"""A worker's options from the application's settings: the `worker_*` names of `app.conf`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from millrace.worker.node import node_name

if TYPE_CHECKING:
    from millrace.app import Millrace

# Our option -> the setting that says it when the caller does not.
_SETTINGS: Final = {
    "concurrency": "worker_concurrency",
    "pool": "worker_pool",
    "max_tasks_per_child": "worker_max_tasks_per_child",
    "max_memory_per_child": "worker_max_memory_per_child",
    "soft_shutdown_timeout": "worker_soft_shutdown_timeout",
    "remote_control": "worker_enable_remote_control",
}


def setting(app: Millrace, name: str, default: Any = None) -> Any:
    """A setting of the application; the default if it is not set."""
    conf = getattr(app, "conf", None)
    value = None if conf is None else conf.get(name)
    return default if value is None else value


def was_set(app: Millrace, name: str) -> bool:
    """Whether the user has given a setting, so that it is not merely a default."""
    conf = getattr(app, "conf", None)
    return conf is not None and conf.value_set_for(name)


def fill_from_settings(app: Millrace, given: dict[str, Any]) -> dict[str, Any]:
    """The keywords of `WorkerOptions`: those given that are not None, then the settings."""
    filled = {name: value for name, value in given.items() if value is not None}
    for option, name in _SETTINGS.items():
        if option not in filled and (value := setting(app, name)) is not None:
            filled[option] = value
    excluded = filled.pop("exclude_queues", ())
    queues = _queues(app, list(filled.get("queues") or ()), excluded)
    if setting(app, "worker_direct"):
        from millrace.utils.nodenames import worker_direct

        own = worker_direct(node_name(filled.get("name", ""))).name
        queues = list(dict.fromkeys([*(queues or [app.default_queue]), own]))
    filled["queues"] = queues
    if "prefetch" not in filled:
        prefetch = _prefetch(app, filled)
        if prefetch is not None:
            filled["prefetch"] = prefetch
    filled.pop("prefetch_multiplier", None)
    filled.pop("disable_prefetch", None)
    return filled


def _queues(app: Millrace, chosen: list[str], excluded: Any) -> list[str]:
    """The queues that are named; else those of `task_queues`; else the application's default queue."""
    if not chosen:
        declared = setting(app, "task_queues", ()) or ()
        names = declared if not isinstance(declared, dict) else list(declared)
        chosen = [str(getattr(each, "name", each)) for each in names]
    if not chosen and excluded:
        chosen = sorted({app.default_queue, *(task.spec.queue for task in app.tasks.values())})
    left = [name for name in chosen if name not in set(excluded)]
    if chosen and not left:
        from millrace.errors import InvalidArgument

        raise InvalidArgument(f"all queues are excluded: {', '.join(chosen)}")
    return left


def _prefetch(app: Millrace, filled: dict[str, Any]) -> int | None:
    """How many jobs may wait beside those that run: Celery's multiplier counts these, too."""
    disabled = filled.get("disable_prefetch")
    if disabled is None and was_set(app, "worker_disable_prefetch"):
        disabled = setting(app, "worker_disable_prefetch")
    if disabled:
        return 0
    multiplier = filled.get("prefetch_multiplier")
    if multiplier is None and was_set(app, "worker_prefetch_multiplier"):
        multiplier = setting(app, "worker_prefetch_multiplier")
    if multiplier is None:
        return None
    from millrace import options

    multiplier = options.check_int("prefetch_multiplier", multiplier, least=0)
    slots = 1 if filled.get("pool") in {None, "processes", "prefork", "solo"} else None
    if slots is None:
        slots = filled.get("concurrency") or 1
        slots = options.check_int("concurrency", slots, least=1)
    return -1 if multiplier == 0 else (multiplier - 1) * slots
