"""The arguments of each verb."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from millrace import _core
from millrace.cli import verbs

if TYPE_CHECKING:
    from argparse import ArgumentParser

    # argparse's own class for what add_subparsers() answers is not subscriptable when it runs.
    Subparsers = argparse._SubParsersAction[ArgumentParser]

_POOLS = ("processes", "threads", "asyncio", "solo")
_DURABILITIES = ("memory", "process", "power")
_LEVELS = ("debug", "info", "warning", "error", "critical")
_LIMIT_MAX = 10_000


class _Text(argparse.Action):
    """A text that must not be empty if it is given; argparse would apply a `type` to defaults too."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse's signature
        namespace: argparse.Namespace,
        values: Any,
        option: str | None = None,  # noqa: ARG002
    ) -> None:
        if values == "":
            raise argparse.ArgumentError(self, "must not be empty")
        setattr(namespace, self.dest, values)


def _whole(least: int, most: int | None = None) -> Any:
    def number(value: str) -> int:
        parsed = int(value) if value.lstrip("-").isdecimal() else None
        if parsed is None or parsed < least or (most is not None and parsed > most):
            bound = f"from {least} to {most}" if most is not None else f"from {least}"
            raise argparse.ArgumentTypeError(f"must be a whole number {bound}, not {value!r}")
        return parsed

    return number


def _seconds(value: str) -> float:
    try:
        parsed = float(value)
    except ValueError:
        parsed = -1.0
    if not 0 <= parsed < 1e9:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"must be a number of seconds, not {value!r}")
    return parsed


def _verb(group: Subparsers, name: str, run: Any, summary: str) -> ArgumentParser:
    parser = group.add_parser(name, help=summary, description=summary, allow_abbrev=False)
    parser.add_argument(
        "--store",
        action=_Text,
        default=os.environ.get("MILLRACE_STORE") or None,
        help="the store's file; default: MILLRACE_STORE",
    )
    parser.add_argument("--json", action="store_true", help="answer with JSON")
    parser.set_defaults(run=run)
    return parser


def _queue_option(parser: ArgumentParser, summary: str) -> None:
    parser.add_argument("--queue", action=_Text, default="", help=summary)


def _yes_option(parser: ArgumentParser) -> None:
    parser.add_argument("--yes", "--force", action="store_true", help="do not ask")


def _add_dead(group: Subparsers) -> None:
    summary = "list, show, run again or delete dead letters: jobs that failed for good"
    dead = group.add_parser("dead", help=summary, description=summary, allow_abbrev=False)
    inner = dead.add_subparsers(metavar="ACTION", required=True)
    listing = _verb(inner, "list", verbs.dead_list, "list dead letters, the newest first")
    _queue_option(listing, "only of this queue")
    listing.add_argument("--name", action=_Text, default="", help="only of this name")
    listing.add_argument(
        "--limit", type=_whole(1, _LIMIT_MAX), default=100, help="at most so many; default 100"
    )
    show = _verb(inner, "show", verbs.dead_show, "show a dead letter in full")
    show.add_argument("id", action=_Text)
    _queue_option(show, "where it is, if several queues have this id")
    retry = _verb(inner, "retry", verbs.dead_retry, "run dead letters again")
    remove = _verb(inner, "remove", verbs.dead_remove, "delete dead letters")
    for parser in (retry, remove):
        parser.add_argument("id", action=_Text, nargs="?", default=None)
        parser.add_argument("--all", action="store_true", help="all of them")
        parser.add_argument("--name", action=_Text, default="", help="all of this name")
        _queue_option(parser, "all of this queue; with an id: where it is")
        _yes_option(parser)


def _add_queue_verbs(group: Subparsers) -> None:
    purge = _verb(group, "purge", verbs.purge, "delete the jobs that wait in a queue")
    purge.add_argument("queue", action=_Text)
    purge.add_argument("--scheduled", action="store_true", help="those with a later due time too")
    _yes_option(purge)
    for name, run, summary in (
        ("pause", verbs.pause, "start no job of a queue until it is resumed"),
        ("resume", verbs.resume, "start a paused queue's jobs again"),
    ):
        _verb(group, name, run, summary).add_argument("queue", action=_Text)
    cancel = _verb(group, "cancel", verbs.cancel, "cancel a waiting job, tell a running one")
    cancel.add_argument("id", action=_Text)
    _queue_option(cancel, "where it is, if several queues have this id")
    cancel.add_argument("--reason", default="", help="kept with the job")


