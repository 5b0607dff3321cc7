"""The commands that every worker has. Their names, arguments and answers are Celery's."""

# ruff: noqa: ARG001 - commands are called with Celery's arguments, whether or not they mean anything here

from __future__ import annotations

import importlib
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from millrace import options
from millrace.errors import InvalidArgument, MillraceError, NotFound, WrongState
from millrace.log import logger
from millrace.worker.control import ControlState, control_command, inspect_command, nok, ok
from millrace.worker.job_info import describe_job, plain

if TYPE_CHECKING:
    from millrace import _core

_LIST_MAX: Final = 1_000
_TASK_INFO: Final = ("rate_limit",)


def _flag(text: str) -> bool:
    if text.lower() not in {"0", "1", "false", "no", "off", "on", "true", "yes"}:
        raise ValueError(f"{text!r} is neither yes nor no")
    return text.lower() in {"1", "on", "true", "yes"}


def _listed(ids: Any) -> list[str]:
    return [ids] if isinstance(ids, str) else list(ids or ())


# --- What the worker is -----------------------------------------------------------------------------------------------


@inspect_command(default_timeout=0.2)
def ping(state: ControlState, **_: Any) -> Any:
    """Whether it answers."""
    return ok("pong")


@inspect_command()
def report(state: ControlState, **_: Any) -> Any:
    """What a bug report should say of the installation."""
    from millrace.worker.report import bugreport

    return ok(bugreport(state.app))


@inspect_command(
    alias="dump_conf", signature="[include_defaults=False]", args=[("with_defaults", _flag)]
)
def conf(state: ControlState, with_defaults: bool = False, **_: Any) -> Any:
    """The application's settings."""
    settings = getattr(state.app, "conf", None)
    if settings is None:
        return {}
    table = settings.table(with_defaults=with_defaults)
    return {name: plain(value) for name, value in table.items() if not name.startswith("__")}


@inspect_command()
def stats(state: ControlState, **_: Any) -> Any:
    """Figures of the worker."""
    return state.worker.stats()


@inspect_command()
def clock(state: ControlState, **_: Any) -> Any:
    """The store's clock in milliseconds; all workers have the same."""
    return {"clock": state.app.engine.now_ms()}


@inspect_command(visible=False)
def hello(state: ControlState, from_node: str = "", revoked: Any = None, **_: Any) -> Any:
    """What a worker of Celery asks when it starts; cancels are in the store, so that there is nothing to tell."""
    if from_node == state.hostname:
        return None
    return {"revoked": {}, "clock": state.app.engine.now_ms()}


@inspect_command(
    alias="dump_tasks", variadic="taskinfoitems", signature="[attr1 [attr2 [... [attrN]]]]"
)
def registered(
    state: ControlState, taskinfoitems: Any = None, builtins: bool = False, **_: Any
) -> Any:
    """The tasks that it knows."""
    items = _listed(taskinfoitems) or list(_TASK_INFO)
    lines = []
    for name in sorted(state.app.tasks):
        if not builtins and name.startswith(("celery.", "millrace.")):
            continue
        task = state.app.tasks[name]
        fields = [
            f"{item}={value}" for item in items if (value := getattr(task, item, None)) is not None
        ]
        lines.append(f"{name} [{' '.join(fields)}]" if fields else name)
    return lines


@inspect_command()
def active_queues(state: ControlState, **_: Any) -> Any:
    """The queues that it serves."""
    return [
        {
            "name": name,
            "exchange": {"name": name, "type": "direct"},
            "routing_key": name,
            "durable": True,
            "exclusive": False,
            "auto_delete": False,
            "no_ack": False,
            "alias": None,
            "bindings": [],
        }
        for name in state.worker.pool.queues
    ]


# --- Jobs -------------------------------------------------------------------------------------------------------------


def _jobs(state: ControlState, kind: Any) -> list[_core.JobInfo]:
    engine = state.app.engine
    found: list[_core.JobInfo] = []
    for queue in state.worker.pool.queues:
        left = _LIST_MAX - len(found)
        if left > 0:
            found += engine.list_jobs(queue, kind, limit=left)
    return found


@inspect_command(alias="dump_active")
def active(state: ControlState, safe: bool = False, **_: Any) -> Any:
    """The jobs that it runs."""
    return state.worker.pool.active()


@inspect_command(alias="dump_reserved")
def reserved(state: ControlState, **_: Any) -> Any:
    """The jobs that it has claimed and not started."""
    running = {job["id"] for job in state.worker.pool.active()}
    return [
        describe_job(job, state.hostname)
        for job in _jobs(state, "active")
        if job.worker == state.hostname and job.spec.id not in running
    ]


@inspect_command(alias="dump_schedule")
def scheduled(state: ControlState, **_: Any) -> Any:
    """The jobs of its queues that have a later due time. They are the store's: other workers list them, too."""
    import datetime as dt

    return [
        {
            "eta": dt.datetime.fromtimestamp(job.due_at_ms / 1000, dt.timezone.utc).isoformat(),
            "priority": job.spec.priority,
            "request": describe_job(job, state.hostname),
        }
        for job in _jobs(state, "scheduled")
    ]


