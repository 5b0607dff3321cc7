"""Processes of both languages under torture: one that is killed is replaced by another of its kind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from millrace import Millrace

ROOT = Path(__file__).parent.parent.parent
LONG = bool(os.environ.get("MILLRACE_TORTURE"))
SECONDS = 600.0 if LONG else 8.0
DRAIN_SECONDS_MAX = 300.0
NUMBERS_PER_PROCESS = 10_000_000  # each producer process counts in a range of its own


def new_seed() -> int:
    return int(os.environ.get("MILLRACE_SEED", time.time_ns() % 1_000_000))


def await_handler(process: subprocess.Popen[bytes], log: Path) -> None:
    """Waits until a process minds SIGTERM: one that has just been started does not yet.

    Node catches the signal before it runs any code, to die by it: there the worker's own word counts.
    """
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        if process.args[0] == "node":  # type: ignore[index]
            if "ready" in log.read_text():
                return
        else:
            status = Path(f"/proc/{process.pid}/status").read_text()
            caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
            if int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1:
                return
        time.sleep(0.01)


@dataclass
class Team:
    """`commands` by kind, run in `folder` beside copies of `sources`; "{first}" is where a producer counts from."""

    folder: Path
    sources: Path
    queue: str
    commands: Mapping[str, Sequence[str]]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    log_of: dict[str, Path] = field(default_factory=dict)
    started: int = 0
    kills: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        (self.folder / "node_modules").mkdir()
        (self.folder / "node_modules" / "millrace").symlink_to(ROOT)
        for source in self.sources.iterdir():
            if source.is_file():
                (self.folder / source.name).write_bytes(source.read_bytes())

    @property
    def store(self) -> Path:
        return self.folder / "torture.db"

    def start(self, kind: str) -> None:
        self.started += 1
        first = str(self.started * NUMBERS_PER_PROCESS)
        command = [first if part == "{first}" else part for part in self.commands[kind]]
        environment = {
            **os.environ,
            "TORTURE_STORE": str(self.store),
            "TORTURE_NOTES": str(self.folder / f"acknowledged-{self.started}"),
        }
        self.log_of[kind] = self.folder / f"log-{self.started}"
        with self.log_of[kind].open("wb") as log:
            self.running[kind] = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=log
            )

    def kill(self, kind: str) -> None:
        process = self.running.pop(kind)
        assert process.poll() is None, f"{kind} ended by itself: {self.logs()}"
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.kills[kind] += 1

    def torture(self, chance: random.Random) -> None:
        """Kills and replaces, then leaves the workers alone."""
        for kind in self.commands:
            self.start(kind)
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            time.sleep(chance.uniform(0.2, 1.0))  # the torture's rhythm, not a wait for something
            kind = chance.choice(list(self.commands))
            self.kill(kind)
            self.start(kind)
        for kind in list(self.running):
            if "producer" in kind:
                self.kill(kind)

    def drain(self, app: Millrace) -> None:
        """Waits until nothing is waiting or running, with the workers that are alive."""
        until = time.monotonic() + DRAIN_SECONDS_MAX
        with app.events(queue=self.queue, after="$") as events:
            while True:
                counts = app.counts(self.queue)
                if counts.ready + counts.scheduled + counts.active + counts.blocked == 0:
                    return
                assert time.monotonic() < until, f"{counts} is left; {self.logs()}"
                events.next(timeout=0.5)

    def stop_workers(self) -> None:
        for kind, process in self.running.items():
            await_handler(process, self.log_of[kind])
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0, f"{kind}: {self.logs()}"

    def end(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()

    def acknowledged(self) -> dict[int, str]:
        """Job ids by number, as the producers have noted them."""
        noted: dict[int, str] = {}
        for notes in self.folder.glob("acknowledged-*"):
            for line in notes.read_text().splitlines(keepends=True):
                if line.endswith("\n"):  # else the producer was killed while it wrote this note
                    number, job_id = line.split()
                    noted[int(number)] = job_id
        return noted

    def logs(self) -> str:
        return "\n".join(
            p.read_text(errors="replace")[-2000:] for p in sorted(self.folder.glob("log-*"))
        )


def worker(queue: str, pool: str, slots: int) -> list[str]:
    """The command line of a Python worker for `tasks.py`."""
    return [
        *(sys.executable, "-m", "millrace.cli", "worker", "tasks:app"),
        *("-Q", queue, "--pool", pool, "-c", str(slots)),
    ]
