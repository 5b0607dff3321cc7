"""Runs cells: a fresh target each time, alternately, and keeps every figure."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import common
from cells import Cell, Group
from environment import NODE, VENV, WORK, javascript
from servers import Servers

CELL_TIMEOUT_S = 120
WATCHED = {"latency", "delayed", "events"}  # Node's modes that need a worker in another process


class NoFigureError(Exception):
    """A program ended without its line; the message says how."""


class Bench:
    """Where programs run and with which interpreters."""

    def __init__(self, servers: Servers | None, ours_python: str) -> None:
        self._servers = servers
        self.ours_python = ours_python

    def fresh_store(self) -> Path:
        """Return the path of a store that does not exist yet, in a directory of its own."""
        return Path(tempfile.mkdtemp(prefix="store-", dir=WORK)) / "bench.db"

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of measured programs."""
        # C_FORCE_ROOT: Celery's own switch against its warning about running as root.
        return {
            **os.environ,
            "PEERS_NODE": str(NODE),
            "C_FORCE_ROOT": "1",
            "PYTHONPATH": "",
            **more,
        }

    def interpreter(self, cell: Cell) -> str:
        """Return the program that runs `cell`: peers have a Python of their own."""
        if cell.program[0] == "node":
            return javascript(cell.library)
        return self.ours_python if cell.library == "millrace" else str(VENV / "bin" / "python")

    def run(self, cell: Cell, variant: tuple[str, ...]) -> dict[str, Any]:
        """Run one program once on a fresh target.

        Raises:
            NoFigureError: It gave no figure.
        """
        store = self.fresh_store()
        samples = store.with_name("samples")
        target = str(store)
        if cell.server is not None:
            self._servers.clear(cell.server)
            target = self._servers.url[cell.server]
        argv = [self.interpreter(cell), *cell.program[1:], *variant]
        if cell.program[0] == "node":
            argv += ["--target", target, "--samples", str(samples)]
            if cell.durability:
                argv += ["--durability", cell.durability]
        env = self.environment(
            BENCH_TARGET=target, BENCH_SAMPLES=str(samples), BENCH_DURABILITY=cell.durability
        )
        try:
            with self._worker_beside(cell, argv, env):
                return self._call(argv, env)
        finally:
            shutil.rmtree(store.parent, ignore_errors=True)

    def _worker_beside(self, cell: Cell, argv: list[str], env: dict[str, str]) -> Any:
        """Node's producers of `WATCHED` need a worker beside them; Python's start their own."""
        if cell.program[0] != "node" or not WATCHED.intersection(argv):
            return Background(None, env)
        worker = [word if word not in WATCHED else "worker" for word in argv]
        return Background([*worker, "--concurrency", "2"], env)

    def _call(self, argv: list[str], env: dict[str, str]) -> dict[str, Any]:
        try:
            done = subprocess.run(
                argv,
                cwd=common.HERE,
                env=env,
                capture_output=True,
                text=True,
                timeout=CELL_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            msg = f"no figure within {CELL_TIMEOUT_S} s"
            raise NoFigureError(msg) from error
        lines = done.stdout.strip().splitlines()
        if done.returncode != 0 or not lines:
            reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
            msg = f"exit status {done.returncode}: {reason}"
            raise NoFigureError(msg)
        figures: dict[str, Any] = json.loads(lines[-1])
        return figures


class Background:
    """Context manager: a process that runs beside a measurement and is killed at its end."""

    def __init__(self, argv: list[str] | None, env: dict[str, str]) -> None:
        self._argv, self._env = argv, env
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Background:
        if self._argv is not None:
            self._process = subprocess.Popen(
                self._argv, cwd=common.HERE, env=self._env, stdout=subprocess.DEVNULL
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Results:
    """Every figure of a group's cells, by the cell's name."""

    def __init__(self) -> None:
        self.runs: dict[str, list[dict[str, Any]]] = {}
        self.variant: dict[str, str] = {}
        self.failed: dict[str, str] = {}

    def median(self, cell: str | None, metric: str) -> float | None:
        """Return the median of a cell's runs; None if it has none."""
        values = sorted(self.singles(cell, metric))
        return values[len(values) // 2] if values else None

    def singles(self, cell: str | None, metric: str) -> list[float]:
        """Return the single figures in the order in which they were measured."""
        return [run[metric] for run in self.runs.get(cell or "", [])]


def _score(figures: dict[str, Any]) -> float:
    if "rate" in figures:
        return float(figures["rate"])
    return -next(float(figures[name]) for name in ("p50_us", "p50_ms") if name in figures)


def _best_variant(bench: Bench, cell: Cell) -> tuple[str, ...]:
    if len(cell.variants) == 1:
        return cell.variants[0]
    scores: dict[tuple[str, ...], float] = {}
    reason = "no variant"
    for variant in cell.variants:
        try:
            scores[variant] = _score(bench.run(cell, variant))
        except NoFigureError as error:
            reason = str(error)
    if not scores:
        raise NoFigureError(reason)
    return max(scores, key=lambda variant: scores[variant])


def run_group(bench: Bench, group: Group, *, runs: int, skip: dict[str, str]) -> Results:
    """Measure a group's cells alternately, `runs` times each.

    A cell that fails is left out and named with the reason.
    """
    results = Results()
    chosen: dict[str, tuple[str, ...]] = {}
    for cell in group.cells:
        needs = (cell.library, (cell.server or "").partition(",")[0])
        reason = next((skip[name] for name in needs if name in skip), None)
        if reason is not None:
            results.failed[cell.name] = reason
            continue
        try:
            chosen[cell.name] = _best_variant(bench, cell)
            results.variant[cell.name] = " ".join(
                w for w in chosen[cell.name] if not w.startswith("--")
            )
        except NoFigureError as error:
            results.failed[cell.name] = str(error)
    for _ in range(runs):
        for cell in group.cells:
            if cell.name in results.failed:
                continue
            try:
                figures = bench.run(cell, chosen[cell.name])
            except NoFigureError as error:
                results.failed[cell.name] = str(error)
                continue
            results.runs.setdefault(cell.name, []).append(figures)
            print(f"  {group.name:15} {cell.name:17} {_line(figures)}", file=sys.stderr, flush=True)
    return results


def _line(figures: dict[str, Any]) -> str:
    """Return a run's figures in words; a name's last word is its unit."""
    known = {name: value for name, value in figures.items() if "_" in name}
    rate = [f"{figures['rate']:>10,.0f}/s"] if "rate" in figures else []
    words = [f"{n.rpartition('_')[0]} {v:,.1f} {n.rpartition('_')[2]}" for n, v in known.items()]
    return ", ".join([*rate, *words])
