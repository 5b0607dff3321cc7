"""`millrace multi`: several workers of one machine, started, stopped and listed together.

    millrace multi start 3 -A tasks -l info --pidfile=run/%n.pid --logfile=log/%n.log
    millrace multi start fetch images -A tasks -c 2 -Q:fetch mail -c:images 8
    millrace multi stopwait 3 --pidfile=run/%n.pid

Nodes are given by name, or as a number: "3" is w1 w2 w3. `-c:NAME 8` is an option of one node alone, `-c:1-3 8` of the
first three, and what follows the last node goes to all.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Final, NamedTuple

from millrace.cli.common import Common, UsageError, say, warn

_VERBS: Final = (
    "start",
    "stop",
    "stopwait",
    "stop_verify",
    "restart",
    "kill",
    "show",
    "names",
    "get",
    "expand",
    "help",
)
_FIRST: Final = frozenset(
    {"-A", "--app", "-b", "--broker", "--workdir", "--config"}
)  # before the verb
_WAIT_S: Final = 0.05
_START_PATIENCE_S: Final = (
    60.0  # of an application with much to import; one that ends is seen at once
)
_FLAGS: Final = frozenset(
    {
        "-E",
        "-B",
        "--purge",
        "--reload",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
    }
)


class Node(NamedTuple):
    """One worker.

    Attributes:
        name: Its full node name.
        options: Those of its command line.
        pidfile: Where its id is kept.
        logfile: Where it logs.
    """

    name: str
    options: list[str]
    pidfile: str
    logfile: str

    def command(self) -> list[str]:
        """What starts it."""
        before = [part for pair in _pairs(self.options) if pair[0] in _FIRST for part in pair]
        after = [part for pair in _pairs(self.options) if pair[0] not in _FIRST for part in pair]
        return [
            sys.executable,
            "-m",
            "millrace.cli",
            *before,
            "worker",
            "-n",
            self.name,
            "--pidfile",
            self.pidfile,
            "--logfile",
            self.logfile,
            *after,
        ]


def _pairs(options: list[str]) -> list[tuple[str, ...]]:
    """The options, each with its value."""
    pairs: list[tuple[str, ...]] = []
    left = list(options)
    while left:
        option = left.pop(0)
        takes = option.startswith("-") and "=" not in option and option not in _FLAGS
        if takes and left and (not left[0].startswith("-") or left[0][1:].isdecimal()):
            pairs.append((option, left.pop(0)))
        else:
            pairs.append((option,))
    return pairs


def parse_nodes(arguments: list[str]) -> list[Node]:
    """The nodes that a command line is about."""
    from millrace.worker.node import expand, node_name

    names: list[str] = []
    shared: list[str] = []
    own: dict[str, list[str]] = {}
    for pair in _pairs(arguments):
        option = pair[0]
        if not option.startswith("-"):
            names.append(option)
        elif ":" in option.partition("=")[0]:
            name, _, rest = option.partition(":")
            chosen, equals, value = rest.partition("=")
            own.setdefault(chosen, []).extend([name, value] if equals else [name, *pair[1:]])
        else:
            shared += pair
    if len(names) == 1 and names[0].isdecimal():
        names = [f"w{i}" for i in range(1, int(names[0]) + 1)]
    if not names:
        raise UsageError("which nodes? give names, or a number")
    files, shared = _take_files(shared)
    nodes = []
    for index, given in enumerate(names, 1):
        full = node_name(given)
        options = list(shared)
        for chosen, more in own.items():
            if _is_chosen(chosen, index, given):
                options = _merged(options, more)
        nodes.append(
            Node(full, options, expand(files["--pidfile"], full), expand(files["--logfile"], full))
        )
    return nodes


def _take_files(options: list[str]) -> tuple[dict[str, str], list[str]]:
    files = {"--pidfile": "%n.pid", "--logfile": "%n.log"}
    rest: list[str] = []
    for pair in _pairs(options):
        name, equals, value = pair[0].partition("=")
        name = {"-f": "--logfile"}.get(name, name)
        if name in files:
            files[name] = value if equals else pair[1] if len(pair) > 1 else files[name]
        else:
            rest += pair
    return files, rest


def _is_chosen(chosen: str, index: int, name: str) -> bool:
    for part in chosen.split(","):
        first, dash, last = part.partition("-")
        if part == name or (part.isdecimal() and int(part) == index):
            return True
        if dash and first.isdecimal() and last.isdecimal() and int(first) <= index <= int(last):
            return True
    return False


def _merged(options: list[str], more: list[str]) -> list[str]:
    """The options with some replaced."""
    replaced = {pair[0] for pair in _pairs(more)}
    kept = [part for pair in _pairs(options) if pair[0] not in replaced for part in pair]
    return [*kept, *more]


# --- What is done with them -------------------------------------------------------------------------------------------


def _pid_of(node: Node) -> int | None:
    from millrace.worker.daemon import PidFile

    return PidFile(node.pidfile).running()


def _start(nodes: list[Node], *, quiet: bool) -> int:
    from millrace.worker.daemon import detach

    bad = 0
    for node in nodes:
        if (pid := _pid_of(node)) is not None:
            warn(f"\t> {node.name}: runs already (process {pid})")
            bad = 1
            continue
        for file in (node.pidfile, node.logfile):
            os.makedirs(os.path.dirname(file) or ".", exist_ok=True)  # noqa: PTH103, PTH120
        started = detach(node.command(), node.logfile, None)
        good = _await_start(node, started)
        bad |= not good
        if not quiet or not good:
            say(f"\t> {node.name}: {'OK' if good else f'FAILED: see {node.logfile}'}")
    return int(bad)


def _await_start(node: Node, started: int) -> bool:
    """Waits until it holds its file, or has ended. It is this program's child, so that its end can be seen."""
    deadline = time.monotonic() + _START_PATIENCE_S
    while time.monotonic() < deadline:
        if _pid_of(node) is not None:
            return True
        try:
            if os.waitpid(started, os.WNOHANG)[0]:
                return False
        except ChildProcessError:
            return _pid_of(node) is not None
        time.sleep(_WAIT_S)
    return False


