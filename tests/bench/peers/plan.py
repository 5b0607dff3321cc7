"""What is measured: cells (one program each) and the rows that compare two of them. Data only."""

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


def _node(lib: str, mode: str, count: int) -> tuple[str, ...]:
    return ("node", "node_bench.mjs", "--lib", lib, "--mode", mode, "--count", str(count))


def _python(lib: str, mode: str, count: int) -> tuple[str, ...]:
    return ("python", "py_bench.py", "--lib", lib, "--mode", mode, "--count", str(count))


def _ours_node(mode: str, count: int, durability: str, **more: object) -> Cell:
    return Cell(
        f"millrace {durability}",
        "millrace",
        _node("millrace", mode, count),
        durability=durability,
        **more,  # type: ignore[arg-type]
    )


def _ours_python(mode: str, count: int, durability: str, **more: object) -> Cell:
    return Cell(
        f"millrace {durability}",
        "millrace",
        _python("millrace", mode, count),
        durability=durability,
        **more,  # type: ignore[arg-type]
    )


def _concurrency(*values: int) -> tuple[tuple[str, ...], ...]:
    return tuple(("--concurrency", str(value)) for value in values)


def _pools(*pools: tuple[str, int]) -> tuple[tuple[str, ...], ...]:
    return tuple(("--pool", pool, "--concurrency", str(size)) for pool, size in pools)


NODE_ONE = Group(
    "node-add",
    (
        _ours_node("one", 5_000, "power"),
        Cell("BullMQ, fsync", "bullmq", _node("bullmq", "one", 3_000), redis="always"),
        _ours_node("one", 10_000, "process"),
        Cell("BullMQ", "bullmq", _node("bullmq", "one", 8_000), redis="none"),
    ),
    (
        Row(
            "Node: await add, one at a time",
            "millrace power",
            "BullMQ, fsync",
            "power",
            Goal("ratio", 2),
        ),
        Row(
            "Node: await add, one at a time",
            "millrace process",
            "BullMQ",
            "process",
            Goal("ratio", 1.5),
        ),
    ),
)

NODE_INFLIGHT = Group(
    "node-inflight",
    (
        _ours_node("inflight", 50_000, "power"),
        Cell("BullMQ", "bullmq", _node("bullmq", "inflight", 15_000), redis="none"),
    ),
    (Row("Node: 1,000 adds in flight", "millrace power", "BullMQ", "power", Goal("ratio", 4)),),
)

NODE_BULK = Group(
    "node-bulk",
    (
        _ours_node("bulk", 100_000, "power"),
        Cell("BullMQ", "bullmq", _node("bullmq", "bulk", 15_000), redis="none"),
    ),
    (Row("Node: addBulk(1000)", "millrace power", "BullMQ", "power", Goal("ratio", 8)),),
)

NODE_WORK = Group(
    "node-work",
    (
        _ours_node("work", 100_000, "power", variants=_concurrency(10, 100, 500)),
        Cell(
            "BullMQ",
            "bullmq",
            _node("bullmq", "work", 12_000),
            redis="none",
            variants=_concurrency(1, 10, 50, 100, 300),
        ),
    ),
    (
        Row(
            "Node: no-op jobs worked by one process",
            "millrace power",
            "BullMQ",
            "power",
            Goal("ratio", 4),
        ),
    ),
)

PYTHON_ONE = Group(
    "python-delay",
    (
        _ours_python("one", 10_000, "process"),
        Cell("Celery", "celery", _python("celery", "one", 2_500), redis="none"),
        _ours_python("one", 5_000, "power"),
    ),
    (
        Row(
            "Python: delay(), one at a time",
            "millrace process",
            "Celery",
            "process",
            Goal("ratio", 10),
        ),
        Row(
            "Python: delay(), one at a time", "millrace power", "Celery", "power", Goal("ratio", 3)
        ),
    ),
)

PYTHON_MANY = Group(
    "python-many",
    (
        _ours_python("many", 50_000, "power", variants=(("--chunk", "10000"),)),
        Cell("Celery group", "celery", _python("celery", "many", 2_500), redis="none"),
        Cell("Celery loop", "celery", _python("celery", "one", 2_500), redis="none"),
    ),
    (
        Row(
            "Python: many in one call (Celery: delay() in a loop)",
            "millrace power",
            "Celery loop",
            "power",
            Goal("ratio", 50),
        ),
        Row(
            "Python: many in one call (Celery: group.apply_async)",
            "millrace power",
            "Celery group",
            "power",
            Goal("ratio", 50),
        ),
    ),
)

PYTHON_WORK = Group(
    "python-work",
    (
        _ours_python(
            "work",
            40_000,
            "power",
            variants=_pools(("solo", 1), ("threads", 1), ("threads", 2)),
        ),
        Cell(
            "Celery",
            "celery",
            _python("celery", "work", 2_500),
            redis="none",
            variants=_pools(
                ("prefork", 1),
                ("prefork", 2),
                ("prefork", 4),
                ("threads", 1),
                ("threads", 2),
                ("threads", 8),
            ),
        ),
    ),
    (
        Row(
            "Python: no-op tasks with results, one worker process",
            "millrace power",
            "Celery",
            "power",
            Goal("ratio", 40),
        ),
    ),
)

