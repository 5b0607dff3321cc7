"""The arguments of each verb. Only the verb that was named is made: most of the start would be spent on the others."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from millrace import _core
from millrace.cli.values import filled, whole

if TYPE_CHECKING:
    from argparse import ArgumentParser

    # argparse's own class for what add_subparsers() answers is not subscriptable when it runs.
    Subparsers = argparse._SubParsersAction[ArgumentParser]

DURABILITIES: Final = ("memory", "process", "power")
_LIMIT_MAX: Final = 10_000

SUMMARIES: Final = {
    "worker": "run an application's tasks",
    "beat": "fire periodic tasks; any worker does so, too",
    "status": "show which workers answer",
    "inspect": "show queues and workers, or one job; or ask the workers",
    "control": "send workers a command",
    "call": "enqueue a job of a task",
    "result": "print what a job has returned",
    "events": "follow what happens to jobs",
    "dead": "list, show, run again or delete dead letters: jobs that failed for good",
    "purge": "delete the jobs that wait in a queue",
    "pause": "start no job of a queue until it is resumed",
    "resume": "start a paused queue's jobs again",
    "cancel": "cancel a waiting job, tell a running one",
    "list": "list queues or tasks",
    "graph": "draw the workers",
    "multi": "start and stop several workers",
    "shell": "Python with the application at hand",
    "report": "print what a bug report should say",
    "doctor": "check file, locks and invariants; print versions",
    "backup": "write a consistent copy while in use",
    "bench": "measure this engine on this machine's disk",
}


def _store_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--store",
        action=filled(),
        default=os.environ.get("MILLRACE_STORE") or None,
        help="the store's file; default: MILLRACE_STORE",
    )
    parser.add_argument("-j", "--json", action="store_true", help="answer with JSON")


def _verb(group: Subparsers, name: str, run: Any, summary: str = "") -> ArgumentParser:
    """A verb of the store alone: it needs no application."""
    summary = summary or SUMMARIES[name]
    parser = group.add_parser(name, help=summary, description=summary, allow_abbrev=False)
    _store_options(parser)
    parser.set_defaults(run=run)
    return parser


def _app_verb(group: Subparsers, name: str, run: Any) -> ArgumentParser:
    """A verb that needs an application."""
    parser = group.add_parser(
        name, help=SUMMARIES[name], description=SUMMARIES[name], allow_abbrev=False
    )
    parser.set_defaults(run_app=run)
    return parser


def _queue_option(parser: ArgumentParser, summary: str) -> None:
    parser.add_argument("--queue", action=filled(), default="", help=summary)


def _yes_option(parser: ArgumentParser) -> None:
    parser.add_argument("-f", "--yes", "--force", action="store_true", help="do not ask")


def _add_dead(group: Subparsers) -> None:
    from millrace.cli import verbs

    dead = group.add_parser(
        "dead", help=SUMMARIES["dead"], description=SUMMARIES["dead"], allow_abbrev=False
    )
    inner = dead.add_subparsers(metavar="ACTION", required=True)
    listing = _verb(inner, "list", verbs.dead_list, "list dead letters, the newest first")
    _queue_option(listing, "only of this queue")
    listing.add_argument("--name", action=filled(), default="", help="only of this name")
    listing.add_argument(
        "--limit", type=whole(1, _LIMIT_MAX), default=100, help="at most so many; default 100"
    )
    show = _verb(inner, "show", verbs.dead_show, "show a dead letter in full")
    show.add_argument("id", action=filled())
    _queue_option(show, "where it is, if several queues have this id")
    retry = _verb(inner, "retry", verbs.dead_retry, "run dead letters again")
    remove = _verb(inner, "remove", verbs.dead_remove, "delete dead letters")
    for parser in (retry, remove):
        parser.add_argument("id", action=filled(), nargs="?", default=None)
        parser.add_argument("--all", action="store_true", help="all of them")
        parser.add_argument("--name", action=filled(), default="", help="all of this name")
        _queue_option(parser, "all of this queue; with an id: where it is")
        _yes_option(parser)


def _add_purge(group: Subparsers) -> None:
    from millrace.cli import task_verbs, verbs

    purge = _verb(group, "purge", verbs.purge)
    purge.add_argument("queue", action=filled(), nargs="?", default=None)
    purge.add_argument("--scheduled", action="store_true", help="those with a later due time too")
    task_verbs.add_purge(purge)
    _yes_option(purge)
    purge.set_defaults(run_without_queue=task_verbs.purge)


def _add_pause(group: Subparsers) -> None:
    from millrace.cli import verbs

    _verb(group, "pause", verbs.pause).add_argument("queue", action=filled())


def _add_resume(group: Subparsers) -> None:
    from millrace.cli import verbs

    _verb(group, "resume", verbs.resume).add_argument("queue", action=filled())


def _add_cancel(group: Subparsers) -> None:
    from millrace.cli import verbs

    cancel = _verb(group, "cancel", verbs.cancel)
    cancel.add_argument("id", action=filled())
    _queue_option(cancel, "where it is, if several queues have this id")
    cancel.add_argument("--reason", default="", help="kept with the job")


def _add_inspect(group: Subparsers) -> None:
    from millrace.cli import remote, verbs

    inspect = _verb(group, "inspect", verbs.inspect)
    inspect.add_argument(
        "method", nargs="?", default=None, help="ask the workers: active, stats, ... (--list)"
    )
    inspect.add_argument("arguments", nargs="*", help="of the method")
    inspect.add_argument(
        "--job", action=filled(), default=None, help="the id of a job to show in full"
    )
    _queue_option(inspect, "only this queue; with --job: where it is")
    remote.add_options(inspect)
    remote.add_list_option(inspect)
    inspect.set_defaults(run_method=remote.inspect)


def _add_control(group: Subparsers) -> None:
    from millrace.cli import remote

    control = _app_verb(group, "control", remote.control)
    control.add_argument("command", nargs="?", default=None, help="see --list")
    control.add_argument("arguments", nargs="*", help="of the command")
    remote.add_options(control)
    remote.add_list_option(control)


def _add_status(group: Subparsers) -> None:
    from millrace.cli import remote

    remote.add_options(_app_verb(group, "status", remote.status))


def _add_worker(group: Subparsers) -> None:
    from millrace.cli import worker_verb

    worker_verb.add_options(_app_verb(group, "worker", worker_verb.run))


def _add_beat(group: Subparsers) -> None:
    from millrace.cli import beat_verb

    beat_verb.add_options(_app_verb(group, "beat", beat_verb.run))


def _add_events(group: Subparsers) -> None:
    from millrace.cli import events_verb

    events_verb.add_options(_app_verb(group, "events", events_verb.run))


def _add_call(group: Subparsers) -> None:
    from millrace.cli import task_verbs

    task_verbs.add_call(_app_verb(group, "call", task_verbs.call))


def _add_result(group: Subparsers) -> None:
    from millrace.cli import task_verbs

    task_verbs.add_result(_app_verb(group, "result", task_verbs.result))


def _add_list(group: Subparsers) -> None:
    from millrace.cli import task_verbs

    task_verbs.add_list(_app_verb(group, "list", task_verbs.list_things))


def _add_graph(group: Subparsers) -> None:
    from millrace.cli import task_verbs

    task_verbs.add_graph(_app_verb(group, "graph", task_verbs.graph))


def _add_shell(group: Subparsers) -> None:
    from millrace.cli import task_verbs

    task_verbs.add_shell(_app_verb(group, "shell", task_verbs.shell))


def _add_report(group: Subparsers) -> None:
    from millrace.cli import task_verbs

    task_verbs.add_report(_app_verb(group, "report", task_verbs.report))


def _add_doctor(group: Subparsers) -> None:
    from millrace.cli import verbs

    doctor = _verb(group, "doctor", verbs.doctor)
    doctor.add_argument("--repair", action="store_true", help="mend what can be mended")


def _add_backup(group: Subparsers) -> None:
    from millrace.cli import verbs

    backup = _verb(group, "backup", verbs.backup)
    backup.add_argument("destination", action=filled(), help="a file that does not exist yet")


def _add_bench(group: Subparsers) -> None:
    summary = SUMMARIES["bench"]
    bench = group.add_parser("bench", help=summary, description=summary, allow_abbrev=False)
    bench.add_argument("-j", "--json", action="store_true", help="answer with JSON")
    bench.add_argument(
        "--out", action=filled(), default=None, help="write the JSON to this file too"
    )
    bench.add_argument(
        "--store",
        action=filled(),
        default=os.environ.get("MILLRACE_STORE") or None,
        help="measure in a folder beside this store; it is not opened; default: MILLRACE_STORE",
    )
    bench.add_argument(
        "--dir",
        action=filled(),
        default=None,
        help="measure in this folder; default: the current one",
    )
    bench.add_argument(
        "--durability", choices=DURABILITIES, action="append", help="default: process and power"
    )
    bench.add_argument(
        "--runs", type=whole(1, 100), default=3, help="medians of so many; default 3"
    )
    bench.add_argument(
        "--jobs", type=whole(1, 10_000_000), default=5_000, help="jobs a measurement; default 5000"
    )
    bench.set_defaults(bench=True)


_ADD: Final[dict[str, Callable[[Subparsers], None]]] = {
    "worker": _add_worker,
    "beat": _add_beat,
    "status": _add_status,
    "inspect": _add_inspect,
    "control": _add_control,
    "call": _add_call,
    "result": _add_result,
    "events": _add_events,
    "dead": _add_dead,
    "purge": _add_purge,
    "pause": _add_pause,
    "resume": _add_resume,
    "cancel": _add_cancel,
    "list": _add_list,
    "graph": _add_graph,
    "shell": _add_shell,
    "report": _add_report,
    "doctor": _add_doctor,
    "backup": _add_backup,
    "bench": _add_bench,
}

_EPILOG: Final = """\
Before or behind any verb:
  -A, --app APP         the application: module:attribute, module, or path/to/file.py
  -b, --broker STORE    the store, instead of the application's own
  --config MODULE       settings for the application
  --workdir DIR         work there
  -q, --quiet           print answers alone
  -C, --no-color, --result-backend, --loader, --skip-checks
                        accepted, without effect

Exit status: 0 good news, 1 bad news (not found, a fault, too late), 2 wrong usage, 69 no worker answered."""


def make_parser(verb: str | None = None) -> ArgumentParser:
    """The parser of the whole command; the arguments of one verb alone if that is named."""
    parser = argparse.ArgumentParser(
        prog="millrace",
        description="Background tasks, queues and workers in one SQLite file.",
        epilog=_EPILOG,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    version = f"millrace {_core.VERSION} (SQLite {_core.SQLITE_VERSION})"
    parser.add_argument("--version", action="version", version=version)
    parser.set_defaults(bench=False, run_app=None, run_method=None, run_without_queue=None)
    group = parser.add_subparsers(metavar="VERB", required=True)
    if verb in _ADD:
        _ADD[verb](group)
        return parser
    for name, summary in SUMMARIES.items():
        group.add_parser(name, help=summary, add_help=False)
    return parser
