"""The play: which programs run, what is sent to them, and the worker that is killed."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import httpx
from millrace import Millrace

from stage import audit, report
from stage.checks import Evidence
from stage.follow import Upload, follow, upload
from stage.programs import Program, ProgramError, Programs
from stage.terminal import RED, Terminal, bar

HERE: Final = Path(__file__).resolve().parent.parent
WORKER: Final = (Path(sys.executable).parent / "millrace", "worker", "tasks:app")
PHOTO_WORKERS: Final = ("python-1", "python-2")
TURN_AWAY: Final = 7  # requests that the receiver answers with 503 first
VISITORS: Final = 4  # who upload at the same time
NOT_A_PHOTO: Final = b"This is a text file that somebody has renamed to holiday.jpg.\n"


class Demo:
    """One performance."""

    def __init__(self, files: Sequence[Path], out: Path, terminal: Terminal) -> None:
        self.files = files
        self.out = out
        self.terminal = terminal
        self.thumbnails = out / "thumbnails"
        self.store = out / "jobs.db"
        self.app = Millrace("demo", store=self.store)
        self.programs = Programs(
            folder=HERE,
            logs=out / "logs",
            environment={
                "MILLRACE_STORE": str(self.store),
                "DEMO_UPLOADS": str(out / "uploads"),
                "DEMO_THUMBNAILS": str(self.thumbnails),
                "WEBHOOK_SECRET": secrets.token_hex(16),
                "PYTHONUNBUFFERED": "1",
            },
        )
        self.photo_workers: dict[str, Program] = {}
        self.uploads: list[Upload] = []
        self.receiver_url = ""
        self.web_url = ""
        self.recovery = "no worker was killed yet"
        self.began = time.monotonic()

    async def perform(self) -> report.Report:
        """Starts everything and plays."""
        await self.start_programs()
        report.opening(self.terminal, self.web_url, self.receiver_url, self.store, self.files)
        return await self.play()

    # --- The programs -----------------------------------------------------------------------------

    async def start_programs(self) -> None:
        """The receiver first, because the Node worker must know its address; the others beside each other."""
        receiver = await self.programs.start(
            "receiver", ["node", "receiver.mjs"], TURN_AWAY=str(TURN_AWAY)
        )
        self.receiver_url = await receiver.printed(lambda line: json.loads(line).get("url"))
        web = await self.programs.start(
            "web",
            [
                sys.executable,
                "-m",
                "uvicorn",
                "app:web",
                "--port",
                "0",
                "--timeout-graceful-shutdown",
                "2",
            ],
        )
        node = await self.programs.start(
            "worker-node", ["node", "worker.mjs"], WEBHOOK_URL=f"{self.receiver_url}/webhooks"
        )
        for name in PHOTO_WORKERS:
            self.photo_workers[name] = await self.start_photo_worker(name)
        texts = await self.programs.start(
            "worker-python-3",
            [*WORKER, "-c", "2", "-Q", "github", "-n", "python-3"],
        )
        self.web_url = await web.printed(_address)
        await node.printed(lambda line: json.loads(line).get("ready"))
        await texts.wait_for(self._workers_are_there)

    async def start_photo_worker(self, name: str) -> Program:
        """One process that works on four photographs at once."""
        return await self.programs.start(
            f"worker-{name}", [*WORKER, "-c", "4", "-P", "threads", "-Q", "images", "-n", name]
        )

    def _workers_are_there(self) -> bool | None:
        workers = self.app.engine.list_workers()
        # Those of Python are listed as name@host.
        names = {worker.name.partition("@")[0] for worker in workers if worker.alive}
        return True if {*PHOTO_WORKERS, "python-3", "node"} <= names else None

    def standing(self) -> str:
        """How far it is, for who asks why it does not end."""
        photographs = {one.title: one.ending or f"{one.percent} %" for one in self.uploads}
        left = {
            queue: counts.ready + counts.scheduled + counts.active
            for queue in ("images", "github", "webhooks")
            for counts in [self.app.counts(queue)]
        }
        return f"  photographs: {photographs}\n  recovery: {self.recovery}\n  jobs left: {left}"

    # --- The play ---------------------------------------------------------------------------------

    async def play(self) -> report.Report:
        """Everything from the first upload to the account."""
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=self.web_url, limits=limits, timeout=120) as client:
            github = asyncio.create_task(self.enqueue_from_node())
            killer = asyncio.create_task(self.kill_a_worker())
            status = asyncio.create_task(self.show_status())
            try:
                poison = await upload(client, "holiday.jpg", NOT_A_PHOTO)
                waiting = list(reversed(self.files))
                await asyncio.gather(
                    self.follow(client, poison),
                    *(self.visit(client, waiting) for _ in range(VISITORS)),
                )
                produced = await github
                take_over = await killer
                announced = sum(one.ending == "completed" for one in self.uploads)
                await self.all_done(announced + len(produced["node"]))
            finally:
                for task in (github, killer, status):
                    task.cancel()
                self.terminal.status("")
            received = (await client.get(f"{self.receiver_url}/received")).json()
        seen = Evidence(
            files=self.files,
            uploads=self.uploads,
            poisoned=poison,
            produced=produced,
            received=received,
            take_over=take_over,
            thumbnails=self.thumbnails,
            seconds=time.monotonic() - self.began,
        )
        return await asyncio.to_thread(report.make, self.app, seen)

    async def visit(self, client: httpx.AsyncClient, waiting: list[Path]) -> None:
        """A visitor uploads a photograph, watches until it is done, and has the next one."""
        while waiting:
            path = waiting.pop()
            one = await upload(client, path.name, path.read_bytes())
            self.uploads.append(one)
            await self.follow(client, one)

    async def follow(self, client: httpx.AsyncClient, one: Upload) -> None:
        """Shows each photograph when its stream of events has told its end."""
        async for news in follow(client, one):
            if news.ending == "completed":
                report.photo_line(self.terminal, news)
            elif news.ending:
                error = f"{news.error.get('type')}: {news.error.get('message')}"
                self.terminal.line(f"  {self.terminal.style('✗', RED)} {news.title:<40} {error}")

    async def enqueue_from_node(self) -> dict[str, Any]:
        """Runs the producer in Node; answers what it has enqueued."""
        producer = await self.programs.start("github", ["node", "github.mjs"])
        producer.may_end = True
        if await producer.process.wait() != 0:
            raise ProgramError(f"github.mjs failed:\n{producer.tail()}")
        produced: dict[str, Any] = json.loads(producer.log.read_text().splitlines()[-1])
        return produced

    async def kill_a_worker(self) -> audit.TakeOver:
        """When a third of the photographs are done: SIGKILL to a worker process that runs two jobs or more.

        It is stopped for the moment in which we look at what it holds, so that what we note is what it had. Later it is
        started again, as a service manager would do it; until then the other worker has its jobs.
        """
        while self.photographs_done < len(self.files) // 3:
            await asyncio.sleep(0.01)
        name, held = await self.stopped_worker()
        victim = self.photo_workers[name]
        take_over = audit.TakeOver(name, victim.pid, self.app.engine.now_ms(), held)
        victim.kill()
        self.recovery = f"{name} was killed, {held} are to start in the other worker"
        skull = self.terminal.style("☠", RED)
        self.terminal.line(
            f"  {skull} SIGKILL to worker {name} (pid {victim.pid}), which runs {len(held)} jobs"
        )
        await victim.process.wait()
        take_over.process_gone_ms = self.app.engine.now_ms() - take_over.killed_at_ms
        await self.wait_for_take_over(take_over)
        self.photo_workers[name] = await self.start_photo_worker(name)
        self.recovery = f"{name} was killed and is back"
        return take_over

    async def stopped_worker(self) -> tuple[str, list[str]]:
        """A worker that stands still while it runs two jobs or more, and those."""
        while True:
            name = self.busy_worker()
            if name is not None:
                pid = self.photo_workers[name].pid
                os.kill(pid, signal.SIGSTOP)
                # Until all of its threads have stopped one of them may still end a job.
                os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
                if len(held := self.held_by(name)) > 1:
                    return name, held
                os.kill(pid, signal.SIGCONT)
            elif self.photographs_done == len(self.files):
                raise ProgramError("all photographs were done before a worker could be killed")
            await asyncio.sleep(0.01)

    @property
    def photographs_done(self) -> int:
        return sum(bool(one.ending) for one in self.uploads)

    def busy_worker(self) -> str | None:
        """A worker that runs two photographs or more. With four visitors and two workers there nearly always is one."""
        return next((name for name in PHOTO_WORKERS if len(self.held_by(name)) > 1), None)

    def held_by(self, name: str) -> list[str]:
        active = self.app.engine.list_jobs("images", "active")
        return [
            job.spec.id for job in active if job.worker and job.worker.partition("@")[0] == name
        ]

    async def wait_for_take_over(self, take_over: audit.TakeOver) -> None:
        """Until the other worker has started all jobs of the dead one; some may have ended by then, well or not."""
        left = set(take_over.held)
        while left:
            for job_id in list(left):
                details = self.app.AsyncResult(job_id, queue="images").details()
                if details.crashes and details.state in {"active", "completed", "failed"}:
                    left.discard(job_id)
            await asyncio.sleep(0.01)

    async def all_done(self, webhooks: int) -> None:
        """Until every webhook is delivered or dead."""
        while True:
            counts = self.app.counts("webhooks")
            if counts.completed + counts.failed >= webhooks:
                return
            await asyncio.sleep(0.02)

    async def show_status(self) -> None:
        """The line at the bottom: the photographs by their events, the others by the store's counts."""
        while True:
            percent = sum(one.percent for one in self.uploads) / len(self.files)
            done = sum(one.ending == "completed" for one in self.uploads)
            parts = [f"photographs {bar(percent, 100)} {done}/{len(self.files)}"]
            for queue in ("webhooks", "github"):
                counts = self.app.counts(queue)
                left = counts.ready + counts.scheduled + counts.active
                parts.append(f"{queue} {counts.completed}/{counts.completed + left}")
            self.terminal.status("  " + "   ".join(parts))
            await asyncio.sleep(0.1)


def _address(line: str) -> str | None:
    """The address in the line by which uvicorn says that it is ready."""
    found = re.search(r"running on (http://[\w.]+:\d+)", line)
    return found[1] if found else None
