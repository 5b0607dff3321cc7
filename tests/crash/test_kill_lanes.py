"""Groups and limits under killed producers and workers of both languages: the log of what happened is played back.

Short form: 8 seconds of killing. MILLRACE_TORTURE=1: ten minutes. Prints what it did, with the seed.
"""

from __future__ import annotations

import json
import random
import sys
import threading
from collections import Counter, defaultdict
from fractions import Fraction
from pathlib import Path

from millrace import Millrace, Rate
from millrace._core import Event
from team import SECONDS, Team, new_seed, worker

QUEUE = "lanes"
COMMANDS = {
    "python producer": (sys.executable, "tasks.py", "{first}"),
    "node producer": ("node", "producer.mjs", "{first}"),
    "python worker, threads": worker(QUEUE, "threads", 4),
    "python worker, processes": worker(QUEUE, "processes", 2),
    "node worker": ("node", "worker.mjs"),
}
RATE = Rate(150, per=0.5)
QUEUE_CONCURRENCY = 7
RARE_CONCURRENCY = 2
WIDE_CONCURRENCY = 3
GROUP_SIZE_MAX = 20


def set_limits(app: Millrace) -> None:
    app.limits.set(queue=QUEUE, concurrency=QUEUE_CONCURRENCY, rate=RATE)
    app.limits.set(task="rare", concurrency=RARE_CONCURRENCY)
    app.limits.set(queue=QUEUE, each_group=True, concurrency=1, max_size=GROUP_SIZE_MAX)
    app.limits.set(queue=QUEUE, group="wide", concurrency=WIDE_CONCURRENCY)


class Recorder(threading.Thread):
    """Keeps the queue's events as they come: the store keeps only the newest."""

    def __init__(self, app: Millrace) -> None:
        super().__init__()
        self.app = app
        self.events: list[Event] = []
        self.last = threading.Event()

    def run(self) -> None:
        with self.app.events(queue=QUEUE, after="") as log:
            while True:
                ending = self.last.is_set()
                event = log.next(timeout=0 if ending else 0.2)
                if event is not None:
                    self.events.append(event)
                elif ending:
                    return


class Bucket:
    """The token bucket as it is documented, in exact numbers."""

    def __init__(self, rate: Rate) -> None:
        self.most = Fraction(rate.count)
        self.per_ms = Fraction(rate.count, int(1_000 * float(rate.per)))  # type: ignore[arg-type]
        self.tokens = self.most
        self.at_ms = 0

    def take(self, at_ms: int) -> None:
        passed = max(0, at_ms - self.at_ms)
        self.tokens = min(self.most, self.tokens + passed * self.per_ms) - 1
        self.at_ms = max(at_ms, self.at_ms)


class Playback:
    """What waits and runs after each event, held against the limits."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.running: set[str] = set()
        self.waiting: defaultdict[str, set[str]] = defaultdict(set)
        self.active: Counter[str] = Counter()
        self.peak: Counter[str] = Counter()
        self.bucket = Bucket(RATE)
        self.lowest = self.bucket.tokens
        self.added: defaultdict[str, list[str]] = defaultdict(list)
        self.first_starts: defaultdict[str, list[str]] = defaultdict(list)
        self.ended: defaultdict[str, list[str]] = defaultdict(list)
        self.started: set[str] = set()
        self.rescued = 0

    def scopes(self, job_id: str) -> list[tuple[str, int]]:
        group = job_id.split("_", maxsplit=1)[0]
        scopes = [("queue", QUEUE_CONCURRENCY)]
        if self.names[job_id] == "rare":
            scopes.append(("rare", RARE_CONCURRENCY))
        if group != "None":
            scopes.append((f"group {group}", WIDE_CONCURRENCY if group == "wide" else 1))
        return scopes

    def see(self, event: Event) -> None:
        job_id = event.job_id
        group = job_id.split("_")[0]
        if event.type == "added":
            self.names[job_id] = event.name
            self.added[group].append(job_id)
            self.waiting[group].add(job_id)
            if group not in ("None", "wide"):
                assert len(self.waiting[group]) <= GROUP_SIZE_MAX, (group, event.id)
        elif event.type == "active":
            self.start(job_id, group, event)
        elif event.type == "rescued":
            self.rescued += 1
        elif event.prev == "active" and job_id in self.running:
            self.running.remove(job_id)
            self.active.subtract(scope for scope, _ in self.scopes(job_id))
            if event.type == "ready":
                self.waiting[group].add(job_id)
            else:
                assert event.type in ("completed", "failed"), (event.type, job_id)
                self.ended[group].append(job_id)

    def start(self, job_id: str, group: str, event: Event) -> None:
        assert job_id not in self.running, f"{job_id} runs twice at {event.id}"
        self.waiting[group].remove(job_id)
        self.running.add(job_id)
        if job_id not in self.started:
            self.started.add(job_id)
            self.first_starts[group].append(job_id)
        for scope, most in self.scopes(job_id):
            self.active[scope] += 1
            self.peak[scope] = max(self.peak[scope], self.active[scope])
            assert self.active[scope] <= most, (scope, event.id)
        self.bucket.take(event.at_ms)
        self.lowest = min(self.lowest, self.bucket.tokens)
        assert self.bucket.tokens >= 0, f"more starts than the rate allows at {event.id}"


def check_order(seen: Playback) -> None:
    """With a concurrency of 1 a group is a strict queue, whatever was killed, retried or given back."""
    for group in ("a", "b", "c", "d", "e"):
        assert seen.first_starts[group] == seen.added[group], group
        assert seen.ended[group] == seen.added[group], group


def check_store(app: Millrace, seen: Playback, noted: dict[int, str]) -> None:
    doctor = json.loads(app.engine.doctor_json())
    assert doctor["ok"], [check for check in doctor["checks"] if not check["ok"]]
    assert not seen.running
    assert not [limit for limit in app.limits.list() if limit.active]
    counts = app.counts(QUEUE)
    ended = sum(len(jobs) for jobs in seen.ended.values())
    assert counts.completed + counts.failed == ended == len(seen.names)
    lost = [job_id for job_id in noted.values() if job_id not in seen.names]
    assert not lost


def test_limits_and_the_order_of_groups_hold_whoever_is_killed(tmp_path: Path) -> None:
    seed = new_seed()
    team = Team(tmp_path, Path(__file__).parent / "lanes", QUEUE, COMMANDS)
    app = Millrace("checker", store=team.store)
    set_limits(app)
    recorder = Recorder(app)
    recorder.start()
    try:
        team.torture(random.Random(seed))
        team.drain(app)
        team.stop_workers()
    finally:
        team.end()
        recorder.last.set()
        recorder.join()
    noted = team.acknowledged()
    assert noted, f"no job was acknowledged: {team.logs()}"
    seen = Playback()
    for event in recorder.events:
        if event.job_id:
            seen.see(event)
    check_order(seen)
    check_store(app, seen, noted)
    app.close()
    print(
        f"\nlanes torture: seed {seed}, {SECONDS:.0f} s, {sum(team.kills.values())} kills {dict(team.kills)}, "
        f"{len(noted)} acknowledged, {len(seen.names)} ended, {seen.rescued} taken back; at most {dict(seen.peak)} "
        f"at once, {int(seen.lowest)} tokens left at least"
    )
