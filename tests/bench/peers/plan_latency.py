"""What is measured of the time from enqueueing to the start. Data only."""

from __future__ import annotations

from cells import Cell, Goal, Group, Row, node, ours_node, ours_python, pools, python


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
        Cell("BullMQ", "bullmq", node("bullmq", "latency", 300), server="redis"),
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
            server="redis",
            variants=pools(("threads", 2), ("prefork", 2)),
        ),
        ours_python("latency", 300, "power", variants=pools(("threads", 2))),
    ),
    _latency_rows("Python", "Celery"),
)

LATENCY_GROUPS = (NODE_LATENCY, PYTHON_LATENCY)
