"""What each verb does: one or a few calls of the core, and its answer."""

from __future__ import annotations

import json
import os
import platform
import sys
from argparse import Namespace
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from millrace import _core
from millrace.cli import text, views
from millrace.cli.common import UsageError
from millrace.errors import NotFound, WrongState
from millrace.queue_names import is_internal


class Answer(NamedTuple):
    """What a verb says: JSON text for programs, lines for people, and whether it is good news."""

    json: str
    lines: list[str]
    good: bool = True


class Declined(Exception):
    """The user did not confirm."""


def _answer(value: Any, line: str, *, good: bool = True) -> Answer:
    return Answer(json.dumps(value, ensure_ascii=False, separators=(",", ":")), [line], good)


def _shown(raw: str, view: Callable[[Any], list[str]]) -> Answer:
    """The core's own words for programs, so that nothing is lost on the way."""
    return Answer(raw, view(json.loads(raw)))


def _confirm(args: Namespace, question: str) -> None:
    """Asks before many jobs are lost, if somebody is there to answer."""
    if args.yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise Declined


def inspect(engine: _core.Engine, args: Namespace) -> Answer:
    """Queues and workers, or one job."""
    if args.job is not None:
        return _shown(engine.job_json(args.job, args.queue), views.job)
    answer = json.loads(engine.inspect_json())
    answer["queues"] = [each for each in answer["queues"] if not is_internal(each["queue"])]
    # The session that listens for commands is the worker's, which has others.
    answer["workers"] = [
        each for each in answer["workers"] if not all(map(is_internal, each["queues"]))
    ]
    if args.queue:
        answer["queues"] = [each for each in answer["queues"] if each["queue"] == args.queue]
        answer["workers"] = [each for each in answer["workers"] if args.queue in each["queues"]]
        if not answer["queues"] and not answer["workers"]:
            raise NotFound(f"there is no queue {args.queue!r} in {engine.path}")
    raw = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
    return Answer(raw, views.inspect(answer))


def _dead(engine: _core.Engine, args: Namespace) -> str:
    """A dead letter as JSON text. Its queue is filled into the arguments."""
    raw = engine.job_json(args.id, args.queue)
    job = json.loads(raw)
    if job["state"] != "failed":
        raise WrongState(
            f"job {args.id!r} of queue {job['queue']!r} is {job['state']}, not among the dead letters"
        )
    args.queue = job["queue"]
    return raw


def _dead_queues(engine: _core.Engine, args: Namespace) -> list[str]:
    """The queues whose dead letters a bulk change is about."""
    if args.queue:
        return [args.queue]
    return [each.queue for each in engine.list_queues() if each.failed]


def _check_selection(args: Namespace) -> None:
    chosen = bool(args.all or args.name)
    if args.id is not None and chosen:
        raise UsageError("give either an id, or --all, --name and --queue")
    if args.id is None and not (chosen or args.queue):
        raise UsageError("which ones? give an id, --all, --name or --queue")


def _selection(args: Namespace) -> str:
    name = f" named {args.name!r}" if args.name else ""
    return name + (f" of queue {args.queue!r}" if args.queue else " of all queues")


def dead_list(engine: _core.Engine, args: Namespace) -> Answer:
    """The newest dead letters."""
    raw = engine.dead_json(queue=args.queue, name=args.name, limit=args.limit)
    return _shown(raw, views.dead_list)


def dead_show(engine: _core.Engine, args: Namespace) -> Answer:
    """One dead letter in full."""
    return _shown(_dead(engine, args), views.job)


def dead_retry(engine: _core.Engine, args: Namespace) -> Answer:
    """Runs dead letters again."""
    _check_selection(args)
    if args.id is not None:
        _dead(engine, args)
        engine.redrive(args.id, args.queue)
        number = 1
    else:
        queues = _dead_queues(engine, args)
        number = sum(engine.redrive_many(queue, name=args.name) for queue in queues)
    return _answer(
        {"retried": number}, f"retried {text.count(number, 'dead letter', 'dead letters')}"
    )


def dead_remove(engine: _core.Engine, args: Namespace) -> Answer:
    """Deletes dead letters."""
    _check_selection(args)
    if args.id is not None:
        _dead(engine, args)
        engine.remove(args.id, args.queue)
        number = 1
    else:
        _confirm(args, f"Delete the dead letters{_selection(args)}?")
        queues = _dead_queues(engine, args)
        number = sum(engine.remove_many(queue, name=args.name) for queue in queues)
    return _answer(
        {"removed": number}, f"removed {text.count(number, 'dead letter', 'dead letters')}"
    )


def purge(engine: _core.Engine, args: Namespace) -> Answer:
    """Deletes what waits in a queue."""
    scheduled = " and scheduled" if args.scheduled else ""
    _confirm(args, f"Delete all waiting{scheduled} jobs of queue {args.queue!r}?")
    number = engine.drain(args.queue, scheduled=args.scheduled)
    return _answer(
        {"queue": args.queue, "removed": number},
        f"removed {text.count(number, 'job', 'jobs')} of queue {text.clean(args.queue)}",
    )


def pause(engine: _core.Engine, args: Namespace) -> Answer:
    """Stops the claiming of a queue's jobs."""
    engine.pause(args.queue)
    return _answer(
        {"queue": args.queue, "paused": True}, f"queue {text.clean(args.queue)} is paused"
    )


def resume(engine: _core.Engine, args: Namespace) -> Answer:
    """Undoes `pause`."""
    engine.resume(args.queue)
    return _answer(
        {"queue": args.queue, "paused": False}, f"queue {text.clean(args.queue)} is not paused"
    )


_CANCELLED: Final = {
    "cancelled": "it will not run",
    "requested": "it runs, and was told to stop",
    "finished": "too late: it had ended already",
}


def cancel(engine: _core.Engine, args: Namespace) -> Answer:
    """Cancels a job; too late is bad news."""
    job = json.loads(engine.job_json(args.id, args.queue))
    outcome = engine.cancel(job["id"], job["queue"], reason=args.reason)
    return _answer(
        {"id": job["id"], "queue": job["queue"], "outcome": outcome},
        f"job {text.clean(job['id'])}: {_CANCELLED[outcome]}",
        good=outcome != "finished",
    )


def doctor(engine: _core.Engine, args: Namespace) -> Answer:
    """Checks the store, and mends it if asked; a fault that is left is bad news."""
    answer = json.loads(engine.doctor_json(repair=args.repair))
    answer["versions"]["package"] = f"{_core.VERSION} for Python"
    answer["versions"]["language"] = f"Python {platform.python_version()}"
    raw = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
    return Answer(raw, views.doctor(answer), answer["ok"])


def backup(engine: _core.Engine, args: Namespace) -> Answer:
    """Writes a consistent copy."""
    destination = os.path.abspath(args.destination)  # noqa: PTH100 - must not follow links
    size, pages = engine.backup(destination)
    return _answer(
        {"destination": destination, "bytes": size, "pages": pages},
        f"wrote {text.size(size)} to {text.clean(destination)}",
    )
