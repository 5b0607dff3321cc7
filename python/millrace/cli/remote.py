"""`millrace status`, `inspect METHOD` and `control COMMAND`: questions and commands to workers that run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from millrace.cli.common import Common, UsageError, find_app, names_of, say, warn
from millrace.cli.text import clean
from millrace.cli.values import filled, seconds
from millrace.worker.job_info import plain

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from millrace.worker.control import CommandInfo

UNAVAILABLE: Final = 69  # EX_UNAVAILABLE of sysexits.h


def add_options(parser: ArgumentParser) -> None:
    """Those that all three have."""
    parser.add_argument(
        "-t", "--timeout", type=seconds, default=None, help="seconds to wait for replies; default 1"
    )
    parser.add_argument(
        "-d", "--destination", action="append", default=[], help="node names, separated by commas"
    )
    if "--store" not in parser._option_string_actions:
        parser.add_argument("--store", action=filled(), default=None, help="the store's file")
        parser.add_argument("-j", "--json", action="store_true", help="answer with JSON")


def add_list_option(parser: ArgumentParser) -> None:
    """For the two that take a command."""
    parser.add_argument("--list", action="store_true", help="list the commands there are")


def _replied(replies: dict[str, Any] | None, *, quiet: bool, as_json: bool) -> int:
    if not replies:
        warn("Error: No nodes replied within time constraint")
        return UNAVAILABLE
    if as_json:
        say(json.dumps(plain(replies), ensure_ascii=False))
    elif not quiet:
        say(f"\n{len(replies)} {'node' if len(replies) == 1 else 'nodes'} online.")
    return 0


def status(args: Namespace, common: Common) -> int:
    """Which workers answer."""
    app = find_app(common, args.store)
    callback = None if args.json else _say_status
    replies = app.control.inspect(
        destination=names_of(args.destination) or None,
        timeout=1.0 if args.timeout is None else args.timeout,
        callback=callback,
    ).ping()
    return _replied(replies, quiet=common.quiet, as_json=args.json)


def _say_status(reply: dict[str, Any]) -> None:
    for node, answer in reply.items():
        say(f"{clean(node)}: {'OK' if 'ok' in answer else 'ERROR'}")


def _say_reply(reply: dict[str, Any]) -> None:
    for node, answer in reply.items():
        failed = isinstance(answer, dict) and "error" in answer
        say(f"->  {clean(node)}: {'ERROR' if failed else 'OK'}")
        body = answer
        if isinstance(answer, dict) and len(answer) == 1:
            body = answer.get("ok", answer.get("error", answer))
        if isinstance(body, list):
            lines = [f"* {_line(item)}" for item in body] or ["- empty -"]
        elif isinstance(body, str):
            lines = body.split("\n")
        else:
            lines = json.dumps(plain(body), ensure_ascii=False, indent=4).split("\n")
        for line in lines:
            say(f"        {clean(line)}")


def _line(item: Any) -> str:
    return item if isinstance(item, str) else json.dumps(plain(item), ensure_ascii=False)


def _commands(kind: str) -> dict[str, CommandInfo]:
    from millrace.worker.control import Panel

    return {
        name: info
        for name, info in sorted(Panel.load().meta.items())
        if info.type == kind and info.visible
    }


def _say_commands(kind: str) -> int:
    for name, info in _commands(kind).items():
        signature = f" {info.signature}" if info.signature else ""
        say(f"{name}{signature}\n        {info.help}")
    return 0


def compile_arguments(name: str, info: CommandInfo, given: list[str]) -> dict[str, Any]:
    """The arguments of a command by name, from those of the command line."""
    arguments: dict[str, Any] = {}
    left = list(given)
    for argument, kind in info.args or ():
        if not left:
            break
        text = left.pop(0)
        try:
            arguments[argument] = kind(text)
        except ValueError as error:
            raise UsageError(f"{name}: argument {argument}: {error}") from None
    if info.variadic and left:
        arguments[info.variadic] = left
    elif left:
        raise UsageError(f"{name}: too many arguments: {' '.join(left)}")
    return arguments


def _ask(kind: str, command: str, given: list[str], args: Namespace, common: Common) -> int:
    app = find_app(
        common, args.store
    )  # before the list: an application may have commands of its own
    if args.list:
        return _say_commands(kind)
    commands = _commands(kind)
    info = commands.get(command)
    if info is None:
        raise UsageError(
            f"Command {command} not recognized. Available {kind} commands: {', '.join(commands)}"
        )
    replies = app.control.broadcast(
        command,
        arguments=compile_arguments(command, info, given),
        destination=names_of(args.destination) or None,
        reply=True,
        timeout=info.default_timeout if args.timeout is None else args.timeout,
        callback=None if args.json else _say_reply,
    )
    nodes = {node: answer for reply in replies or [] for node, answer in reply.items()}
    return _replied(nodes, quiet=common.quiet or kind == "control", as_json=args.json)


def inspect(args: Namespace, common: Common) -> int:
    """`millrace inspect METHOD`."""
    return _ask("inspect", args.method or "", args.arguments, args, common)


def control(args: Namespace, common: Common) -> int:
    """`millrace control COMMAND`."""
    if args.command is None and not args.list:
        raise UsageError("which command? --list shows them")
    return _ask("control", args.command or "", args.arguments, args, common)
