"""`millrace worker`: the options of a worker, and everything around it that a service needs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Final

from millrace.cli.common import Common, UsageError, complete_app, names_of, warn
from millrace.cli.values import LEVELS, autoscale, filled, seconds, whole
from millrace.errors import ImproperlyConfigured

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from millrace.app import Millrace
    from millrace.worker import WorkerOptions

POOLS: Final = ("processes", "prefork", "threads", "asyncio", "solo", "gevent", "eventlet")
DURABILITIES: Final = ("memory", "process", "power")
_IGNORED: Final = "accepted, without effect"


def add_options(worker: ArgumentParser) -> None:
    """All of them."""
    worker.add_argument(
        "app",
        action=filled(),
        nargs="?",
        help="module:attribute, or path/to/file.py[:attribute]; or pass -A",
    )
    add = worker.add_argument
    add(
        "-n",
        "--hostname",
        "--name",
        dest="name",
        default="",
        help="node name, such as w1@%%h; default worker@%%h",
    )
    add(
        "-c", "--concurrency", type=whole(1), default=None, help="jobs at once; default: processors"
    )
    add("-P", "--pool", choices=POOLS, default=None, help="default: processes")
    add("-Q", "--queues", action="append", default=[], help="queues, separated by commas")
    add("-X", "--exclude-queues", action="append", default=[], help="queues that it does not serve")
    add(
        "-I",
        "--include",
        action="append",
        default=[],
        help="modules to import, separated by commas",
    )
    add(
        "--autoscale",
        type=autoscale,
        default=None,
        help="MAX,MIN processes, as many as there is work for",
    )
    add(
        "--max-tasks-per-child",
        type=whole(1),
        default=None,
        help="replace a process after so many jobs",
    )
    add(
        "--max-memory-per-child",
        type=whole(1),
        default=None,
        help="replace a process that uses more KiB",
    )
    add(
        "--time-limit",
        type=seconds,
        default=None,
        help="seconds for jobs without a limit: then they fail",
    )
    add(
        "--soft-time-limit",
        type=seconds,
        default=None,
        help="the same: SoftTimeLimitExceeded is raised in them",
    )
    add("--prefetch", type=whole(-1), default=None, help="jobs claimed ahead; -1 adapts (default)")
    add(
        "--prefetch-multiplier",
        type=whole(0),
        default=None,
        help="the same as a multiple of the concurrency",
    )
    add("--disable-prefetch", action="store_true", default=None, help="claim nothing ahead")
    _add_service_options(worker)


def _add_service_options(worker: ArgumentParser) -> None:
    add = worker.add_argument
    add("--durability", choices=DURABILITIES, default=None)
    add("--grace", type=seconds, default=5.0, help="seconds after the second signal; default 5")
    add("--purge", "--discard", action="store_true", help="first remove what waits in its queues")
    add("-l", "--loglevel", type=str.lower, choices=LEVELS, default=None, help="default: warning")
    add(
        "-f",
        "--logfile",
        action=filled(),
        default=None,
        help="log here; %%n, %%h and %%d as in the name",
    )
    add("--pidfile", action=filled(), default=None, help="keep the process id here")
    add("-D", "--detach", action="store_true", help="run in the background")
    add("--uid", action=filled(), default=None, help="become this user")
    add("--gid", action=filled(), default=None, help="become this group")
    add("--umask", action=filled(), default=None, help="rights that new files do not get, octal")
    add("--executable", action=filled(), default=None, help="the interpreter for --detach")
    add(
        "--reload", action="store_true", help="start again when a source file changes (development)"
    )
    add("-B", "--beat", action="store_true", help="run beat in it, too; stored schedules need none")
    add("-s", "--schedule", "--schedule-filename", dest="schedule", action=filled(), default=None)
    add("--scheduler", action=filled(), default=None, help="of -B")
    add("-O", "--optimization", choices=("default", "fair"), default=None, help=_IGNORED)
    add("-S", "--statedb", default=None, help=_IGNORED)
    add(
        "-E",
        "--task-events",
        "--events",
        action="store_true",
        help=_IGNORED + ": events are always written",
    )
    for name in ("--without-gossip", "--without-mingle", "--without-heartbeat"):
        add(name, action="store_true", help=_IGNORED)
    add("--heartbeat-interval", type=seconds, default=None, help=_IGNORED)
    add("--store", action=filled(), default=None, help="another store than the application's")


def run(args: Namespace, common: Common) -> int:
    """Runs a worker until it is stopped."""
    from millrace.worker import daemon
    from millrace.worker.node import expand, node_name

    name = node_name(args.name)
    for option in ("logfile", "pidfile"):
        if getattr(args, option) is not None:
            setattr(args, option, expand(getattr(args, option), name))
    if args.reload:
        from pathlib import Path

        from millrace.worker.reload import run_reloading

        command = [part for part in daemon.own_command() if part != "--reload"]
        return run_reloading(command, [Path.cwd()], own_process=common.own_process)
    if args.detach:
        return _detach(args)
    app, options = prepare(args, common)
    daemon.set_umask(args.umask)
    daemon.drop_privileges(args.uid, args.gid)
    if args.beat:
        _add_beat(app, args)
    from millrace.worker import run_worker

    def show() -> None:
        if args.pidfile is not None:
            daemon.PidFile(args.pidfile).acquire()
        if args.purge:
            _purge(app, options)
        _greet(app, options, quiet=common.quiet)

    return run_worker(
        app,
        options,
        location=common.app if common.app and ":" in common.app else None,
        extra=_own_options(app, args),
        first=show,
        own_process=common.own_process,
    )


def _add_beat(app: Millrace, args: Namespace) -> None:
    """Has the worker run beat, if its schedules are not in the store: any worker fires those."""
    from millrace import signals
    from millrace.beat import embedded

    if args.scheduler is not None:
        app.conf.beat_scheduler = (
            args.scheduler
        )  # the worker must not put the entries into the store
    beat = embedded(app, schedule_filename=args.schedule, scheduler=args.scheduler)
    if beat is None:
        return

    def start(**_: Any) -> None:
        beat.start()

    def stop(**_: Any) -> None:
        if beat.is_alive():
            beat.stop()

    # Not before the worker takes jobs, and before it ends or starts again in any way.
    signals.worker_ready.connect(start, weak=False)
    signals.worker_shutdown.connect(stop, weak=False)


def _own_options(app: Millrace, args: Namespace) -> dict[str, Any]:
    """What was given for options that the application has added to this verb."""
    if "_user_options" not in app.__dict__:
        return {}
    from millrace.cli.user_options import values

    return values(app, "worker", args)


def prepare(args: Namespace, common: Common) -> tuple[Millrace, WorkerOptions]:
    """The application and the worker's options."""
    from millrace.options import check_text
    from millrace.worker import WorkerOptions

    if args.app is not None:
        common.app = args.app
    if not (common.app or common.application or os.environ.get("MILLRACE_APP")):
        raise UsageError("the following arguments are required: app; or pass -A")
    for index, queue in enumerate(names_of(args.queues)):
        check_text(f"queues[{index}]", queue)
    include = names_of(args.include)
    app = complete_app(common, args.store, include)
    given: dict[str, Any] = {
        "concurrency": args.concurrency,
        "pool": args.pool,
        "queues": names_of(args.queues),
        "exclude_queues": names_of(args.exclude_queues),
        "name": args.name,
        "durability": args.durability,
        "prefetch": args.prefetch,
        "prefetch_multiplier": args.prefetch_multiplier,
        "disable_prefetch": args.disable_prefetch,
        "loglevel": args.loglevel,
        "grace": args.grace,
        "autoscale": args.autoscale,
        "max_tasks_per_child": args.max_tasks_per_child,
        "max_memory_per_child": args.max_memory_per_child,
        "time_limit": args.time_limit,
        "soft_time_limit": args.soft_time_limit,
        "include": include,
        "logfile": args.logfile,
        "config": common.config,
    }
    try:
        return app, WorkerOptions.for_app(app, **given)
    except TypeError as error:  # a setting; the command line has checked its own
        raise ImproperlyConfigured(str(error)) from error


