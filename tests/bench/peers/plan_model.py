"""What is measured of flows and delayed jobs. Data only."""

from __future__ import annotations

from cells import Cell, Goal, Group, Row, concurrency, node, ours_node, ours_python, pools, python

# process is what Redis without fsync compares with; power is what a store promises by default.
LEVELS = ("process", "power")

NODE_DELAYED = Group(
    "node-delayed",
    (
        ours_node("delayed", 150, "power"),
        Cell("BullMQ", "bullmq", node("bullmq", "delayed", 150), server="redis"),
    ),
    (
        Row(
            "Node: start of a delayed job after its due time, p50",
            "millrace power",
            "BullMQ",
            "power",
            metric="p50_us",
            unit=" us",
            smaller_is_better=True,
        ),
        Row(
            "Node: start of a delayed job after its due time, p99",
            "millrace power",
            "BullMQ",
            "power",
            Goal("at_most", 3_000),
            metric="p99_us",
            unit=" us",
            smaller_is_better=True,
        ),
    ),
)


def _node_flows(
    mode: str,
    words: str,
    ours: int,
    theirs: int,
    ratio: float,
    variants: tuple[tuple[str, ...], ...] = ((),),
) -> Group:
    return Group(
        f"node-{mode}",
        (
            *(ours_node(mode, ours, level, variants=variants) for level in LEVELS),
            Cell("BullMQ", "bullmq", node("bullmq", mode, theirs), "redis", variants=variants),
        ),
        tuple(
            Row(
                f"Node: flow of a parent and 10 children, {words}",
                f"millrace {level}",
                "BullMQ",
                level,
                Goal("ratio", ratio),
            )
            for level in LEVELS
        ),
    )


NODE_FLOW = _node_flows("flow", "added one at a time", 2_000, 1_000, 10)
NODE_FLOW_INFLIGHT = _node_flows("flowInflight", "50 in flight", 10_000, 1_500, 20)
NODE_FLOW_WORK = _node_flows(
    "flowWork",
    "completed by a no-op worker",
    5_000,
    1_000,
    30,
    concurrency(10, 50, 100, 300),
)


def _flows(shape: str, words: str, ours: int, theirs: int) -> Group:
    return Group(
        f"python-{shape}",
        (
            *(
                ours_python(
                    "flow",
                    ours,
                    level,
                    "--shape",
                    shape,
                    variants=pools(("solo", 1), ("threads", 1)),
                )
                for level in LEVELS
            ),
            Cell(
                "Celery",
                "celery",
                python("celery", "flow", theirs, "--shape", shape),
                server="redis",
                variants=pools(("prefork", 2), ("threads", 1), ("threads", 4)),
            ),
        ),
        tuple(
            Row(
                f"Python: {words}, from enqueueing to the last result",
                f"millrace {level}",
                "Celery",
                level,
                Goal("ratio", 50),
            )
            for level in LEVELS
        ),
    )


PYTHON_CHORD = _flows("chord", "chord of 10", 1_000, 60)
PYTHON_CHAIN = _flows("chain", "chain of 5", 1_000, 100)

PYTHON_DELAYED = Group(
    "python-delayed",
    (
        ours_python("delayed", 200, "power", variants=pools(("threads", 2))),
        Cell(
            "Celery",
            "celery",
            python("celery", "delayed", 100),
            server="redis",
            variants=pools(("threads", 2)),
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

MODEL_GROUPS = (
    NODE_FLOW,
    NODE_FLOW_INFLIGHT,
    NODE_FLOW_WORK,
    NODE_DELAYED,
    PYTHON_CHORD,
    PYTHON_CHAIN,
    PYTHON_DELAYED,
)
