"""What is measured of Python's starts: ten thousand coroutines, a worker, a command. Data only."""

from __future__ import annotations

from cells import Cell, Goal, Group, Row, ours_python, pools, python

NAPS = 10_000
CLI_MS_MAX = 200
DEFAULT_POOL = ("--pool", "default")

PYTHON_SLEEPERS = Group(
    "python-sleepers",
    (
        ours_python("naps", NAPS, "power", variants=pools(("asyncio", NAPS))),
        Cell(
            "Taskiq",
            "taskiq",
            python("taskiq", "naps", NAPS),
            "redis",
            variants=pools(("asyncio", NAPS)),
        ),
        Cell(
            "Celery gevent",
            "celery",
            python("celery", "naps", NAPS),
            "redis",
            variants=pools(("gevent", NAPS)),
        ),
    ),
    tuple(
        Row(
            f"Python: {NAPS:,} tasks asleep at once, {what}",
            "millrace power",
            peer,
            "power",
            None,
            metric,
            unit,
            smaller_is_better=True,
        )
        for what, metric, unit in (
            ("memory of each", "each_kib", " KiB"),
            ("from the first start to the last", "started_ms", " ms"),
        )
        for peer in ("Taskiq", "Celery gevent")
    ),
)

_WORKERS = (
    ("Celery", "celery"),
    ("Dramatiq", "dramatiq"),
    ("RQ", "rq"),
    ("Huey", "huey"),
    ("Taskiq", "taskiq"),
)
PYTHON_START = Group(
    "python-start",
    (
        ours_python("start", 1, "power", *DEFAULT_POOL),
        *(
            Cell(name, lib, python(lib, "start", 1, *DEFAULT_POOL), "redis")
            for name, lib in _WORKERS
        ),
    ),
    tuple(
        Row(
            "Python: a worker's start to its first task's, default pool",
            "millrace power",
            name,
            "power",
            None,
            "start_ms",
            " ms",
            smaller_is_better=True,
        )
        for name, _ in _WORKERS
    ),
)

PYTHON_CLI = Group(
    "python-cli",
    (
        ours_python("command", 10, "power", "--words=--help", name="millrace --help"),
        Cell("celery --help", "celery", python("celery", "command", 3, "--words=--help"), "redis"),
        ours_python(
            "status", 10, "power", "--words=status -A lib_millrace:app", name="millrace status"
        ),
    ),
    (
        Row(
            "Python: `millrace --help`, `celery --help`",
            "millrace --help",
            "celery --help",
            "power",
            Goal("at_most", CLI_MS_MAX),
            "p50_ms",
            " ms",
            smaller_is_better=True,
        ),
        Row(
            "Python: `millrace status` of a worker that answers",
            "millrace status",
            None,
            "power",
            Goal("at_most", CLI_MS_MAX),
            "p50_ms",
            " ms",
            smaller_is_better=True,
            note="`celery status` always waits for its time-out of a second",
        ),
    ),
)

PYTHON_START_GROUPS = (PYTHON_SLEEPERS, PYTHON_START, PYTHON_CLI)