def _greet(app: Millrace, options: WorkerOptions, *, quiet: bool) -> None:
    """Said whatever the log level is: who starts a worker wants to know that it is up, and why it does not end."""
    from millrace import _core, signals

    if quiet:
        return
    queues = ", ".join(options.queues or (app.default_queue,))
    signals.worker_shutting_down.connect(_say_goodbye, weak=False)
    warn(
        f"millrace {_core.VERSION}: {app.name} on {app.store}, {options.concurrency} {options.pool}, "
        f"queues {queues}, {len(app.tasks)} tasks"
    )


def _say_goodbye(how: str, **_: Any) -> None:
    if how == "Warm":
        warn("millrace: stops when its running jobs have ended; the same signal again cancels them")
    else:
        warn("millrace: stops; its running jobs go back to their queues")


def _purge(app: Millrace, options: WorkerOptions) -> None:
    number = sum(
        app.engine.drain(queue, scheduled=True) for queue in options.queues or (app.default_queue,)
    )
    warn(f"purge: removed {number} waiting jobs")


def _detach(args: Namespace) -> int:
    from millrace.errors import WrongState
    from millrace.worker import daemon

    if args.pidfile is not None:
        pid_file = daemon.PidFile(args.pidfile)
        if (running := pid_file.running()) is not None:
            raise WrongState(f"{args.pidfile} is held by process {running}, which runs")
    command = [part for part in daemon.own_command() if part not in {"-D", "--detach"}]
    if args.executable is not None:
        command[0] = args.executable
    pid = daemon.detach(command, args.logfile, args.umask)
    if sys.stdout.isatty() or os.environ.get("MILLRACE_SAY_PID"):
        print(pid)
    return 0
