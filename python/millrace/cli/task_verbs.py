"""Verbs about tasks and their jobs that Celery's users know: call, result, purge, list, report, graph, shell."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from millrace.cli.common import (
    AppImportError,
    Common,
    UsageError,
    complete_app,
    find_app,
    names_of,
    parse_json,
    parse_time,
    say,
    warn,
)
from millrace.cli.text import clean, table
from millrace.cli.values import filled, seconds
from millrace.queue_names import is_internal

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from millrace.app import Millrace


def _store_option(parser: ArgumentParser) -> None:
    parser.add_argument("--store", action=filled(), default=None, help="the store's file")
    parser.add_argument("-j", "--json", action="store_true", help="answer with JSON")


# --- call -------------------------------------------------------------------------------------------------------------


def add_call(parser: ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("name", action=filled(), help="the task's name")
    parser.add_argument("-a", "--args", default=None, help="positional arguments, a JSON list")
    parser.add_argument("-k", "--kwargs", default=None, help="arguments by name, a JSON object")
    parser.add_argument("--eta", default=None, help="start it then, in ISO 8601")
    parser.add_argument(
        "--countdown", type=seconds, default=None, help="start it in so many seconds"
    )
    parser.add_argument("--expires", default=None, help="not after so many seconds, or that time")
    parser.add_argument(
        "--queue", "-Q", action=filled(), default=None, help="another queue than the task's"
    )
    parser.add_argument("--priority", type=int, default=None, help="lower comes first")
    for name in ("--serializer", "--exchange", "--routing-key"):
        parser.add_argument(name, default=None, help="accepted, without effect")
    _store_option(parser)


def call(args: Namespace, common: Common) -> int:
    """Enqueues a job, and prints its id."""
    app = complete_app(common, args.store)
    options: dict[str, Any] = {
        "countdown": args.countdown,
        "eta": parse_time("--eta", args.eta),
        "expires": _expires(args.expires),
        "priority": args.priority,
    }
    try:
        result = app.send_task(
            args.name,
            parse_json("--args", args.args, list, []),
            parse_json("--kwargs", args.kwargs, dict, None),
            queue=args.queue,
            **{name: value for name, value in options.items() if value is not None},
        )
    except TypeError as error:  # arguments that the task does not take
        raise UsageError(f"call: {error}") from None
    say(json.dumps({"id": result.id}) if args.json else result.id)
    return 0


def _expires(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return parse_time("--expires", text)


# --- result -----------------------------------------------------------------------------------------------------------


def add_result(parser: ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("id", action=filled(), help="the job's id")
    parser.add_argument(
        "-t", "--task", default=None, help="accepted, without effect: the store knows it"
    )
    parser.add_argument("--traceback", action="store_true", help="show the traceback instead")
    _store_option(parser)


def result(args: Namespace, common: Common) -> int:
    """Prints what a job has returned, or its error; status 1 unless it has succeeded."""
    from millrace.worker.job_info import plain

    app = find_app(common, args.store)
    found = app.AsyncResult(args.id)
    found.details()  # raises NotFound
    state = found.state
    value = found.traceback if args.traceback else found.result
    if args.json:
        shown = str(value) if isinstance(value, Exception) else plain(value)
        say(json.dumps({"id": args.id, "state": state, "result": shown}, ensure_ascii=False))
    elif args.traceback:
        say("\n".join(clean(line) for line in str(value or "").split("\n")))
    elif isinstance(value, Exception):
        say(clean(f"{type(value).__name__}: {value}"))
    elif value is None and state != "SUCCESS":
        say(state)
    else:
        say(
            clean(value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False))
        )
    return 0 if state == "SUCCESS" else 1


# --- purge ------------------------------------------------------------------------------------------------------------


def add_purge(parser: ArgumentParser) -> None:
    """Options beside those of `purge QUEUE`."""
    parser.add_argument(
        "-Q", "--queues", action="append", default=[], help="these queues, separated by commas"
    )
    parser.add_argument(
        "-X", "--exclude-queues", action="append", default=[], help="all queues but these"
    )


def purge(args: Namespace, common: Common) -> int:
    """Removes what waits in several queues, or in all."""
    app = find_app(common, args.store)
    engine = app.engine
    known = [each.queue for each in engine.list_queues() if not is_internal(each.queue)]
    excluded = set(names_of(args.exclude_queues))
    queues = [name for name in names_of(args.queues) or known if name not in excluded]
    if not args.yes and sys.stdin.isatty() and sys.stderr.isatty():
        sys.stderr.write(
            f"Delete all waiting and scheduled jobs of {', '.join(queues) or 'no queue'}? [y/N] "
        )
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            warn("nothing was changed")
            return 1
    number = sum(engine.drain(queue, scheduled=True) for queue in queues)
    if args.json:
        say(json.dumps({"queues": queues, "removed": number}, ensure_ascii=False))
    else:
        say(f"removed {number} jobs of {len(queues)} queues")
    return 0


# --- list, report, graph ----------------------------------------------------------------------------------------------


def add_list(parser: ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("what", choices=("bindings", "queues", "tasks"), help="what to list")
    _store_option(parser)


def list_things(args: Namespace, common: Common) -> int:
    """Prints queues (`bindings`), or the tasks of the application."""
    if args.what == "tasks":
        app = complete_app(common, args.store)
        names = sorted(app.tasks)
        say(json.dumps(names) if args.json else "\n".join(map(clean, names)))
        return 0
    app = find_app(common, args.store)
    names = sorted(each.queue for each in app.engine.list_queues() if not is_internal(each.queue))
    if args.json:
        say(json.dumps(names))
    else:
        rows = [[name, "direct", name] for name in names]
        say("\n".join(table(["QUEUE", "EXCHANGE", "ROUTING KEY"], rows)))
    return 0


def add_report(parser: ArgumentParser) -> None:
    """Its options."""
    _store_option(parser)


def report(args: Namespace, common: Common) -> int:
    """Prints what a bug report should say."""
    import os

    from millrace.worker.report import bugreport

    named = common.app or common.application or args.store or common.broker
    app: Millrace | None = None
    if named or os.environ.get("MILLRACE_APP") or os.environ.get("MILLRACE_STORE"):
        try:
            app = complete_app(common, args.store)
        except AppImportError as error:  # all the more is there to report
            warn(f"cannot import {error.location}: {error.__cause__!r}")
    text = bugreport(app)
    say(json.dumps({"report": text}) if args.json else text)
    return 0


def add_graph(parser: ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("what", choices=("workers", "bootsteps"), help="what to draw")
    parser.add_argument("arguments", nargs="*", help="accepted, without effect")
    parser.add_argument("--store", action=filled(), default=None, help="the store's file")


def graph(args: Namespace, common: Common) -> int:
    """Prints a drawing of the workers and their queues in the language of Graphviz."""
    if args.what == "bootsteps":
        raise UsageError(
            "there are no boot steps here, so there is nothing to draw: try `graph workers`"
        )
    app = find_app(common, args.store)
    lines = ["digraph workers {", "  rankdir=LR;", f"  {_quote(app.store)} [shape=cylinder];"]
    for worker in app.engine.list_workers():
        if not worker.alive or all(map(is_internal, worker.queues)):
            continue
        node = _quote(f"{worker.name} ({worker.pid})")
        lines.append(f"  {node} [shape=box];")
        for queue in worker.queues:
            lines.append(f"  {_quote(app.store)} -> {node} [label={_quote(queue)}];")
    say("\n".join([*lines, "}"]))
    return 0


def _quote(text: str) -> str:
    return json.dumps(clean(text), ensure_ascii=False)


# --- shell ------------------------------------------------------------------------------------------------------------


def add_shell(parser: ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("-I", "--ipython", action="store_true", help="IPython, and nothing else")
    parser.add_argument("-B", "--bpython", action="store_true", help="bpython, and nothing else")
    parser.add_argument("-P", "--python", action="store_true", help="Python's own")
    parser.add_argument(
        "-T", "--without-tasks", action="store_true", help="without the tasks by their names"
    )
    parser.add_argument("--eventlet", action="store_true", help="accepted, without effect")
    parser.add_argument("--gevent", action="store_true", help="accepted, without effect")
    parser.add_argument("--store", action=filled(), default=None, help="the store's file")


def shell(args: Namespace, common: Common) -> int:
    """Reads Python from the terminal, with the application, its tasks and the canvas at hand."""
    app = complete_app(common, args.store)
    names = shell_names(app, tasks=not args.without_tasks)
    if args.ipython or not (args.bpython or args.python):
        try:
            from IPython import start_ipython  # type: ignore[import-not-found, unused-ignore]
        except ImportError:
            if args.ipython:
                raise UsageError("IPython is not installed") from None
        else:
            start_ipython(argv=[], user_ns=names)
            return 0
    if args.bpython:
        try:
            import bpython  # type: ignore[import-not-found, unused-ignore]
        except ImportError:
            raise UsageError("bpython is not installed") from None
        bpython.embed(names)
        return 0
    import code

    code.interact(local=names, banner=f"{app.name} on {app.store}: app, and its tasks by name")
    return 0


def shell_names(app: Millrace, *, tasks: bool) -> dict[str, Any]:
    """What a shell knows."""
    import millrace
    from millrace import canvas

    names: dict[str, Any] = {"app": app, "celery": app, "millrace": millrace}
    for name in ("chain", "chord", "chunks", "group", "signature", "xmap", "xstarmap"):
        names[name] = getattr(canvas, name)
    names["AsyncResult"] = app.AsyncResult
    if tasks:
        for name, task in app.tasks.items():
            short = name.rpartition(".")[2]
            if short.isidentifier():
                names.setdefault(short, task)
    return names