@inspect_command(alias="dump_revoked")
def revoked(state: ControlState, **_: Any) -> Any:
    """The cancelled jobs of its queues that the store still knows, and ids that were revoked before they came."""
    from millrace.queue_names import REVOKED_QUEUE

    remembered = state.app.engine.list_jobs(REVOKED_QUEUE, "cancelled")
    return [job.spec.id for job in (*_jobs(state, "cancelled"), *remembered)]


@inspect_command(variadic="ids", signature="[id1 [id2 [... [idN]]]]")
def query_task(state: ControlState, ids: Any = (), **_: Any) -> Any:
    """What it knows of jobs: ("active" or "reserved", the job)."""
    running = {job["id"]: job for job in state.worker.pool.active()}
    found: dict[str, Any] = {}
    for job_id in _listed(ids):
        if job_id in running:
            found[job_id] = ("active", running[job_id])
            continue
        try:
            job = state.app.engine.get_job(job_id)
        except NotFound:
            continue
        if job.state == "active" and job.worker == state.hostname:
            found[job_id] = ("reserved", describe_job(job, state.hostname))
        elif (
            job.state in {"ready", "scheduled", "blocked"}
            and job.spec.queue in state.worker.pool.queues
        ):
            found[job_id] = ("ready", describe_job(job, state.hostname))
    return found


@control_command(variadic="task_id", signature="[id1 [id2 [... [idN]]]]")
def revoke(
    state: ControlState,
    task_id: Any = (),
    terminate: bool = False,
    signal: str | None = None,
    **_: Any,
) -> Any:
    """Cancels jobs by their ids."""
    from millrace.app.store_commands import revoke_jobs

    ids = _listed(task_id)
    revoke_jobs(state.app, ids, terminate=terminate, signal=signal)
    if terminate:
        return ok(f"terminate: {', '.join(ids)}")
    return ok(f"tasks {', '.join(ids)} flagged as revoked")


@control_command(
    variadic="task_id", args=[("signal", str)], signature="<signal> [id1 [id2 [... [idN]]]]"
)
def terminate(state: ControlState, signal: str = "SIGTERM", task_id: Any = (), **_: Any) -> Any:
    """Cancels jobs, and ends the processes that run them."""
    return revoke(state, task_id, terminate=True, signal=signal)


@control_command(variadic="headers", signature="[key1=value1 [key2=value2 [... [keyN=valueN]]]]")
def revoke_by_stamped_headers(
    state: ControlState,
    headers: Any = (),
    terminate: bool = False,
    signal: str | None = None,
    **_: Any,
) -> Any:
    """Cancels the jobs that bear these stamps."""
    from millrace.app.store_commands import revoke_stamped

    if isinstance(headers, list):
        headers = dict(entry.split("=", 1) for entry in headers)
    ids = revoke_stamped(state.app, headers, terminate=terminate, signal=signal)
    return ok(f"headers {headers} flagged as revoked: {len(ids)} jobs")


@control_command(
    args=[("task_name", str), ("rate_limit", str)],
    signature="<task_name> <rate_limit (e.g., 5/s | 5/m | 5/h)>",
)
def rate_limit(state: ControlState, task_name: str, rate_limit: Any, **_: Any) -> Any:
    """Limits the starts of a task, in all workers together."""
    from millrace.app.store_commands import set_rate_limit

    try:
        set_rate_limit(state.app, task_name, rate_limit)
    except (MillraceError, TypeError, ValueError) as error:
        return nok(f"Invalid rate limit string: {error}")
    if task_name not in state.app.tasks:
        return nok("unknown task")
    return ok(
        "new rate limit set successfully" if rate_limit else "rate limit disabled successfully"
    )


@control_command(
    args=[("task_name", str), ("soft", float), ("hard", float)],
    signature="<task_name> <soft_secs> [hard_secs]",
)
def time_limit(
    state: ControlState,
    task_name: str,
    hard: float | None = None,
    soft: float | None = None,
    **_: Any,
) -> Any:
    """Limits the time of a task's jobs that start from now on."""
    if task_name not in state.app.tasks:
        return nok("unknown task")

    soft_ms = options.limit_to_ms("soft", soft)
    hard_ms = options.limit_to_ms("hard", hard)
    state.worker.pool.set_time_limit(task_name, soft_ms, hard_ms)
    return ok("time limits set successfully")


# --- The pool and its queues ------------------------------------------------------------------------------------------


@control_command(args=[("n", int)], signature="[N=1]")
def pool_grow(state: ControlState, n: int = 1, **_: Any) -> Any:
    """Lets it run more jobs at once."""
    if state.worker.options.autoscale is not None:
        return nok("pool_grow is not supported with autoscale. Adjust autoscale range instead.")
    state.worker.pool.resize(options.check_int("n", n, least=1))
    return ok("pool will grow")


