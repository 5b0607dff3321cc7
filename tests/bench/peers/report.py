"""Turns measured groups into rows, prints them as a table and writes them as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cells import Goal, Group, Row
from disk import Disk
from measure import Results


@dataclass
class Line:
    """One row as it is printed and written. Ratios say how many times better ours is."""

    work: str
    durability: str
    unit: str
    ours: float | None
    peer: float | None = None
    peer_name: str = ""
    peer_version: str = ""
    ratio: float | None = None
    goal: str = ""
    met: bool | None = None  # None: no goal, or no figure
    runs: dict[str, list[float]] = field(default_factory=dict)
    note: str = ""


def judge(goal: Goal | None, ours: float | None, ratio: float | None) -> tuple[str, bool | None]:
    """Return the goal in words and whether it was reached."""
    if goal is None:
        return "", None
    if goal.kind == "ratio":
        return f">= {goal.value:g} x", None if ratio is None else ratio >= goal.value
    if goal.kind == "at_least":
        return f">= {goal.value:,g}", None if ours is None else ours >= goal.value
    return f"<= {goal.value:,g}", None if ours is None else ours <= goal.value


def _with_disk(goal: Goal | None, disk: Disk) -> Goal | None:
    if goal is None or goal.disk is None:
        return goal
    # The store's log overwrites its blocks once it has wrapped, and grows before.
    return Goal(goal.kind, round(goal.value + disk.quantile_us("append", goal.disk), 1))


def line_of(row: Row, group: Group, results: Results, versions: dict[str, str], disk: Disk) -> Line:
    """Compute one row from its group's figures."""
    ours = results.median(row.ours, row.metric)
    peer = results.median(row.peer, row.metric)
    ratio = None
    if ours and peer:
        ratio = peer / ours if row.smaller_is_better else ours / peer
    goal, met = judge(_with_disk(row.goal, disk), ours, ratio)
    library = next((cell.library for cell in group.cells if cell.name == row.peer), "")
    singles = {name: results.singles(name, row.metric) for name in (row.ours, row.peer) if name}
    notes = [row.note] if row.note else []
    notes += [f"{name}: {results.variant[name]}" for name in singles if results.variant.get(name)]
    notes += [f"{name}: {results.failed[name]}" for name in singles if name in results.failed]
    return Line(
        row.work,
        row.durability,
        row.unit,
        ours,
        peer,
        row.peer or "",
        versions.get(library, ""),
        ratio,
        goal,
        met,
        singles,
        "; ".join(notes),
    )


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 3
    return f"{value:,.{digits}f}{unit}"


def _cells(line: Line) -> list[str]:
    peer = f"{line.peer_name} {line.peer_version}".strip()
    missing = line.ours is None or (line.peer_name and line.peer is None)
    nothing = "NOT MEASURED" if missing or line.goal else ""
    verdict = {True: "ok", False: "MISSED", None: nothing}[line.met]
    return [
        line.work,
        line.durability,
        _number(line.ours, line.unit),
        _number(line.peer, line.unit) + (f" ({peer})" if peer else ""),
        "-" if line.ratio is None else f"{line.ratio:.2f} x",
        line.goal or "-",
        verdict,
    ]


def table(lines: list[Line]) -> str:
    """Return the rows as a Markdown table with padded columns."""
    head = ["work", "durability", "ours", "peer", "ratio", "goal", ""]
    rows = [head, *(_cells(line) for line in lines)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    text = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    text.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(text)


def write_json(path: Path, lines: list[Line], about: dict[str, Any]) -> None:
    """Write rows and circumstances."""
    path.write_text(
        json.dumps({**about, "rows": [asdict(line) for line in lines]}, indent=2) + "\n"
    )


def write_document(path: Path, lines: list[Line], about: dict[str, Any]) -> None:
    """Replace the figures between the two markers of a Markdown document."""
    begin, end = "<!-- figures -->\n", "<!-- end of figures -->"
    text = path.read_text()
    head, _, rest = text.partition(begin)
    tail = rest.partition(end)[2]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    disk = ", ".join(
        f"{name[:-3].replace('_', ' ')} {us:,.0f} us" for name, us in about["fdatasync"].items()
    )
    facts = [
        f"* {about['cpus']} cores; load average before the run {about['load_before']}",
        f"* {versions}; medians of {about['runs_per_row']} runs",
        f"* fdatasync of one WAL frame: {disk}",
        *(f"* not measured: {name}: {reason}" for name, reason in about["missing"].items()),
    ]
    block = "\n".join([*facts, "", table(lines), ""])
    path.write_text(head + begin + "\n" + block + "\n" + end + tail)
