"""Figures from the store's own log of events."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from millrace import Millrace

KINDS: Final = {
    # name: queue, from where to where
    "process_image": ("images", "FastAPI → Python"),
    "deliver_webhook": ("webhooks", "Python, Node → Node"),
    "github_event": ("github", "Node → Python"),
}


@dataclass
class Kind:
    """What became of the jobs of one kind."""

    enqueued: int
    done: int
    retried: int
    taken_over: int
    dead: int
    wall_seconds: float
    jobs_per_second: float


@dataclass
class TakeOver:
    """A worker process that was killed, the jobs it held, and when they were back."""

    worker: str
    pid: int
    killed_at_ms: int
    held: list[str]
    process_gone_ms: int = 0  # the kernel takes that long to end it; only then it is dead
    back_in_queue_ms: list[int] = field(default_factory=list)
    started_again_ms: list[int] = field(default_factory=list)


def events(app: Millrace, queue: str) -> Iterator[Any]:
    """The whole log of a queue."""
    after = ""
    while True:
        page, after = app.engine.read_events(queue, after=after)
        if not page:
            return
        yield from page


def kinds(app: Millrace) -> dict[str, Kind]:
    """Figures of each kind of job, from the log of events."""
    return {name: _kind(app, queue) for name, (queue, _) in KINDS.items()}


def _kind(app: Millrace, queue: str) -> Kind:
    log = list(events(app, queue))
    counted = Counter(event.type for event in log)
    began = min((event.at_ms for event in log if event.type == "added"), default=0)
    ended = max((event.at_ms for event in log if event.type in {"completed", "failed"}), default=0)
    seconds = max(0, ended - began) / 1000
    finished = counted["completed"] + counted["failed"]
    return Kind(
        enqueued=counted["added"],
        done=counted["completed"],
        retried=counted["scheduled"],  # due again later, after an attempt failed
        taken_over=counted["rescued"],
        dead=counted["failed"],
        wall_seconds=seconds,
        jobs_per_second=round(finished / seconds, 1) if seconds else 0.0,
    )


def measure_take_over(app: Millrace, take_over: TakeOver) -> None:
    """Reads from the log when the jobs of the killed process were back, and when they ran again."""
    for job_id in take_over.held:
        later = [
            event
            for event in events(app, "images")
            if event.job_id == job_id and event.at_ms >= take_over.killed_at_ms
        ]
        for kind, figures in (
            ("rescued", take_over.back_in_queue_ms),
            ("active", take_over.started_again_ms),
        ):
            moment = next((event.at_ms for event in later if event.type == kind), None)
            if moment is not None:
                figures.append(moment - take_over.killed_at_ms)


def dead_letters(app: Millrace) -> list[dict[str, Any]]:
    """The jobs that failed for good."""
    found: list[dict[str, Any]] = json.loads(app.engine.dead_json())["jobs"]
    return found


def as_json(**parts: Any) -> str:
    """The summary for programs."""
    return json.dumps(parts, indent=2, ensure_ascii=False, default=asdict) + "\n"
