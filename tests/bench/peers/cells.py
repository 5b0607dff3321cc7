"""What a measurement is made of: cells (one program each) and the rows that compare two of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Cell:
    """One measured program.

    `variants` are tried once each first; the best of them is the one that counts.
    """

    name: str
    library: str  # "millrace", or the peer whose version the row names
    program: tuple[str, ...]
    server: str | None = None  # whose name in servers.py; None: a fresh store file per run
    durability: str = ""  # ours only
    variants: tuple[tuple[str, ...], ...] = ((),)


@dataclass(frozen=True)
class Goal:
    """A floor for ours/peer ("ratio"), or a bound on ours alone.

    `disk`: this quantile of the disk's fdatasync is added to the bound.
    """

    kind: str  # "ratio" "at_least" "at_most"
    value: float
    disk: float | None = None


@dataclass(frozen=True)
class Row:
    """One line of the table: a figure of ours beside a peer's."""

    work: str
    ours: str | None
    peer: str | None
    durability: str
    goal: Goal | None = None
    metric: str = "rate"
    unit: str = "/s"
    smaller_is_better: bool = False
    note: str = ""  # what a reader must know of this comparison, printed below the table


@dataclass(frozen=True)
class Group:
    """Cells that are run alternately: first, second, ..., first, second, ..."""

    name: str
    cells: tuple[Cell, ...]
    rows: tuple[Row, ...] = field(default=())


def node(lib: str, mode: str, count: int, *more: str) -> tuple[str, ...]:
    """A program in JavaScript."""
    words = ("--lib", lib, "--mode", mode, "--count", str(count), *more)
    return ("node", "node_bench.mjs", *words)


def python(lib: str, mode: str, count: int, *more: str) -> tuple[str, ...]:
    """A program in Python."""
    words = ("--lib", lib, "--mode", mode, "--count", str(count), *more)
    return ("python", "py_bench.py", *words)


def ours_node(mode: str, count: int, durability: str, *more: str, **fields: Any) -> Cell:
    """Ours in Node."""
    return _ours(node("millrace", mode, count, *more), durability, fields)


def ours_python(mode: str, count: int, durability: str, *more: str, **fields: Any) -> Cell:
    """Ours in Python."""
    return _ours(python("millrace", mode, count, *more), durability, fields)


def _ours(program: tuple[str, ...], durability: str, fields: dict[str, Any]) -> Cell:
    name = fields.pop("name", f"millrace {durability}")
    return Cell(name, "millrace", program, durability=durability, **fields)


def versus(work: str, ours: str, durability: str, *peers: str, **more: Any) -> tuple[Row, ...]:
    """Rows of one work: ours beside each of several peers."""
    return tuple(Row(work, ours, peer, durability, **more) for peer in peers)


def concurrency(*values: int, batch: int | None = None) -> tuple[tuple[str, ...], ...]:
    """Variants by how many jobs run at once, and how many are fetched at once."""
    more = () if batch is None else ("--batch", str(batch))
    return tuple(("--concurrency", str(value), *more) for value in values)


def pools(*pools: tuple[str, int]) -> tuple[tuple[str, ...], ...]:
    """Variants by Python's pool and its size."""
    return tuple(("--pool", pool, "--concurrency", str(size)) for pool, size in pools)
