"""What is measured of Python's producers and workers. Data only."""

from __future__ import annotations

from cells import Cell, Goal, Group, Row, ours_python, pools, python, versus

PEERS = (
    ("Dramatiq", "dramatiq", 3_000),
    ("RQ", "rq", 1_500),
    ("Huey", "huey", 5_000),
    ("Taskiq", "taskiq", 3_000),
)

PYTHON_ONE = Group(
    "python-delay",
    (
        ours_python("one", 10_000, "process"),
        Cell("Celery", "celery", python("celery", "one", 2_500), server="redis"),
        ours_python("one", 5_000, "power"),
        *(Cell(name, lib, python(lib, "one", count), "redis") for name, lib, count in PEERS),
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
        *versus(
            "Python: delay(), one at a time",
            "millrace process",
            "process",
            *(name for name, *_ in PEERS),
        ),
    ),
)

PYTHON_MANY = Group(
    "python-many",
    (
        ours_python("many", 50_000, "power", variants=(("--chunk", "10000"),)),
        Cell("Celery group", "celery", python("celery", "many", 2_500), server="redis"),
        Cell("Celery loop", "celery", python("celery", "one", 2_500), server="redis"),
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
        ours_python(
            "work",
            40_000,
            "power",
            variants=pools(("solo", 1), ("threads", 1), ("threads", 2)),
        ),
        Cell(
            "Celery",
            "celery",
            python("celery", "work", 2_500),
            server="redis",
            variants=pools(
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


def _pool(
    name: str, lib: str, count: int, *variants: tuple[str, int], server: str = "redis"
) -> Cell:
    return Cell(name, lib, python(lib, "work", count), server, variants=pools(*variants))


def _our_pool(name: str, count: int, *sizes: int) -> Cell:
    variants = pools(*((name, size) for size in sizes))
    return ours_python("work", count, "power", name=f"millrace {name}", variants=variants)


PYTHON_POOLS = Group(
    "python-pools",
    (
        _our_pool("processes", 10_000, 1, 2),
        _pool("Celery prefork", "celery", 2_000, ("prefork", 2), ("prefork", 4)),
        _pool(
            "Dramatiq processes",
            "dramatiq",
            3_000,
            ("processes of 8 threads", 1),
            ("processes of 8 threads", 2),
        ),
        _pool("RQ", "rq", 600, ("simple", 1), ("simple", 2), ("fork", 2)),
        _pool("Huey process", "huey", 3_000, ("process", 2), ("process", 4)),
        _our_pool("threads", 20_000, 1, 8),
        _pool("Celery threads", "celery", 2_000, ("threads", 1), ("threads", 8)),
        _pool("Dramatiq threads", "dramatiq", 3_000, ("threads", 1), ("threads", 8)),
        _pool("Huey thread", "huey", 3_000, ("thread", 1), ("thread", 2)),
        _our_pool("asyncio", 20_000, 10, 100),
        _pool("Taskiq", "taskiq", 3_000, ("asyncio", 10), ("asyncio", 100)),
    ),
    (
        *versus(
            "Python: no-op tasks with results, pool of processes",
            "millrace processes",
            "power",
            "Celery prefork",
            "Dramatiq processes",
            "Huey process",
        ),
        *versus(
            "Python: no-op tasks with results, pool of processes",
            "millrace processes",
            "power",
            "RQ",
            note="RQ's default worker forks for each job; SimpleWorker, which does not, is tried too",
        ),
        *versus(
            "Python: no-op tasks with results, pool of threads",
            "millrace threads",
            "power",
            "Celery threads",
            "Dramatiq threads",
            "Huey thread",
            note="RQ has no threads",
        ),
        *versus(
            "Python: no-op async tasks with results, one event loop",
            "millrace asyncio",
            "power",
            "Taskiq",
            note="Celery, RQ and Huey have no event loop for tasks",
        ),
    ),
)

PYTHON_GROUPS = (PYTHON_ONE, PYTHON_MANY, PYTHON_WORK, PYTHON_POOLS)
