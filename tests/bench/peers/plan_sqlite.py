"""What is measured beside the Python libraries that keep their jobs in SQLite. Data only."""

from __future__ import annotations

from cells import Cell, Group, Row, concurrency, ours_python, pools, python

SQLITE_ENQUEUE = Group(
    "sqlite-enqueue",
    (
        ours_python("one", 5_000, "power"),
        Cell("huey", "huey", python("huey", "one", 3_000)),
        ours_python("one", 10_000, "process"),
        Cell("honker", "honker", python("honker", "one", 5_000)),
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
        ours_python("work", 100_000, "power", variants=pools(("solo", 1), ("threads", 1))),
        Cell(
            "huey",
            "huey",
            python("huey", "work", 3_000),
            variants=pools(("thread", 1), ("thread", 2), ("process", 1)),
        ),
        ours_python("work", 100_000, "process", variants=pools(("solo", 1), ("threads", 1))),
        Cell("honker", "honker", python("honker", "work", 3_000), variants=concurrency(1, 4, 8)),
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

SQLITE_GROUPS = (SQLITE_ENQUEUE, SQLITE_WORK)
