"""What is measured of the rest of Node's API, beside BullMQ. Data only."""

from __future__ import annotations

from cells import Cell, Goal, Group, Row, concurrency, node, ours_node, versus

LEVELS = ("process", "power")
LOOP_P99_MS_MAX = 10
QUEUED = 100_000


def _at_concurrency(value: int) -> tuple[Cell, Cell, Row]:
    words = ("--concurrency", str(value))
    ours = ours_node("work", 50_000, "power", *words, name=f"millrace power, {value}")
    peer = Cell(f"BullMQ, {value}", "bullmq", node("bullmq", "work", 8_000, *words), "redis")
    work = f"Node: no-op jobs worked at concurrency {value}"
    return ours, peer, Row(work, ours.name, peer.name, "power")


_CONCURRENCIES = [_at_concurrency(value) for value in (1, 50, 200)]
NODE_CONCURRENCY = Group(
    "node-concurrency",
    tuple(cell for ours, peer, _ in _CONCURRENCIES for cell in (ours, peer)),
    tuple(row for *_, row in _CONCURRENCIES),
)


def _sandbox(kind: str) -> tuple[Cell, Cell, Row]:
    words, variants = ("--sandbox", kind), concurrency(1, 2, 4)
    ours = ours_node(
        "sandboxed", 10_000, "power", *words, name=f"millrace {kind}", variants=variants
    )
    program = node("bullmq", "sandboxed", 4_000, *words)
    peer = Cell(f"BullMQ {kind}", "bullmq", program, "redis", variants=variants)
    return ours, peer, Row(f"Node: no-op jobs in sandboxes, {kind}", ours.name, peer.name, "power")


_SANDBOXES = [_sandbox(kind) for kind in ("processes", "threads")]
NODE_SANDBOX = Group(
    "node-sandbox",
    tuple(cell for ours, peer, _ in _SANDBOXES for cell in (ours, peer)),
    tuple(row for *_, row in _SANDBOXES),
)

NODE_LOOP = Group(
    "node-loop",
    (
        ours_node("loop", 100_000, "power", variants=concurrency(10, 100, 500)),
        Cell(
            "BullMQ",
            "bullmq",
            node("bullmq", "loop", 15_000),
            "redis",
            variants=concurrency(10, 50, 100, 300),
        ),
    ),
    (
        Row(
            "Node: delay of the event loop, no-op jobs at full speed, p99",
            "millrace power",
            "BullMQ",
            "power",
            Goal("at_most", LOOP_P99_MS_MAX),
            "loop_p99_ms",
            " ms",
            smaller_is_better=True,
        ),
        Row(
            "Node: delay of the event loop, no-op jobs at full speed, longest",
            "millrace power",
            "BullMQ",
            "power",
            None,
            "loop_max_ms",
            " ms",
            smaller_is_better=True,
        ),
    ),
)


def _quantiles(work: str, metric: str = "us") -> tuple[Row, ...]:
    return tuple(
        Row(
            f"{work}, {q}",
            f"millrace {level}",
            "BullMQ",
            level,
            None,
            f"{q}_{metric}",
            f" {metric}",
            smaller_is_better=True,
        )
        for level in LEVELS
        for q in ("p50", "p99")
    )


NODE_EVENTS = Group(
    "node-events",
    (
        *(ours_node("events", 300, level) for level in LEVELS),
        Cell("BullMQ", "bullmq", node("bullmq", "events", 300), "redis"),
    ),
    _quantiles("Node: end of a job to its event in another process"),
)

UPSERT = "Node: upsertJobScheduler, one at a time"
NODE_UPSERT = Group(
    "node-schedulers",
    (
        *(ours_node("upsert", 2_000, level) for level in LEVELS),
        Cell("BullMQ, fsync", "bullmq", node("bullmq", "upsert", 1_000), "redis, fsync"),
        Cell("BullMQ", "bullmq", node("bullmq", "upsert", 2_000), "redis"),
    ),
    (
        *versus(UPSERT, "millrace process", "process", "BullMQ"),
        *versus(UPSERT, "millrace power", "power", "BullMQ, fsync", "BullMQ"),
    ),
)

NODE_SLOTS = Group(
    "node-slots",
    (
        *(ours_node("slots", 200, level) for level in LEVELS),
        Cell("BullMQ", "bullmq", node("bullmq", "slots", 200), "redis"),
    ),
    _quantiles("Node: start of a scheduler's job after its slot"),
)


def _memory(mode: str, work: str) -> tuple[Cell, Cell, Row]:
    words = ("--concurrency", "50")
    ours = ours_node(mode, QUEUED, "power", *words, name=f"millrace {mode}")
    peer = Cell(f"BullMQ {mode}", "bullmq", node("bullmq", mode, QUEUED, *words), "redis")
    return (
        ours,
        peer,
        Row(
            f"Node: peak memory of {work}",
            ours.name,
            peer.name,
            "power",
            None,
            "peak_mib",
            " MiB",
            smaller_is_better=True,
            note="of the process alone: Redis, which keeps BullMQ's jobs in memory, is not counted",
        ),
    )


_MEMORY = [
    _memory("produce", f"a producer of {QUEUED:,} jobs"),
    _memory("consume", f"a worker with {QUEUED:,} jobs queued"),
]
NODE_MEMORY = Group(
    "node-memory",
    tuple(cell for ours, peer, _ in _MEMORY for cell in (ours, peer)),
    tuple(row for *_, row in _MEMORY),
)

NODE_API_GROUPS = (
    NODE_CONCURRENCY,
    NODE_SANDBOX,
    NODE_LOOP,
    NODE_EVENTS,
    NODE_UPSERT,
    NODE_SLOTS,
    NODE_MEMORY,
)
