"""The entry point of the command `millrace`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from millrace.cli.common import AppImportError, Common, UsageError, enter_workdir, take_common
from millrace.errors import InvalidArgument, MillraceError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from millrace.app import Millrace

_OURS: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - start-up
_GOOD: Final = 0
_BAD: Final = 1
_USAGE: Final = 2

_ABSENT: Final = {
    "amqp": "there is no AMQP broker: `millrace inspect` shows the queues",
    "logtool": "it is not here: use the tools of your system on the log",
    "migrate": "there is no broker to move tasks from: the store is a file",
    "upgrade": "settings with old names are understood as they are: nothing has to be upgraded",
}


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


def _run_verb(parser: ArgumentParser, args: Namespace, common: Common) -> int:
    """A verb of the store alone."""
    from millrace import _core
    from millrace.cli.verbs import Declined

    store = args.store or common.broker
    if store is None and (common.app is not None or common.application is not None):
        from millrace.cli.common import find_app

        store = find_app(common).store
    if store is None:
        parser.error("no store: pass --store or set MILLRACE_STORE")
    engine = _core.Engine(store.removeprefix("sqlite:///"), create=False)
    try:
        answer = args.run(engine, args)
    except Declined:
        print("nothing was changed", file=sys.stderr)
        return _BAD
    finally:
        engine.close()
    print(answer.json if args.json else "\n".join(answer.lines))
    return _GOOD if answer.good else _BAD


def _run(parser: ArgumentParser, args: Namespace, common: Common) -> int:
    if args.bench:
        from millrace.cli.bench import run_bench

        return run_bench(args)
    if args.run_app is not None:
        return int(args.run_app(args, common))
    if args.run_method is not None and (args.method is not None or args.list):
        return int(args.run_method(args, common))
    if args.run_without_queue is not None and args.queue is None:
        if not (common.app or args.queues or args.exclude_queues):
            parser.error("the following arguments are required: queue; or give -Q, -X or -A")
        return int(args.run_without_queue(args, common))
    return _run_verb(parser, args, common)


def _say_import_error(location: str, error: BaseException) -> int:
    """An application that cannot be imported: what its module raised, without the frames of ours."""
    import traceback

    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_OURS):
        frames = frames.tb_next
    while frames is not None and "importlib" in frames.tb_frame.f_code.co_filename:
        frames = frames.tb_next
    if frames is not None or isinstance(error, SyntaxError):
        traceback.print_exception(type(error), error, frames)
    print(f"millrace: cannot import {location}: {type(error).__name__}: {error}", file=sys.stderr)
    return _BAD


def _parse(
    parser: ArgumentParser, verb: str | None, rest: Sequence[str], common: Common
) -> Namespace:
    """The arguments of the verb. For those that we do not know the application is asked, which may have its own."""
    wants_help = bool({"-h", "--help"} & {*rest})
    known = bool(common.app or common.application)
    if not (wants_help and known):
        args, unknown = parser.parse_known_args(rest)
        known = known or bool(getattr(args, "app", None) or os.environ.get("MILLRACE_APP"))
        if not unknown:
            return args
        if common.app is None and common.application is None:
            common.app = getattr(args, "app", None)
    from millrace.cli.common import load_named

    app = load_named(common) if known else None
    if app is None:
        return parser.parse_args(rest)
    from millrace.cli.user_options import parse_with_own

    return parse_with_own(parser, verb, rest, app)


def _dispatch(arguments: Sequence[str], application: Millrace | None, *, own_process: bool) -> int:
    from millrace.cli.parser import make_parser

    common = Common()
    parser = make_parser()
    as_json = False
    try:
        common, rest = take_common(arguments)
        common.application = application
        common.own_process = own_process
        verb = rest[0] if rest else None
        parser = make_parser(verb)
        enter_workdir(common)
        if verb in _ABSENT:
            raise UsageError(f"{verb}: {_ABSENT[verb]}")
        if verb == "multi":
            from millrace.cli.multi import run as run_multi

            return run_multi(rest[1:], common)
        common.verb = verb
        args = common.args = _parse(parser, verb, rest, common)
        as_json = bool(getattr(args, "json", False))
        return _run(parser, args, common)
    except UsageError as error:
        parser.error(str(error))
    except AppImportError as error:
        return _say_import_error(error.location, error.__cause__ or error)
    except MillraceError as error:
        return _report(error, as_json=as_json)


def main(arguments: Sequence[str] | None = None, *, application: Millrace | None = None) -> int:
    """Runs the command and answers its exit status: 0 good news, 1 bad news, 2 wrong usage.

    Args:
        arguments: Those of the command line; default the program's own.
        application: Instead of one that is found by its name.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = _dispatch(given, application, own_process=arguments is None)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough, as `head` does; the interpreter must not complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BAD
    except KeyboardInterrupt:
        return 130
    return status
