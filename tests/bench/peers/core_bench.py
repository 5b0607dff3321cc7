"""The C++ core's own figures: runs build/release's benchmarks, one JSON line a row."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from statistics import median
from typing import Any

from cells import Goal
from environment import BUILD, ROOT, WORK
from report import Line, judge

PROGRAMS = BUILD / "release" / "tests" / "bench"
LIFE = ("whole life, batches of 100", "power")
LIFE_GOAL = Goal("at_least", 80_000)

Key = tuple[str, str]
# What a row is compared with: the same work without what the row is about, and the least share of its rate.
SHARES: dict[Key, tuple[Key, str, float]] = {
    ("whole life, batches of 100, behind a backlog", "power"): (LIFE, "without the backlog", 0.5),
    ("claim and finish, with limits, 100,000 groups", "process"): (
        ("claim and finish, no limits", "process"),
        "without limits and groups",
        0.5,
    ),
}
SHARES |= {
    (f"enqueue with a key, {how}", level): (
        (f"enqueue{separator} {how}", level),
        "without a key",
        0.7,
    )
    for how, separator in (("batches of 100", ","), ("one at a time", ""))
    for level in ("process", "power")
}

# Schedules: what a waiting worker's CPU time may rise by, and how late a slot's job may start.
IDLE_MORE_MS = 0.5
FIRING_GOAL = Goal("at_most", 5.0)


def _build(*targets: str) -> None:
    subprocess.run(
        ["cmake", "--build", "--preset", "release", "--target", *targets],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _rows(program: str) -> list[dict[str, Any]]:
    home = WORK / "core"
    done = subprocess.run(
        [str(PROGRAMS / program), "--dir", str(home)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    shutil.rmtree(home, ignore_errors=True)
    if done.returncode != 0:
        msg = f"{program}: exit status {done.returncode}: {done.stderr.strip()}"
        raise RuntimeError(msg)
    return [json.loads(text) for text in done.stdout.splitlines()]


def measure(runs: int) -> list[Line]:
    """Run millrace_core_bench `runs` times; medians, and the goals of the core."""
    _build("millrace_core_bench")
    singles: dict[Key, list[float]] = {}
    for _ in range(runs):
        for row in _rows("millrace_core_bench"):
            rate = float(row["per_second"])
            singles.setdefault((row["work"], row["durability"]), []).append(rate)
            print(f"  core  {row['work']}, {row['durability']}: {rate:,.0f}/s", file=sys.stderr)
    return lines_of(singles)


def lines_of(singles: dict[Key, list[float]]) -> list[Line]:
    """Return the rows of what was measured, each with its goal."""
    lines = []
    for key, values in singles.items():
        work, durability = key
        ours = median(values)
        goal, met = judge(LIFE_GOAL if key == LIFE else None, ours, None)
        line = Line(f"C++ core: {work}", durability, "/s", ours, goal=goal, met=met)
        if key in SHARES:
            base, line.peer_name, share = SHARES[key]
            line.peer = median(singles[base])
            line.ratio = ours / line.peer
            line.goal, line.met = judge(Goal("ratio", share), ours, line.ratio)
        line.runs = {"ours": values}
        lines.append(line)
    return lines


def measure_schedules(runs: int) -> list[Line]:
    """Run millrace_schedule_bench `runs` times: an idle worker's CPU, and the start of a slot's job."""
    _build("millrace_schedule_bench")
    idle: dict[int, list[float]] = {}
    late: list[float] = []
    for _ in range(runs):
        for row in _rows("millrace_schedule_bench"):
            if row["work"] == "idle worker":
                idle.setdefault(row["schedules"], []).append(float(row["cpu_ms_per_second"]))
            elif row["work"] == "start of a slot's job" and row["schedules"] > 0:
                late.append(float(row["p99_ms"]))
            print(f"  schedules  {row}", file=sys.stderr)
    return schedule_lines(idle, late)


def schedule_lines(idle: dict[int, list[float]], late: list[float]) -> list[Line]:
    """Return the rows of what was measured of schedules."""
    count = max(idle)
    ours, none = median(idle[count]), median(idle[0])
    line = Line(
        f"C++ core: CPU of an idle worker, {count:,} schedules in the file",
        "process",
        " ms/s",
        ours,
        none,
        "without schedules",
        goal=f"<= {IDLE_MORE_MS:g} ms/s more",
        met=ours <= none + IDLE_MORE_MS,
        runs={"ours": idle[count], "without schedules": idle[0]},
    )
    p99 = median(late)
    goal, met = judge(FIRING_GOAL, p99, None)
    return [
        line,
        Line(
            f"C++ core: start of a slot's job after its time, {count:,} schedules in the file, p99",
            "process",
            " ms",
            p99,
            goal=goal,
            met=met,
            runs={"ours": late},
        ),
    ]
