"""The entry point of the command `millrace`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from millrace.errors import InvalidArgument, MillraceError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

_GOOD: Final = 0
_BAD: Final = 1
_USAGE: Final = 2


def _report(error: MillraceError, *, as_json: bool) -> int:
    """Says what went wrong: to programs where they look for the answer."""
    if as_json:
        import json

        body = {"error": {"code": error.code, "message": str(error)}}
        print(json.dumps(body, ensure_ascii=False, separators=(",", ":")))
    else:
        from millrace.cli.text import clean

        print(f"millrace: {error.code}: {clean(str(error))}", file=sys.stderr)
    return _USAGE if isinstance(error, InvalidArgument) else _BAD


def _run_verb(parser: ArgumentParser, args: Namespace) -> int:
    from millrace import _core
    from millrace.cli.verbs import Declined, UsageError

    if args.store is None:
        parser.error("no store: pass --store or set MILLRACE_STORE")
    try:
        engine = _core.Engine(args.store, create=False)
        try:
            answer = args.run(engine, args)
        finally:
            engine.close()
    except UsageError as error:
        parser.error(str(error))
    except Declined:
        print("nothing was changed", file=sys.stderr)
        return _BAD
    except MillraceError as error:
        return _report(error, as_json=args.json)
    print(answer.json if args.json else "\n".join(answer.lines))
    return _GOOD if answer.good else _BAD


def _run_worker(args: Namespace) -> int:
    from millrace import _core
    from millrace.worker import WorkerOptions, run_worker
    from millrace.worker.locate import load_app

    try:
        options = WorkerOptions(
            concurrency=args.concurrency,
            pool=args.pool,
            queues=[name for given in args.queues for name in given.split(",")],
            name=args.name,
            durability=args.durability,
            prefetch=args.prefetch,
            loglevel=args.loglevel,
            grace=args.grace,
        )
        app = load_app(args.app)
        # Said whatever the log level is: who starts a worker wants to know that it is up.
        queues = ", ".join(options.queues or (app.default_queue,))
        print(
            f"millrace {_core.VERSION}: {app.name} on {app.store}, {options.concurrency} {options.pool}, "
            f"queues {queues}, {len(app.tasks)} tasks",
            file=sys.stderr,
            flush=True,
        )
        return run_worker(app, options, location=args.app if ":" in args.app else None)
    except MillraceError as error:
        return _report(error, as_json=False)


def _run_program(args: Namespace) -> int:
    try:
        return int(args.program(args))
    except MillraceError as error:
        return _report(error, as_json=False)


def _run_bench(args: Namespace) -> int:
    from millrace.cli.bench import run_bench

    try:
        return run_bench(args)
    except MillraceError as error:
        return _report(error, as_json=args.json)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and answers its exit status: 0 good news, 1 bad news, 2 wrong usage."""
    from millrace.cli.parser import make_parser

    parser = make_parser()
    args = parser.parse_args(arguments)
    try:
        if args.program is not None:
            status = _run_program(args)
        elif args.worker:
            status = _run_worker(args)
        elif args.bench:
            status = _run_bench(args)
        else:
            status = _run_verb(parser, args)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough, as `head` does; the interpreter must not complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BAD
    except KeyboardInterrupt:
        return 130
    return status
