"""A flow as it is read back: a job, what it waits for, what that waits for."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Any, Final

_LEXEME: Final = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[\[\]{}:,]|[^\s\[\]{}:,"]+)')


@dataclasses.dataclass(frozen=True)
class FlowTree:
    """A job of a flow with what it waits for.

    Attributes:
        id: The job's id.
        queue: Its queue.
        name: Its task's name.
        state: Where it stands, in the store's words: "blocked", "ready", "active", "completed" ...
        policy: What becomes of the job above it if this one fails; None for the topmost.
        children: What it waits for, in order. A job that is reached twice has them only at its first place.
        more: How many of them are not shown.
    """

    id: str
    queue: str
    name: str
    state: str
    policy: str | None = None
    children: tuple[FlowTree, ...] = ()
    more: int = 0

    def walk(self) -> Iterator[tuple[int, FlowTree]]:
        """This job and all below it with their depths, parents first."""
        waiting = [(0, self)]
        while waiting:
            depth, each = waiting.pop()
            yield depth, each
            waiting += [(depth + 1, child) for child in reversed(each.children)]

    def __str__(self) -> str:
        return "\n".join(
            f"{'  ' * depth}{each.name} {each.state} {each.id}" for depth, each in self.walk()
        )


def parse_tree(text: str) -> FlowTree:
    """From the store's JSON text. Not by json.loads(): a flow may be deeper than the interpreter can call."""
    pending: list[dict[str, Any]] = []
    children: list[list[FlowTree]] = [[]]
    key: str | None = None
    for lexeme in _LEXEME.findall(text):
        if lexeme == "{":
            pending.append({})
            children.append([])
            key = None
        elif lexeme == "}":
            made = _node(pending.pop(), children.pop())
            children[-1].append(made)
            key = None
        elif lexeme == ",":
            key = None
        elif lexeme in "[]:":
            pass
        elif key is None:
            key = json.loads(lexeme)
        else:
            pending[-1][key] = json.loads(lexeme)
    return children[0][0]


def _node(fields: dict[str, Any], children: list[FlowTree]) -> FlowTree:
    return FlowTree(
        id=fields.get("id", ""),
        queue=fields.get("queue", ""),
        name=fields.get("name", ""),
        state=fields.get("state", ""),
        policy=fields.get("policy") or None,
        children=tuple(children),
        more=int(fields.get("more", 0)),
    )