def _add_worker(group: Subparsers) -> None:
    summary = "run an application's tasks"
    worker = group.add_parser("worker", help=summary, description=summary, allow_abbrev=False)
    worker.add_argument(
        "app", action=_Text, help="module:attribute, or path/to/file.py[:attribute]"
    )
    worker.add_argument(
        "-c",
        "--concurrency",
        type=_whole(1),
        default=None,
        help="jobs at once; default: processors",
    )
    worker.add_argument(
        "-P", "--pool", choices=_POOLS, default="processes", help="default: processes"
    )
    worker.add_argument(
        "-Q", "--queues", action="append", default=[], help="queues, separated by commas"
    )
    worker.add_argument("-n", "--name", default="", help="shown in listings; default host:pid")
    worker.add_argument("--durability", choices=_DURABILITIES, default=None)
    worker.add_argument(
        "--prefetch", type=_whole(-1), default=-1, help="jobs claimed ahead; -1 adapts (default)"
    )
    worker.add_argument(
        "--grace", type=_seconds, default=5.0, help="seconds after the second signal; default 5"
    )
    worker.add_argument(
        "-l", "--loglevel", choices=_LEVELS, default="warning", help="default: warning"
    )
    worker.set_defaults(worker=True)


def _add_beat(group: Subparsers) -> None:
    from millrace.cli import beat

    parser = group.add_parser(
        "beat", help=beat.SUMMARY, description=beat.SUMMARY, allow_abbrev=False
    )
    parser.add_argument(
        "app", action=_Text, help="module:attribute, or path/to/file.py[:attribute]"
    )
    beat.add_arguments(parser)
    parser.set_defaults(program=beat.run)


def _add_bench(group: Subparsers) -> None:
    summary = "measure this engine on this machine's disk"
    bench = group.add_parser("bench", help=summary, description=summary, allow_abbrev=False)
    bench.add_argument("--json", action="store_true", help="answer with JSON")
    bench.add_argument("--out", action=_Text, default=None, help="write the JSON to this file too")
    bench.add_argument(
        "--store",
        action=_Text,
        default=os.environ.get("MILLRACE_STORE") or None,
        help="measure in a folder beside this store; it is not opened; default: MILLRACE_STORE",
    )
    bench.add_argument(
        "--dir", action=_Text, default=None, help="measure in this folder; default: the current one"
    )
    bench.add_argument(
        "--durability", choices=_DURABILITIES, action="append", help="default: process and power"
    )
    bench.add_argument(
        "--runs", type=_whole(1, 100), default=3, help="medians of so many; default 3"
    )
    bench.add_argument(
        "--jobs", type=_whole(1, 10_000_000), default=5_000, help="jobs a measurement; default 5000"
    )
    bench.set_defaults(bench=True)


def make_parser() -> ArgumentParser:
    """The parser of the whole command."""
    parser = argparse.ArgumentParser(
        prog="millrace",
        description="Background tasks, queues and workers in one SQLite file.",
        epilog="Exit status: 0 good news, 1 bad news (not found, a fault, too late), 2 wrong usage.",
        allow_abbrev=False,
    )
    version = f"millrace {_core.VERSION} (SQLite {_core.SQLITE_VERSION})"
    parser.add_argument("--version", action="version", version=version)
    parser.set_defaults(worker=False, bench=False, program=None)
    group = parser.add_subparsers(metavar="VERB", required=True)
    _add_worker(group)
    _add_beat(group)
    inspect = _verb(group, "inspect", verbs.inspect, "show queues and workers, or one job")
    inspect.add_argument(
        "--job", action=_Text, default=None, help="the id of a job to show in full"
    )
    _queue_option(inspect, "only this queue; with --job: where it is")
    _add_dead(group)
    _add_queue_verbs(group)
    doctor = _verb(
        group, "doctor", verbs.doctor, "check file, locks and invariants; print versions"
    )
    doctor.add_argument("--repair", action="store_true", help="mend what can be mended")
    backup = _verb(group, "backup", verbs.backup, "write a consistent copy while in use")
    backup.add_argument("destination", action=_Text, help="a file that does not exist yet")
    _add_bench(group)
    return parser
