"""Figures of a worker that stands still or dies: memory, CPU, recovery after SIGKILL."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import common
from cells import Goal
from environment import VENV
from measure import Bench
from process_figures import cpu_ns, settled_rss_mib
from report import Line, judge
from servers import Servers

BACKLOG = 1_000_000
IDLE_S = 60
KILL_ROUNDS = 7
HELD = 4
RECOVERY_MS_MAX = 100
CPU_PERCENT_MAX = 0.2
MEMORY_RATIO_MAX = 1.5
BACKLOG_MIB_MAX = 1.0


@dataclass(frozen=True)
class Kind:
    """A worker that can be started: whose, in which language, on which target."""

    name: str
    language: str  # "Python" or "Node"
    lib: str
    bare: tuple[str, ...] = ()  # the interpreter with the user's imports alone


PYTHON_BARE = "import common, signal; signal.pause()"
NODE_BARE = "import('./common.mjs'); setInterval(() => {}, 1 << 30)"
OURS = (
    Kind("Millrace", "Python", "millrace", ("-c", PYTHON_BARE)),
    Kind("Millrace", "Node", "millrace", ("-e", NODE_BARE)),
)
PEERS = (Kind("Celery", "Python", "celery"), Kind("BullMQ", "Node", "bullmq"))


class Site:
    """One target (store or Redis), its samples file, and what was started on it."""

    def __init__(
        self, bench: Bench, kind: Kind, servers: Servers | None = None, **more: str
    ) -> None:
        self._bench, self._kind = bench, kind
        self._store = bench.fresh_store()
        self.samples = str(self._store.with_name("samples"))
        self._target = str(self._store)
        if kind.lib in ("celery", "bullmq"):
            assert servers is not None
            servers.clear("redis")
            self._target = servers.url["redis"]
        self._env = bench.environment(
            BENCH_TARGET=self._target, BENCH_SAMPLES=self.samples, BENCH_DURABILITY="power", **more
        )
        ours = bench.ours_python if kind.lib == "millrace" else str(VENV / "bin" / "python")
        self._interpreter = "node" if kind.language == "Node" else ours
        self._started: list[subprocess.Popen[bytes]] = []
        self._log = self._store.with_name("worker.log").open("wb")

    def __enter__(self) -> Site:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._log.close()
        shutil.rmtree(self._store.parent, ignore_errors=True)

    def start(self, *argv: str) -> int:
        """Start the interpreter with `argv`; return its pid."""
        process = subprocess.Popen(
            [self._interpreter, *argv],
            cwd=common.HERE,
            env=self._env,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=self._log,
        )
        self._started.append(process)
        return process.pid

    def call(self, *argv: str) -> None:
        """Run the interpreter with `argv` to its end."""
        subprocess.run(
            [self._interpreter, *argv],
            cwd=common.HERE,
            env=self._env,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def _program(self, mode: str) -> list[str]:
        if self._kind.language == "Node":
            return [
                "node_bench.mjs",
                "--lib",
                self._kind.lib,
                "--mode",
                mode,
                "--durability",
                "power",
                "--target",
                self._target,
                "--samples",
                self.samples,
            ]
        return ["py_bench.py", "--lib", self._kind.lib, "--mode", mode]

    def start_worker(self, concurrency: int = HELD) -> int:
        """Start a worker process; return its pid (it replaces its launcher)."""
        return self.start(*self._program("worker"), "--concurrency", str(concurrency))

    def put(self, name: str, count: int) -> None:
        """Enqueue `count` jobs from another process that then ends."""
        self.call(*self._program("put"), "--name", name, "--count", str(count))

    def fill(self, count: int) -> None:
        """Leave `count` jobs waiting in the paused queue (by Python: one file serves both)."""
        env = {**self._env, "BENCH_DURABILITY": "process"}
        subprocess.run(
            [
                self._bench.ours_python,
                "py_bench.py",
                "--lib",
                "millrace",
                "--mode",
                "fill",
                "--count",
                str(count),
            ],
            cwd=common.HERE,
            env=env,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def wait_started(self, count: int) -> list[tuple[int, int, str, int]]:
        """Wait until `count` jobs have started since the beginning; return all samples."""
        common.wait_for(
            lambda: len(common.read_samples(self.samples)) >= count,
            f"{count} starts",
            pause_s=0.001,
        )
        return common.read_samples(self.samples)


def _median(values: list[float]) -> float:
    return common.quantile(values, 0.5)


def memory(bench: Bench, runs: int) -> list[Line]:
    """Idle worker against the bare interpreter with its imports; then behind a million jobs."""
    lines = []
    for kind in OURS:
        lines += [_idle_memory(bench, kind, runs, imports) for imports in ("", "a webhook task's")]
        lines.append(_backlog_memory(bench, kind))
        _say(lines[-3:])
    return lines


def _idle_memory(bench: Bench, kind: Kind, runs: int, imports: str) -> Line:
    bare: list[float] = []
    idle: list[float] = []
    for _ in range(runs):
        with Site(bench, kind, BENCH_USER_IMPORTS=imports) as site:
            bare.append(settled_rss_mib(site.start(*kind.bare)))
            pid = site.start_worker()
            site.put("stamp", 1)
            site.wait_started(1)
            idle.append(settled_rss_mib(pid))
    ours, peer = _median(idle), _median(bare)
    return Line(
        f"{kind.language}: memory of an idle worker, {imports or 'no'} imports",
        "power",
        " MiB",
        ours,
        peer,
        "bare interpreter",
        "",
        None,
        f"<= {MEMORY_RATIO_MAX * peer:.1f} ({MEMORY_RATIO_MAX} x)",
        ours <= MEMORY_RATIO_MAX * peer,
        {"ours": idle, "bare interpreter": bare},
    )


def _backlog_memory(bench: Bench, kind: Kind) -> Line:
    """The same worker on the same, paused queue: first empty, then with a million jobs."""
    levels = []
    for count in (0, BACKLOG):
        with Site(bench, kind) as site:
            site.fill(count)
            levels.append(settled_rss_mib(site.start_worker()))
    added = levels[1] - levels[0]
    return Line(
        f"{kind.language}: what {BACKLOG:,} waiting jobs add to it",
        "power",
        " MiB",
        added,
        None,
        "",
        "",
        None,
        f"<= {BACKLOG_MIB_MAX:g} MiB",
        added <= BACKLOG_MIB_MAX,
        {"empty": levels[:1], "with backlog": levels[1:]},
    )


def recovery(bench: Bench) -> list[Line]:
    """SIGKILL a worker that holds jobs: time until another, idle worker has started all of them."""
    lines = []
    for kind in OURS:
        took_ms = [_one_recovery(bench, kind) for _ in range(KILL_ROUNDS)]
        ours = max(took_ms)  # a guarantee is judged by its worst case
        goal, met = judge(Goal("at_most", RECOVERY_MS_MAX), ours, None)
        lines.append(
            Line(
                f"{kind.language}: {HELD} jobs of a SIGKILLed worker start in another",
                "power",
                " ms",
                ours,
                None,
                "",
                "",
                None,
                f"{goal} ms",
                met,
                {"ours": took_ms},
            )
        )
    _say(lines)
    return lines


def _one_recovery(bench: Bench, kind: Kind) -> float:
    with Site(bench, kind) as site:
        victim = site.start_worker(HELD)
        site.put("hold", HELD)
        site.wait_started(HELD)
        site.start_worker(HELD + 1)
        site.put(
            "stamp", 1
        )  # only the second worker has a free slot: its start says that it is ready
        site.wait_started(HELD + 1)
        killed_ns = time.monotonic_ns()
        os.kill(victim, signal.SIGKILL)
        samples = site.wait_started(2 * HELD + 1)
        return (max(at for at, *_ in samples) - killed_ns) / 1e6


def idle_cpu(bench: Bench, servers: Servers, skip: dict[str, str]) -> list[Line]:
    """Let one worker of each kind stand idle for a minute, all at the same time."""
    kinds = [*OURS, *(kind for kind in PEERS if kind.lib not in skip)]
    sites = [Site(bench, kind, servers) for kind in kinds]
    percent: dict[tuple[str, str], float] = {}
    try:
        pids = []
        for site in sites:
            pids.append(site.start_worker())
            site.put("stamp", 1)
            site.wait_started(1)
        time.sleep(2)  # what a start leaves behind (JIT, imports) is not idleness
        before = [cpu_ns(pid) for pid in pids]
        start = time.monotonic_ns()
        time.sleep(IDLE_S)
        for kind, pid, before_ns in zip(kinds, pids, before, strict=True):
            used = cpu_ns(pid) - before_ns
            percent[kind.language, kind.name] = 100 * used / (time.monotonic_ns() - start)
    finally:
        for site in sites:
            site.__exit__()
    lines = []
    for language, peer in (("Python", "Celery"), ("Node", "BullMQ")):
        ours, theirs = percent[language, "Millrace"], percent.get((language, peer))
        lines.append(
            Line(
                f"{language}: CPU of an idle worker over {IDLE_S} s",
                "power",
                " % of a core",
                ours,
                theirs,
                peer,
                "",
                theirs / ours if theirs and ours else None,
                f"< {CPU_PERCENT_MAX} %",
                ours < CPU_PERCENT_MAX,
                {"ours": [ours], peer: [theirs] if theirs else []},
            )
        )
    _say(lines)
    return lines


def _say(lines: list[Line]) -> None:
    for line in lines:
        print(f"  {line.work}: {line.ours:.2f}{line.unit}", file=sys.stderr, flush=True)