SQLITE_ENQUEUE = Group(
    "sqlite-enqueue",
    (
        _ours_python("one", 5_000, "power"),
        Cell("huey", "huey", _python("huey", "one", 3_000)),
        _ours_python("one", 10_000, "process"),
        Cell("honker", "honker", _python("honker", "one", 5_000)),
    ),
    (
        Row(
            "Python: enqueue (huey: its default, synchronous=FULL)",
            "millrace power",
            "huey",
            "power",
        ),
        Row(
            "Python: enqueue (honker: its default, synchronous=NORMAL)",
            "millrace process",
            "honker",
            "process",
        ),
    ),
)

SQLITE_WORK = Group(
    "sqlite-work",
    (
        _ours_python("work", 100_000, "power", variants=_pools(("solo", 1), ("threads", 1))),
        Cell(
            "huey",
            "huey",
            _python("huey", "work", 3_000),
            variants=_pools(("thread", 1), ("thread", 2), ("process", 1)),
        ),
        _ours_python("work", 100_000, "process", variants=_pools(("solo", 1), ("threads", 1))),
        Cell("honker", "honker", _python("honker", "work", 3_000), variants=_concurrency(1, 4, 8)),
    ),
    (
        Row(
            "Python: no-op tasks (huey: its default, synchronous=FULL)",
            "millrace power",
            "huey",
            "power",
        ),
        Row(
            "Python: no-op tasks (honker: its default, synchronous=NORMAL)",
            "millrace process",
            "honker",
            "process",
        ),
    ),
)


def _latency_rows(language: str, peer: str) -> tuple[Row, ...]:
    rows = []
    for durability in ("process", "power"):
        for q, bound_us in (("p50", 250), ("p99", 1_000)):
            disk = None if durability == "process" else float(q[1:]) / 100
            rows.append(
                Row(
                    f"{language}: enqueue to start in an idle process, {q}",
                    f"millrace {durability}",
                    peer,
                    durability,
                    Goal("at_most", bound_us, disk),
                    f"{q}_us",
                    " us",
                    smaller_is_better=True,
                )
            )
    return tuple(rows)


NODE_LATENCY = Group(
    "node-latency",
    (
        _ours_node("latency", 300, "process"),
        Cell("BullMQ", "bullmq", _node("bullmq", "latency", 300), redis="none"),
        _ours_node("latency", 300, "power"),
    ),
    _latency_rows("Node", "BullMQ"),
)

PYTHON_LATENCY = Group(
    "python-latency",
    (
        _ours_python("latency", 300, "process", variants=_pools(("threads", 2))),
        Cell(
            "Celery",
            "celery",
            _python("celery", "latency", 300),
            redis="none",
            variants=_pools(("threads", 2), ("prefork", 2)),
        ),
        _ours_python("latency", 300, "power", variants=_pools(("threads", 2))),
    ),
    _latency_rows("Python", "Celery"),
)


def _flows(shape: str, words: str, ours: int, theirs: int) -> Group:
    def cell(make: tuple[str, ...]) -> tuple[str, ...]:
        return (*make, "--shape", shape)

    return Group(
        f"python-{shape}",
        (
            Cell(
                "millrace power",
                "millrace",
                cell(_python("millrace", "flow", ours)),
                durability="power",
                variants=_pools(("solo", 1), ("threads", 1)),
            ),
            Cell(
                "Celery",
                "celery",
                cell(_python("celery", "flow", theirs)),
                redis="none",
                variants=_pools(("prefork", 2), ("threads", 1), ("threads", 4)),
            ),
        ),
        (
            Row(
                f"Python: {words}, from enqueueing to the last result",
                "millrace power",
                "Celery",
                "power",
                Goal("ratio", 50),
            ),
        ),
    )


PYTHON_CHORD = _flows("chord", "chord of 10", 1_000, 60)
PYTHON_CHAIN = _flows("chain", "chain of 5", 1_000, 100)

PYTHON_DELAYED = Group(
    "python-delayed",
    (
        _ours_python("delayed", 200, "power", variants=_pools(("threads", 2))),
        Cell(
            "Celery",
            "celery",
            _python("celery", "delayed", 100),
            redis="none",
            variants=_pools(("threads", 2)),
        ),
    ),
    tuple(
        Row(
            f"Python: a delayed job's start after its due time, {q}",
            "millrace power",
            "Celery",
            "power",
            Goal("at_most", 3_000) if q == "p99" else None,
            f"{q}_us",
            " us",
            smaller_is_better=True,
        )
        for q in ("p50", "p99")
    ),
)

GROUPS = (
    NODE_ONE,
    NODE_INFLIGHT,
    NODE_BULK,
    NODE_WORK,
    PYTHON_ONE,
    PYTHON_MANY,
    PYTHON_WORK,
    SQLITE_ENQUEUE,
    SQLITE_WORK,
    NODE_LATENCY,
    PYTHON_LATENCY,
    PYTHON_CHORD,
    PYTHON_CHAIN,
    PYTHON_DELAYED,
)
