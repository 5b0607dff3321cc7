"""The verb `beat`: a process that fires periodic tasks and does nothing else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from millrace.errors import InvalidArgument

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY: Final = (
    "fire periodic tasks; any worker does it too, so that this is for schedules computed in Python"
)


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of the verb, but for the application."""
    parser.add_argument(
        "-s",
        "--schedule",
        default=None,
        help="file where a scheduler keeps what it ran when; default: the setting beat_schedule_filename",
    )
    parser.add_argument(
        "-S",
        "--scheduler",
        default=None,
        help="the scheduler's class, as module:Class; default: the setting beat_scheduler",
    )
    parser.add_argument(
        "--max-interval",
        type=float,
        default=None,
        help="seconds between two looks at the schedule, at most",
    )
    parser.add_argument(
        "-l",
        "--loglevel",
        type=str.lower,
        choices=("debug", "info", "warning", "error", "critical"),
        default="warning",
        help="default: warning",
    )
    parser.add_argument("--pidfile", default=None, help="keeps the process's id while it runs")


def run(args: Namespace) -> int:
    """Runs it until SIGTERM or SIGINT."""
    from pathlib import Path

    from millrace.beat.service import Beat
    from millrace.worker.locate import load_app

    app = load_app(args.app)
    pidfile = Path(args.pidfile) if args.pidfile else None
    if pidfile is not None:
        try:
            with pidfile.open("x", encoding="ascii") as file:
                file.write(f"{os.getpid()}\n")
        except OSError as error:
            raise InvalidArgument(f"--pidfile: {error}") from error
    try:
        Beat(
            args.max_interval,
            app,
            loglevel=args.loglevel,
            schedule=args.schedule,
            scheduler=args.scheduler,
            quiet=getattr(args, "quiet", False),
        ).run()
    finally:
        if pidfile is not None:
            pidfile.unlink(missing_ok=True)
    return 0