@control_command(args=[("n", int)], signature="[N=1]")
def pool_shrink(state: ControlState, n: int = 1, **_: Any) -> Any:
    """Lets it run fewer jobs at once."""
    if state.worker.options.autoscale is not None:
        return nok("pool_shrink is not supported with autoscale. Adjust autoscale range instead.")
    state.worker.pool.resize(-options.check_int("n", n, least=1))
    return ok("pool will shrink")


@control_command()
def pool_restart(state: ControlState, modules: Any = None, reload: bool = False, **_: Any) -> Any:
    """Replaces its processes; the new ones import the application afresh."""
    state.worker.pool.restart()
    return ok("reload started")


@control_command(args=[("max", int), ("min", int)], signature="[max [min]]")
def autoscale(
    state: ControlState,
    max: int | None = None,  # noqa: A002 - Celery's names
    min: int | None = None,  # noqa: A002
    **_: Any,
) -> Any:
    """Changes the bounds of its size."""
    most, least = state.worker.pool.autoscale(max, min)
    return ok(f"autoscale now max={most} min={least}")


@control_command(
    args=[("queue", str), ("exchange", str), ("exchange_type", str), ("routing_key", str)],
    signature="<queue> [exchange [type [routing_key]]]",
)
def add_consumer(state: ControlState, queue: str, **_: Any) -> Any:
    """Has it serve a queue, too."""
    pool = state.worker.pool
    if queue not in pool.queues:
        pool.serve((*pool.queues, queue))
    return ok(f"add consumer {queue}")


@control_command(args=[("queue", str)], signature="<queue>")
def cancel_consumer(state: ControlState, queue: str, **_: Any) -> Any:
    """Has it serve a queue no more."""
    pool = state.worker.pool
    left = tuple(name for name in pool.queues if name != queue)
    if not left:
        raise InvalidArgument(
            f"{queue!r} is the only queue that it serves: pause the queue, or shut the worker down"
        )
    if left != pool.queues:
        pool.serve(left)
    return ok(f"no longer consuming from {queue}")


@control_command()
def shutdown(state: ControlState, msg: str = "Got shutdown from remote", **_: Any) -> Any:
    """Lets it end when its jobs have ended."""
    logger.warning("%s", msg)
    state.worker.stop()
    return ok("shutting down")


# --- Events and other things ------------------------------------------------------------------------------------------


@control_command()
def enable_events(state: ControlState, **_: Any) -> Any:
    """Events are always written: the store's log is what `app.events` reads."""
    return ok("task events already enabled")


@control_command()
def disable_events(state: ControlState, **_: Any) -> Any:
    """Events cannot be turned off: waiting for results and following jobs use them, too."""
    return nok("task events are part of the store and cannot be disabled")


@control_command()
def heartbeat(state: ControlState, **_: Any) -> Any:
    """Has it publish a worker-heartbeat."""
    state.worker.send_heartbeat()
    return None


@control_command()
def election(state: ControlState, **_: Any) -> Any:
    """Is not here: what must be done once is a job."""
    raise WrongState(
        "there are no elections here: enqueue a job with a task_id of your own, it exists once"
    )


@inspect_command()
def memsample(state: ControlState, **_: Any) -> Any:
    """How much memory it uses now."""
    from millrace.worker.child import memory_kib

    used = memory_kib()
    _samples.append((time.time(), used))
    del _samples[:-100]
    return f"{used / 1024:.2f}MB"


_samples: list[tuple[float, int]] = []


@inspect_command(args=[("samples", int)], signature="[n_samples=10]")
def memdump(state: ControlState, samples: int = 10, **_: Any) -> Any:
    """The memory that earlier samples have found."""
    lines = [f"- {time.ctime(at)}: {used / 1024:.2f}MB" for at, used in _samples[-samples:]]
    return "\n".join(lines) or "no samples: ask for memsample first"


@inspect_command(
    default_timeout=60.0,
    args=[("type", str), ("num", int), ("max_depth", int)],
    signature="[object_type=Request] [num=200 [max_depth=10]]",
)
def objgraph(
    state: ControlState,
    num: int = 200,
    max_depth: int = 10,
    type: str = "Request",  # noqa: A002 - Celery's name
    **_: Any,
) -> Any:
    """Draws the objects of a type, with what keeps them: needs the package objgraph."""
    try:
        drawing = importlib.import_module("objgraph")
    except ImportError:
        raise InvalidArgument(
            f"{sys.executable} has no package objgraph, which this command needs"
        ) from None
    import tempfile

    handle, path = tempfile.mkstemp(prefix="millrace-objects-", suffix=".png")
    os.close(handle)
    objects = drawing.by_type(type)[:num]
    drawing.show_backrefs(objects, max_depth=max_depth, filename=path)
    return {"filename": path}
