"""`millrace events`: follows what happens to jobs and workers, as lines or with a camera."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from millrace.cli.common import Common, find_app, say, warn
from millrace.cli.text import clean
from millrace.cli.values import filled, seconds, whole

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from millrace.events.receiver import EventReceiver


def add_options(parser: ArgumentParser) -> None:
    """All of them."""
    add = parser.add_argument
    add(
        "-d",
        "--dump",
        action="store_true",
        help="print a line for each event: what it does without --camera",
    )
    add(
        "-c", "--camera", action=filled(), default=None, help="a camera class instead: module:Class"
    )
    add(
        "-F",
        "--freq",
        "--frequency",
        dest="freq",
        type=seconds,
        default=1.0,
        help="seconds between two pictures",
    )
    add(
        "-r",
        "--maxrate",
        action=filled(),
        default=None,
        help="at most so many pictures, such as 10/m",
    )
    add("-l", "--loglevel", default=None, help="of the camera's log")
    add("--after", default="$", help='an event id to begin behind; "" for the oldest that is kept')
    add("--limit", type=whole(1), default=None, help="end after so many events")
    add(
        "--timeout", type=seconds, default=None, help="end when nothing happens for so many seconds"
    )
    add("-f", "--logfile", action=filled(), default=None, help="of --detach")
    add("--pidfile", action=filled(), default=None, help="keep the process id here")
    add("-D", "--detach", action="store_true", help="run in the background")
    add("--uid", action=filled(), default=None, help="become this user")
    add("--gid", action=filled(), default=None, help="become this group")
    add("--umask", action=filled(), default=None, help="rights that new files do not get, octal")
    add("--store", action=filled(), default=None, help="the store's file")
    add("-j", "--json", action="store_true", help="print each event as JSON")


def run(args: Namespace, common: Common) -> int:
    """Follows until SIGTERM or SIGINT."""
    from millrace.worker import daemon

    if args.detach:
        command = [part for part in daemon.own_command() if part not in {"-D", "--detach"}]
        daemon.detach(command, args.logfile, args.umask)
        return 0
    app = find_app(common, args.store)
    daemon.set_umask(args.umask)
    daemon.drop_privileges(args.uid, args.gid)
    receiver = app.events.Receiver(after=args.after)
    with daemon.stopped_by_signals(receiver.stop, own_process=common.own_process):
        if args.pidfile is not None:
            daemon.PidFile(args.pidfile).acquire()
        if args.camera is not None:
            from millrace.events.snapshot import film

            film(receiver, args.camera, args.freq, args.maxrate, timeout=args.timeout)
        else:
            _dump(receiver, args, common)
    return 0


def _dump(receiver: EventReceiver, args: Namespace, common: Common) -> None:
    receiver.handlers["*"] = _say_json if args.json else _say_line
    receiver.start()
    if not common.quiet and not args.json:
        warn(f"-> evdump: following {clean(receiver.app.store)}")
    try:
        receiver.capture(limit=args.limit, timeout=args.timeout)
    except TimeoutError:
        pass
    finally:
        receiver.close()


def _say_json(event: dict[str, Any]) -> None:
    say(json.dumps(event, ensure_ascii=False))
    sys.stdout.flush()


def _say_line(event: dict[str, Any]) -> None:
    import datetime as dt

    rest = {
        name: value for name, value in event.items() if name not in _SHOWN and value is not None
    }
    at = dt.datetime.fromtimestamp(event["timestamp"], dt.timezone.utc).isoformat(
        sep=" ", timespec="milliseconds"
    )
    what = event["type"].replace("-", " ")
    if "uuid" in event:
        what += f": {rest.pop('name', '')}[{event['uuid']}]"
    fields = " ".join(f"{name}={value}" for name, value in rest.items())
    say(clean(f"{at} {event.get('hostname', '')} {what} {fields}"))
    sys.stdout.flush()


_SHOWN = frozenset({"type", "timestamp", "hostname", "uuid", "clock", "utcoffset", "pid"})
