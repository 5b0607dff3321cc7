#!/usr/bin/env python3
"""Measures Millrace beside its peers in one run and prints the ratios; `make bench-peers` calls it.

Installs the peers on first use (build/peers-venv, build/peers-node), starts its own two Redis
servers, runs ours and theirs alternately, and writes build/bench-peers.json. What could not be
measured is named with the reason. A missed goal is marked MISSED and does not change the exit
status: figures depend on the machine.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import core_bench
import standing
from disk import Disk
from environment import BUILD, ROOT, WORK, Peers, install
from measure import Bench, run_group
from plan import GROUPS
from report import Line, line_of, table, write_document, write_json
from servers import Servers

BUSY_LOAD = 0.7
ALONE = ("memory", "recovery", "cpu", "core", "schedules")


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    names = [group.name for group in GROUPS] + list(ALONE)
    parser.add_argument("--only", nargs="+", choices=names, help="these parts instead of all")
    parser.add_argument("--runs", type=int, default=3, help="alternating runs per row (default: 3)")
    parser.add_argument("--no-ours", action="store_true", help="measure the peers alone")
    parser.add_argument(
        "--python",
        default=str(ROOT / ".venv" / "bin" / "python"),
        help="the interpreter that has millrace (default: the one of `make build`)",
    )
    parser.add_argument("--out", type=Path, default=BUILD / "bench-peers.json")
    parser.add_argument(
        "--docs", action="store_true", help="put the table into docs/benchmarks.md too"
    )
    return parser.parse_args(argv)


def alone(
    bench: Bench, servers: Servers, runs: int, wanted: set[str], skip: dict[str, str], clock: Clock
) -> list[Line]:
    """Measure what stands by itself; a part that fails becomes a line that says so."""
    parts: dict[str, Callable[[], list[Line]]] = {
        "memory": lambda: standing.memory(bench, runs),
        "recovery": lambda: standing.recovery(bench),
        "cpu": lambda: standing.idle_cpu(bench, servers, skip),
        "core": lambda: core_bench.measure(runs),
        "schedules": lambda: core_bench.measure_schedules(runs),
    }
    lines: list[Line] = []
    for name, part in parts.items():
        if name not in wanted:
            continue
        try:
            lines += part()
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            print(f"  {name}: {error}", file=sys.stderr)
            lines.append(Line(name, "power", "", None, goal="a figure", note=str(error)))
        clock.lap(name)
    return lines


class Clock:
    """How many seconds each part has taken."""

    def __init__(self) -> None:
        self._started = self._lap = time.monotonic()
        self.parts: dict[str, int] = {}

    def lap(self, name: str) -> None:
        """Say that a part has ended."""
        now = time.monotonic()
        self.parts[name] = round(now - self._lap)
        self._lap = now

    def total(self) -> int:
        """Return the seconds since the beginning."""
        return round(time.monotonic() - self._started)


def measure(args: argparse.Namespace, peers: Peers, disk: Disk, clock: Clock) -> list[Line]:
    """Run everything that was asked for."""
    wanted = set(args.only or [*(group.name for group in GROUPS), *ALONE])
    skip = dict(peers.missing)
    if args.no_ours:
        skip["millrace"] = "left out by --no-ours"
    if "redis" in skip:
        skip |= dict.fromkeys(("celery", "bullmq"), f"no Redis: {skip['redis']}")
    lines: list[Line] = []
    with Servers(WORK, redis="redis" not in skip) as servers:
        bench = Bench(servers, args.python)
        clock.lap("start")
        for group in GROUPS:
            if group.name in wanted:
                results = run_group(bench, group, runs=args.runs, skip=skip)
                disk.sample()
                lines += [line_of(row, group, results, peers.versions, disk) for row in group.rows]
                clock.lap(group.name)
        if not args.no_ours:
            lines += alone(bench, servers, args.runs, wanted, skip, clock)
    return lines


def main(argv: list[str]) -> int:
    """Install, measure, report."""
    args = parse(argv)
    # Its servers must not outlive it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    clock = Clock()
    peers = install()
    clock.lap("install")
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    for name, reason in peers.missing.items():
        print(f"not measured: {name}: {reason}", file=sys.stderr)
    busy = os.getloadavg()[0]
    if busy > BUSY_LOAD:
        print(
            f"load average {busy:.1f}: other work runs here, do not quote the figures",
            file=sys.stderr,
        )
    disk = Disk(WORK)
    disk.sample()
    lines = measure(args, peers, disk, clock)
    about: dict[str, Any] = {
        "cpus": os.cpu_count(),
        "load_before": round(busy, 2),
        "kernel": platform.release(),
        "versions": peers.versions,
        "missing": peers.missing,
        "fdatasync": disk.figures(),
        "runs_per_row": args.runs,
        "seconds": clock.total(),
        "seconds_of": clock.parts,
    }
    write_json(args.out, lines, about)
    if args.docs:
        write_document(ROOT / "docs" / "benchmarks.md", lines, about)
    print(table(lines))
    for line in lines:
        if line.note:
            print(f"  {line.work} [{line.durability}]: {line.note}")
    for name, reason in peers.missing.items():
        print(f"not measured: {name}: {reason}")
    print(f"fdatasync of one WAL frame on the stores' disk: {about['fdatasync']}")
    print(f"versions: {peers.versions}; {about['seconds']} s: {clock.parts}")
    shutil.rmtree(WORK, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
