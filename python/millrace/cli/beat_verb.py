"""`millrace beat`: a process that fires periodic tasks, for those who want one. Any worker fires stored ones, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millrace.cli.common import Common, find_app
from millrace.cli.values import LEVELS, filled, seconds

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def add_options(parser: ArgumentParser) -> None:
    """All of them."""
    add = parser.add_argument
    add(
        "app",
        action=filled(),
        nargs="?",
        help="module:attribute, or path/to/file.py[:attribute]; or pass -A",
    )
    add(
        "-s",
        "--schedule",
        action=filled(),
        default=None,
        help="where a scheduler may keep when it ran what",
    )
    add(
        "-S",
        "--scheduler",
        action=filled(),
        default=None,
        help="its class; default the setting beat_scheduler",
    )
    add(
        "--max-interval",
        type=seconds,
        default=None,
        help="seconds between two looks at the schedule, at most",
    )
    add(
        "-l",
        "--loglevel",
        type=str.lower,
        choices=LEVELS,
        default="warning",
        help="default: warning",
    )
    add("-f", "--logfile", action=filled(), default=None, help="log here")
    add("--pidfile", action=filled(), default=None, help="keep the process id here")
    add("-D", "--detach", action="store_true", help="run in the background")
    add("--uid", action=filled(), default=None, help="become this user")
    add("--gid", action=filled(), default=None, help="become this group")
    add("--umask", action=filled(), default=None, help="rights that new files do not get, octal")
    add("--store", action=filled(), default=None, help="another store than the application's")


def run(args: Namespace, common: Common) -> int:
    """Fires until it is stopped."""
    from millrace.worker import daemon

    if args.detach:
        command = [part for part in daemon.own_command() if part not in {"-D", "--detach"}]
        daemon.detach(command, args.logfile, args.umask)
        return 0
    common.app = args.app or common.app
    app = find_app(common, args.store)
    daemon.set_umask(args.umask)
    daemon.drop_privileges(args.uid, args.gid)
    from millrace import log
    from millrace.beat import Beat
    from millrace.worker.options import check_level

    beat = Beat(
        args.max_interval,
        app,
        loglevel=None,
        schedule=args.schedule,
        scheduler=args.scheduler,
        quiet=common.quiet,
    )
    with daemon.stopped_by_signals(beat.stop, own_process=common.own_process):
        if args.pidfile is not None:
            daemon.PidFile(args.pidfile).acquire()
        log.configure(check_level(args.loglevel), app=app, logfile=args.logfile)
        beat.run()
    return 0
