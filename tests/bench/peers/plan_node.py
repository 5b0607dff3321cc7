"""What is measured of Node's producers and workers, beside every peer. Data only."""

from __future__ import annotations

from cells import Cell, Goal, Group, Row, concurrency, node, ours_node, versus

ONE = "Node: await add, one at a time"
IN_FLIGHT = "Node: 1,000 adds in flight"
BULK = "Node: addBulk(1000)"
WORK = "Node: no-op jobs worked by one process"
BUFFERED = (
    "bunqueue acknowledges an add that it keeps in memory for some milliseconds; "
    "a process that dies loses it"
)

Variants = tuple[tuple[str, ...], ...]


def _bullmq(
    mode: str, count: int, fsync_count: int, variants: Variants = ((),)
) -> tuple[Cell, ...]:
    return (
        Cell("BullMQ", "bullmq", node("bullmq", mode, count), "redis", variants=variants),
        Cell(
            "BullMQ, fsync",
            "bullmq",
            node("bullmq", mode, fsync_count),
            "redis, fsync",
            variants=variants,
        ),
    )


def _postgresql(mode: str, count: int, **variants: Variants) -> tuple[Cell, ...]:
    """PostgreSQL syncs each commit to the disk: what ours does at power."""
    return tuple(
        Cell(
            library,
            library,
            node(library, mode, count),
            "postgresql",
            variants=variants.get(library.replace("-", "_"), ((),)),
        )
        for library in ("pg-boss", "graphile-worker")
    )


NODE_ONE = Group(
    "node-add",
    (
        ours_node("one", 5_000, "power"),
        ours_node("one", 10_000, "process"),
        *_bullmq("one", 8_000, 3_000),
        *_postgresql("one", 2_000),
        Cell("plainjob", "plainjob", node("plainjob", "one", 10_000)),
        Cell(
            "bunqueue, durable",
            "bunqueue",
            node("bunqueue", "one", 10_000),
            durability="process",
        ),
    ),
    (
        Row(ONE, "millrace power", "BullMQ, fsync", "power", Goal("ratio", 2)),
        Row(ONE, "millrace process", "BullMQ", "process", Goal("ratio", 1.5)),
        *versus(ONE, "millrace power", "power", "pg-boss", "graphile-worker"),
        *versus(ONE, "millrace process", "process", "plainjob", "bunqueue, durable"),
    ),
)

NODE_INFLIGHT = Group(
    "node-inflight",
    (
        ours_node("inflight", 50_000, "power"),
        *_bullmq("inflight", 15_000, 15_000),
        *_postgresql("inflight", 5_000),
        ours_node("inflight", 50_000, "process"),
        Cell("bunqueue", "bunqueue", node("bunqueue", "inflight", 20_000)),
    ),
    (
        Row(IN_FLIGHT, "millrace power", "BullMQ", "power", Goal("ratio", 4)),
        *versus(
            IN_FLIGHT, "millrace power", "power", "BullMQ, fsync", "pg-boss", "graphile-worker"
        ),
        *versus(IN_FLIGHT, "millrace process", "process", "bunqueue", note=BUFFERED),
    ),
)

NODE_BULK = Group(
    "node-bulk",
    (
        ours_node("bulk", 100_000, "power"),
        *_bullmq("bulk", 15_000, 15_000),
        *_postgresql("bulk", 20_000),
        ours_node("bulk", 100_000, "process"),
        Cell("plainjob", "plainjob", node("plainjob", "bulk", 100_000)),
        Cell("bunqueue", "bunqueue", node("bunqueue", "bulk", 50_000)),
    ),
    (
        Row(BULK, "millrace power", "BullMQ", "power", Goal("ratio", 8)),
        *versus(BULK, "millrace power", "power", "BullMQ, fsync", "pg-boss", "graphile-worker"),
        *versus(BULK, "millrace process", "process", "plainjob"),
        *versus(BULK, "millrace process", "process", "bunqueue", note=BUFFERED),
    ),
)

NODE_WORK = Group(
    "node-work",
    (
        ours_node("work", 100_000, "power", variants=concurrency(10, 100, 500)),
        *_bullmq("work", 12_000, 8_000, concurrency(10, 50, 100, 300)),
        *_postgresql(
            "work",
            10_000,
            pg_boss=(*concurrency(4, batch=100), *concurrency(1, 4, batch=1_000)),
            graphile_worker=(
                *concurrency(10, batch=0),
                *concurrency(24, batch=500),
                *concurrency(100, batch=500),
            ),
        ),
        ours_node("work", 100_000, "process", variants=concurrency(100)),
        Cell("plainjob", "plainjob", node("plainjob", "work", 10_000), variants=concurrency(1, 4)),
        Cell(
            "bunqueue", "bunqueue", node("bunqueue", "work", 20_000), variants=concurrency(10, 100)
        ),
    ),
    (
        Row(WORK, "millrace power", "BullMQ", "power", Goal("ratio", 4)),
        *versus(WORK, "millrace power", "power", "BullMQ, fsync"),
        *versus(
            WORK,
            "millrace power",
            "power",
            "pg-boss",
            "graphile-worker",
            note="counted when the table says so, for neither tells that a job's end is committed",
        ),
        *versus(WORK, "millrace process", "process", "plainjob"),
        *versus(WORK, "millrace process", "process", "bunqueue", note=BUFFERED),
    ),
)

NODE_GROUPS = (NODE_ONE, NODE_INFLIGHT, NODE_BULK, NODE_WORK)
