"""What hangs on a result: the jobs that wait for it, those that its task has enqueued, and a picture of them all."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO

from millrace.errors import NotFound

if TYPE_CHECKING:
    from millrace import _core
    from millrace.result.base import AsyncResult

_PAGE = 1_000
_WAITING = ("ready", "scheduled", "blocked", "active")
_ENDED = ("completed", "failed", "cancelled")


def children_of(result: AsyncResult[Any], at_most: int) -> list[Any]:
    """Results of the jobs that wait or have waited for a job, then of those that its task has enqueued.

    The latter are looked for among the jobs that have not ended, or ended since this one started: nothing is written
    for them when they are made.
    """
    from millrace.result.base import AsyncResult

    engine = result.app.engine
    try:
        started_ms = result.details().started_at_ms
    except NotFound:
        return []
    found: dict[str, str] = {}
    while len(found) < at_most:
        page = engine.dependents(result.id, result._queue, offset=len(found), limit=_PAGE)
        found.update(page)
        if len(page) < _PAGE:
            break
    mark = f'"millrace-parent":{json.dumps(result.id)}'
    made = [info for info in _jobs_since(engine, started_ms) if mark in info.spec.headers]
    made.sort(key=lambda info: (info.created_at_ms, info.spec.id))
    for info in made:
        found.setdefault(info.spec.id, info.spec.queue)
    children = list(found.items())[:at_most]
    return [AsyncResult(job_id, result.app, queue=queue) for job_id, queue in children]


def _jobs_since(engine: _core.Engine, since_ms: int) -> Iterator[_core.JobInfo]:
    """All jobs but those that ended before."""
    for counts in engine.list_queues():
        for state in (*_WAITING, *_ENDED):
            offset, is_over = 0, False
            while not is_over:
                page = engine.list_jobs(
                    counts.queue,
                    state,  # type: ignore[arg-type]
                    offset=offset,
                    limit=_PAGE,
                    descending=state in _ENDED,
                )
                yield from page
                offset += len(page)
                is_over = len(page) < _PAGE or (
                    state in _ENDED and page[-1].finished_at_ms < since_ms
                )


class DependencyGraph:
    """Results and what hangs on each of them. Made by `AsyncResult.graph`.

    Args:
        formatter: Called with a result; answers its label.
    """

    def __init__(self, formatter: Any = None) -> None:
        self.formatter = formatter or str
        self.adjacent: dict[Any, list[Any]] = {}

    def add_arc(self, obj: Any) -> None:
        """Adds a node."""
        self.adjacent.setdefault(obj, [])

    def add_edge(self, parent: Any, child: Any) -> None:
        """Adds an arrow between two nodes."""
        self.add_arc(parent)
        self.add_arc(child)
        self.adjacent[parent].append(child)

    def __len__(self) -> int:
        return len(self.adjacent)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.adjacent)

    def __contains__(self, obj: object) -> bool:
        return obj in self.adjacent

    def __getitem__(self, node: Any) -> list[Any]:
        return self.adjacent[node]

    def edges(self) -> list[Any]:
        """The nodes on which others hang."""
        return [node for node, children in self.adjacent.items() if children]

    def items(self) -> Any:
        """(node, children) of each node."""
        return self.adjacent.items()

    def topsort(self) -> list[Any]:
        """All nodes, those that hang on others first."""
        done: dict[Any, None] = {}
        for root in self.adjacent:
            stack = [(root, iter(self.adjacent[root]))]
            while stack:
                node, rest = stack[-1]
                child = next((each for each in rest if each not in done), None)
                if child is None:
                    done[node] = None
                    stack.pop()
                elif all(child is not above for above, _ in stack):
                    stack.append((child, iter(self.adjacent[child])))
        return list(done)

    def dot(self) -> str:
        """As text in the DOT language."""
        names = {node: f'"{_escaped(self.formatter(node))}"' for node in self.adjacent}
        lines = [f"    {name};" for name in names.values()]
        lines += [
            f"    {names[node]} -> {names[child]};"
            for node, children in self.adjacent.items()
            for child in children
        ]
        return "digraph dependencies {\n" + "\n".join(lines) + "\n}\n"

    def to_dot(self, fh: TextIO | None = None, formatter: Any = None) -> None:
        """Writes it in the DOT language, to the standard output unless a file is given."""
        if formatter is not None:
            self.formatter = formatter
        (fh or sys.stdout).write(self.dot())

    def __repr__(self) -> str:
        return "\n".join(
            f"{self.formatter(node)}({len(children)})\n"
            + "".join(f"     {self.formatter(child)}({len(self[child])})\n" for child in children)
            for node, children in self.adjacent.items()
        )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
