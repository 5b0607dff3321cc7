"""What is measured. Data only."""

from __future__ import annotations

from cells import Cell, Goal, Group, Row, concurrency, node, ours_node, ours_python, pools, python
from plan_model import MODEL_GROUPS

NODE_ONE = Group(
    "node-add",
    (
        ours_node("one", 5_000, "power"),
        Cell("BullMQ, fsync", "bullmq", node("bullmq", "one", 3_000), redis="always"),
        ours_node("one", 10_000, "process"),
        Cell("BullMQ", "bullmq", node("bullmq", "one", 8_000), redis="none"),
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
        ours_node("inflight", 50_000, "power"),
        Cell("BullMQ", "bullmq", node("bullmq", "inflight", 15_000), redis="none"),
    ),
    (Row("Node: 1,000 adds in flight", "millrace power", "BullMQ", "power", Goal("ratio", 4)),),
)

NODE_BULK = Group(
    "node-bulk",
    (
        ours_node("bulk", 100_000, "power"),
        Cell("BullMQ", "bullmq", node("bullmq", "bulk", 15_000), redis="none"),
    ),
    (Row("Node: addBulk(1000)", "millrace power", "BullMQ", "power", Goal("ratio", 8)),),
)

NODE_WORK = Group(
    "node-work",
    (
        ours_node("work", 100_000, "power", variants=concurrency(10, 100, 500)),
        Cell(
            "BullMQ",
            "bullmq",
            node("bullmq", "work", 12_000),
            redis="none",
            variants=concurrency(1, 10, 50, 100, 300),
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
        ours_python("one", 10_000, "process"),
        Cell("Celery", "celery", python("celery", "one", 2_500), redis="none"),
        ours_python("one", 5_000, "power"),
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
        ours_python("many", 50_000, "power", variants=(("--chunk", "10000"),)),
        Cell("Celery group", "celery", python("celery", "many", 2_500), redis="none"),
        Cell("Celery loop", "celery", python("celery", "one", 2_500), redis="none"),
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
            redis="none",
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
        ours_node("latency", 300, "process"),
        Cell("BullMQ", "bullmq", node("bullmq", "latency", 300), redis="none"),
        ours_node("latency", 300, "power"),
    ),
    _latency_rows("Node", "BullMQ"),
)

PYTHON_LATENCY = Group(
    "python-latency",
    (
        ours_python("latency", 300, "process", variants=pools(("threads", 2))),
        Cell(
            "Celery",
            "celery",
            python("celery", "latency", 300),
            redis="none",
            variants=pools(("threads", 2), ("prefork", 2)),
        ),
        ours_python("latency", 300, "power", variants=pools(("threads", 2))),
    ),
    _latency_rows("Python", "Celery"),
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
    *MODEL_GROUPS,
)
