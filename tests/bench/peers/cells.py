"""What a measurement is made of: cells (one program each) and the rows that compare two of them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Cell:
    """One measured program.

    `variants` are tried once each first; the best of them is the one that counts.
    """

    name: str
    library: str  # "millrace", or the peer whose version the row names
    program: tuple[str, ...]
    redis: str | None = None  # which server; None: a fresh store file per run
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


@dataclass(frozen=True)
class Group:
    """Cells that are run alternately: first, second, ..., first, second, ..."""

    name: str
    cells: tuple[Cell, ...]
    rows: tuple[Row, ...] = field(default=())


def node(lib: str, mode: str, count: int) -> tuple[str, ...]:
    """A program in Node."""
    return ("node", "node_bench.mjs", "--lib", lib, "--mode", mode, "--count", str(count))


def python(lib: str, mode: str, count: int) -> tuple[str, ...]:
    """A program in Python."""
    return ("python", "py_bench.py", "--lib", lib, "--mode", mode, "--count", str(count))


def ours_node(mode: str, count: int, durability: str, **more: object) -> Cell:
    """Ours in Node."""
    return Cell(
        f"millrace {durability}",
        "millrace",
        node("millrace", mode, count),
        durability=durability,
        **more,  # type: ignore[arg-type]
    )


def ours_python(mode: str, count: int, durability: str, **more: object) -> Cell:
    """Ours in Python."""
    return Cell(
        f"millrace {durability}",
        "millrace",
        python("millrace", mode, count),
        durability=durability,
        **more,  # type: ignore[arg-type]
    )


def concurrency(*values: int) -> tuple[tuple[str, ...], ...]:
    """Variants by how many jobs run at once."""
    return tuple(("--concurrency", str(value)) for value in values)


def pools(*pools: tuple[str, int]) -> tuple[tuple[str, ...], ...]:
    """Variants by Python's pool and its size."""
    return tuple(("--pool", pool, "--concurrency", str(size)) for pool, size in pools)
