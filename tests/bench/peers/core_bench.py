"""The C++ core's own figures: runs build/release's millrace_core_bench, one JSON line a row."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

from cells import Goal
from environment import BUILD, ROOT, WORK
from report import Line, judge

PROGRAM = BUILD / "release" / "tests" / "bench" / "millrace_core_bench"
LIFE = ("whole life, batches of 100", "power")
BEHIND = ("whole life, batches of 100, behind a backlog", "power")
LIFE_GOAL = Goal("at_least", 80_000)

Singles = dict[tuple[str, str], list[float]]


def _build() -> None:
    subprocess.run(
        ["cmake", "--build", "--preset", "release", "--target", "millrace_core_bench"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _run_once(into: Singles) -> None:
    home = WORK / "core"
    done = subprocess.run(
        [str(PROGRAM), "--dir", str(home)], capture_output=True, text=True, check=False, timeout=300
    )
    shutil.rmtree(home, ignore_errors=True)
    if done.returncode != 0:
        msg = f"millrace_core_bench: exit status {done.returncode}: {done.stderr.strip()}"
        raise RuntimeError(msg)
    for text in done.stdout.splitlines():
        row = json.loads(text)
        into.setdefault((row["work"], row["durability"]), []).append(float(row["per_second"]))
        print(
            f"  core  {row['work']}, {row['durability']}: {row['per_second']:,.0f}/s",
            file=sys.stderr,
        )


def measure(runs: int) -> list[Line]:
    """Run it `runs` times; medians, and the two goals of the core."""
    _build()
    singles: Singles = {}
    for _ in range(runs):
        _run_once(singles)
    median = {key: sorted(values)[len(values) // 2] for key, values in singles.items()}
    lines = []
    for key, values in singles.items():
        work, durability = key
        goal, met = judge(LIFE_GOAL if key == LIFE else None, median[key], None)
        line = Line(f"C++ core: {work}", durability, "/s", median[key], goal=goal, met=met)
        if key == BEHIND:
            line.ratio = median[BEHIND] / median[LIFE]
            line.peer, line.peer_name = median[LIFE], "without the backlog"
            line.goal, line.met = ">= 0.5 x", line.ratio >= 0.5
        line.runs = {"ours": values}
        lines.append(line)
    return lines
