"""The account at the end: what the store says, held against what everybody else saw."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from millrace import Millrace
from PIL import Image

from stage import audit
from stage.follow import Upload

WIDTHS: Final = (1600, 800, 320)


@dataclass
class Check:
    """A figure that must be right."""

    name: str
    expected: Any
    got: Any

    @property
    def ok(self) -> bool:
        return bool(self.expected == self.got)


@dataclass
class Evidence:
    """What was seen outside the store."""

    files: Sequence[Path]  # what was uploaded
    uploads: list[Upload]  # what the server-sent events told of it
    poisoned: Upload
    produced: dict[str, Any]  # ids of the jobs that Node enqueued, for Python and for Node
    received: dict[str, Any]  # the receiver's own account
    take_over: audit.TakeOver
    thumbnails: Path
    seconds: float

    @property
    def webhooks(self) -> set[str]:
        """The ids of all webhooks that were to be delivered."""
        return {f"processed-{one.job_id}" for one in self.uploads} | set(self.produced["node"])


def all_checks(app: Millrace, seen: Evidence) -> list[Check]:
    """Everything that must hold at the end."""
    return [
        *_of_store(app, seen),
        *_of_receiver(app, seen),
        *_of_take_over(app, seen),
        *_of_photographs(seen),
    ]


def _of_store(app: Millrace, seen: Evidence) -> Iterator[Check]:
    yield Check("photographs", _done(len(seen.files), failed=1), _counts(app, "images"))
    yield Check("webhooks", _done(len(seen.webhooks)), _counts(app, "webhooks"))
    yield Check("GitHub events", _done(len(seen.produced["python"])), _counts(app, "github"))
    counts = {name: app.counts(queue) for name, (queue, _) in audit.KINDS.items()}
    yield Check(
        "done + dead, by the counts and by the log of events",
        {name: f"{one.completed} + {one.failed}" for name, one in counts.items()},
        {name: f"{one.done} + {one.dead}" for name, one in audit.kinds(app).items()},
    )
    dead = [letter["id"] for letter in audit.dead_letters(app)]
    yield Check("dead letters", [seen.poisoned.job_id], dead)
    yield Check("the store's own examination", True, json.loads(app.engine.doctor_json())["ok"])


def _of_receiver(app: Millrace, seen: Evidence) -> Iterator[Check]:
    times = {one["id"]: one["times"] for one in seen.received["deliveries"]}
    yield Check("webhooks that the receiver misses", [], sorted(seen.webhooks - set(times)))
    yield Check("webhooks that nobody had enqueued", [], sorted(set(times) - seen.webhooks))
    # None is explained: no Node worker was killed, and an image's job that ran twice found its webhook enqueued.
    yield Check("webhooks received twice", [], sorted(key for key, n in times.items() if n > 1))
    yield Check("wrong signatures", 0, seen.received["badSignatures"])
    turned_away = seen.received["turnedAway"]
    yield Check("the receiver has turned some away", True, turned_away > 0)
    retried = audit.kinds(app)["deliver_webhook"].retried
    yield Check("retries, as many as it turned away", turned_away, retried)


def _of_take_over(app: Millrace, seen: Evidence) -> Iterator[Check]:
    held = seen.take_over.held
    details = [app.AsyncResult(one.job_id, queue="images").details() for one in seen.uploads]
    crashed = [job.spec.id for job in details if job.crashes]
    yield Check("the killed process held jobs", True, bool(held))
    yield Check("jobs that lost their worker", sorted(held), sorted(crashed))
    yield Check("of these back in the queue", len(held), len(seen.take_over.back_in_queue_ms))
    yield Check("of these started again", len(held), len(seen.take_over.started_again_ms))


def _of_photographs(seen: Evidence) -> Iterator[Check]:
    photographs = len(seen.files)
    told_end = sum(one.ending == "completed" for one in seen.uploads)
    yield Check("streams that told a photograph's end", photographs, told_end)
    told_progress = sum(one.progress_events > 0 for one in seen.uploads)
    yield Check("streams that told progress", photographs, told_progress)
    told_failure = f"{seen.poisoned.ending}, {seen.poisoned.error.get('type')}"
    yield Check("the poisoned job's stream", "failed, PIL.UnidentifiedImageError", told_failure)
    sent = sum(path.stat().st_size for path in seen.files)
    processed = sum(one.result.get("bytes", 0) for one in seen.uploads)
    yield Check("bytes of the photographs", sent, processed)
    yield Check("thumbnails", len(WIDTHS) * photographs, _good_thumbnails(seen))


def _done(completed: int, *, failed: int = 0) -> dict[str, int]:
    return {"waiting": 0, "active": 0, "completed": completed, "failed": failed}


def _counts(app: Millrace, queue: str) -> dict[str, int]:
    counts = app.counts(queue)
    return {
        "waiting": counts.ready + counts.scheduled + counts.blocked,
        "active": counts.active,
        "completed": counts.completed,
        "failed": counts.failed,
    }


def _good_thumbnails(seen: Evidence) -> int:
    """How many can be opened and have the right width."""
    good = 0
    for one in seen.uploads:
        for name, width in zip(one.result.get("thumbnails", []), WIDTHS, strict=False):
            with Image.open(seen.thumbnails / name) as image:
                image.load()
                good += image.width == width
    return good
