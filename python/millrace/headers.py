"""What a job of a canvas carries in its headers: whose results it takes, and where it stands among the others.

Headers are strings by name, which every language reads. Names that begin with `millrace-` are Millrace's own. These
are written and read here alone, and a task does not see them among `self.request.headers`. A job that belongs to no
canvas has none, and costs nothing.

    millrace-after      what the jobs are to it that it waits for: "result" (of the first of them), "results:N" (of the
                        first N, in order, and of those that were added to the chord later), "failure", or "join"
    millrace-immutable  "1": nothing of it is put before its own arguments
    millrace-root       id of the first job of the canvas
    millrace-parent     id of the job that made it; a job with "result" has it from what it waits for
    millrace-group      id of its group, "/", and its place in the group
    millrace-chord      id of the body of the chord that it is in the header of
    millrace-stamps     JSON object of its stamps
    millrace-nesting    how often it has replaced another one

The arguments themselves stay in the payload, as `{"$args": [...], "$kwargs": {...}}` or by name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Literal

from millrace import _core

OWN: Final = frozenset(
    f"millrace-{name}"
    for name in ("after", "immutable", "root", "parent", "group", "chord", "stamps", "nesting")
)
CHORD_CHILD: Final = "millrace-chord"
"""Name of a dependency that was added to a chord's header when it had been enqueued."""

_MARK: Final = '"millrace-'

After = Literal["", "result", "results", "failure", "join"]


class Place:
    """Where a job stands in a canvas.

    Attributes:
        after: What the jobs are to it that it waits for; empty if it begins.
        count: With "results", how many it was enqueued with.
        immutable: Whether nothing is put before its own arguments.
        root_id: The first job of the canvas; empty if it is the first itself.
        parent_id: The job that made it; empty if nobody or if `after` says it.
        group_id: Its group; empty if none.
        group_index: Its place in the group.
        chord_id: The body of its chord; empty if none.
        stamps: Names to values.
        nesting: How often it has replaced another one.
    """

    __slots__ = (
        "after",
        "chord_id",
        "count",
        "group_id",
        "group_index",
        "immutable",
        "nesting",
        "parent_id",
        "root_id",
        "stamps",
    )

    # Not a dataclass: every program imports this, and that module is heavy.
    def __init__(
        self,
        *,
        after: After = "",
        count: int = 0,
        immutable: bool = False,
        root_id: str = "",
        parent_id: str = "",
        group_id: str = "",
        group_index: int = 0,
        chord_id: str = "",
        stamps: Mapping[str, Any] | None = None,
        nesting: int = 0,
    ) -> None:
        self.after: After = after
        self.count = count
        self.immutable = immutable
        self.root_id = root_id
        self.parent_id = parent_id
        self.group_id = group_id
        self.group_index = group_index
        self.chord_id = chord_id
        self.stamps: Mapping[str, Any] = stamps or {}
        self.nesting = nesting

    def fields(self) -> dict[str, str]:
        """As headers; nothing for what does not apply."""
        made: dict[str, str] = {}
        if self.after:
            results = self.after == "results"
            made["millrace-after"] = f"results:{self.count}" if results else self.after
        if self.immutable:
            made["millrace-immutable"] = "1"
        if self.root_id:
            made["millrace-root"] = self.root_id
        if self.parent_id:
            made["millrace-parent"] = self.parent_id
        if self.group_id:
            made["millrace-group"] = f"{self.group_id}/{self.group_index}"
        if self.chord_id:
            made["millrace-chord"] = self.chord_id
        if self.stamps:
            made["millrace-stamps"] = _core.dumps(dict(self.stamps))
        if self.nesting:
            made["millrace-nesting"] = str(self.nesting)
        return made


def has_place(text: str) -> bool:
    """Whether the headers, as the store keeps them, say anything of a canvas."""
    return _MARK in text


def read_place(text: str) -> Place:
    """What the headers say. Never raises: what cannot be read counts as not said."""
    if not text or _MARK not in text:
        return Place()
    given = json.loads(text)
    after, _, count = given.get("millrace-after", "").partition(":")
    group_id, _, index = given.get("millrace-group", "").rpartition("/")
    return Place(
        after=after if after in ("result", "results", "failure", "join") else "",
        count=_number(count),
        immutable="millrace-immutable" in given,
        root_id=given.get("millrace-root", ""),
        parent_id=given.get("millrace-parent", ""),
        group_id=group_id,
        group_index=_number(index),
        chord_id=given.get("millrace-chord", ""),
        stamps=_stamps(given.get("millrace-stamps")),
        nesting=_number(given.get("millrace-nesting", "")),
    )


def read_own(text: str) -> dict[str, str]:
    """The headers that the producer gave, without Millrace's own."""
    if not text:
        return {}
    given: dict[str, str] = json.loads(text)
    if _MARK not in text:
        return given
    return {name: value for name, value in given.items() if name not in OWN}


def with_place(text: str, place: Place) -> str:
    """These headers with those of a place; what they said of another place is gone."""
    made = {**read_own(text), **place.fields()} if text else place.fields()
    return _core.dumps(made) if made else ""


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _stamps(text: str | None) -> dict[str, Any]:
    if not text:
        return {}
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