def _signal(nodes: list[Node], number: int, *, quiet: bool) -> list[tuple[Node, int]]:
    told = []
    for node in nodes:
        pid = _pid_of(node)
        if pid is None:
            say(f"> {node.name}: DOWN")
            continue
        try:
            os.kill(pid, number)
        except ProcessLookupError:  # it has ended just now
            say(f"> {node.name}: DOWN")
            continue
        told.append((node, pid))
        if not quiet:
            say(f"\t> {node.name}: {signal.Signals(number).name} -> {pid}")
    return told


def _await_end(told: list[tuple[Node, int]], *, quiet: bool) -> None:
    for node, pid in told:
        try:
            import select

            handle = os.pidfd_open(pid)
        except (OSError, AttributeError):  # it has ended, or this system has no such thing
            from millrace.worker.daemon import is_alive

            while is_alive(pid):
                time.sleep(_WAIT_S)
        else:
            select.select([handle], [], [])
            os.close(handle)
        if not quiet:
            say(f"\t> {node.name}: ended")


def run(arguments: list[str], common: Common) -> int:
    """`millrace multi VERB NODES OPTIONS`."""
    verb = arguments[0] if arguments else "help"
    if verb in {"help", "--help", "-h"}:
        say(f"usage: millrace multi {{{','.join(_VERBS[:-1])}}} NODES [OPTIONS]\n\n{__doc__ or ''}")
        return 0
    if verb not in _VERBS:
        raise UsageError(f"multi: no such verb: {verb!r}; there are {', '.join(_VERBS)}")
    if verb == "expand":
        from millrace.worker.node import expand

        template, rest = arguments[1], arguments[2:]
        for node in parse_nodes(rest):
            say(expand(template, node.name))
        return 0
    wanted = arguments[1] if verb == "get" and len(arguments) > 1 else None
    nodes = parse_nodes(arguments[2:] if verb == "get" else arguments[1:])
    if common.app is not None:
        nodes = [node._replace(options=["-A", common.app, *node.options]) for node in nodes]
    return _do(verb, nodes, wanted, quiet=common.quiet)


def _do(verb: str, nodes: list[Node], wanted: str | None, *, quiet: bool) -> int:
    if verb == "names":
        say("\n".join(node.name for node in nodes))
    elif verb == "show":
        say("\n".join(subprocess.list2cmdline(node.command()) for node in nodes))
    elif verb == "get":
        found = [node for node in nodes if wanted in {node.name, node.name.partition("@")[0]}]
        if not found:
            raise UsageError(f"multi get: there is no node {wanted!r}")
        say(subprocess.list2cmdline(found[0].command()))
    elif verb == "start":
        return _start(nodes, quiet=quiet)
    elif verb == "kill":
        _await_end(_signal(nodes, signal.SIGKILL, quiet=quiet), quiet=quiet)
    else:
        told = _signal(nodes, signal.SIGTERM, quiet=quiet)
        if verb != "stop":
            _await_end(told, quiet=quiet)
        if verb == "restart":
            return _start(nodes, quiet=quiet)
    return 0
