"""The programs of the demo as child processes: started, waited for, and always ended."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn, TypeVar

T = TypeVar("T")

STOP_SECONDS: Final = 30.0
START_SECONDS: Final = 120.0


class ProgramError(Exception):
    """A program did not do what the demo needs; the message has the end of its log."""


class Program:
    """One child process, with what it prints in a file of its own."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.log = log
        self.process = process
        self.may_end = False  # whether its end is part of the play

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self.process.returncode is None

    async def wait_for(self, condition: Callable[[], T | None]) -> T:
        """What the condition answers as soon as it is not None. Raises ProgramError if the program ends first."""
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while (found := condition()) is None:
            if not self.is_running:
                raise ProgramError(
                    f"{self.name} ended with status {self.process.returncode}:\n{self.tail()}"
                )
            if asyncio.get_running_loop().time() > deadline:
                raise ProgramError(
                    f"{self.name} is not ready after {START_SECONDS:.0f} s:\n{self.tail()}"
                )
            await asyncio.sleep(0.02)
        return found

    async def printed(self, find: Callable[[str], T | None]) -> T:
        """What `find` makes of the first line that it answers something for."""

        def look() -> T | None:
            lines = self.log.read_text(errors="replace").splitlines()
            return next((found for line in lines if (found := find(line)) is not None), None)

        return await self.wait_for(look)

    def tail(self) -> str:
        """The last lines that it printed."""
        lines = self.log.read_text(errors="replace").splitlines()[-15:]
        return "\n".join(f"    {line}" for line in lines) or "    (it printed nothing)"

    def kill(self) -> None:
        """SIGKILL to the program and all that it has started."""
        self.may_end = True
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    async def stop(self) -> None:
        """Asks it to end; kills it if it does not, and whatever it may have left behind."""
        self.may_end = True
        if self.is_running:
            with suppress(ProcessLookupError):
                self.process.terminate()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.process.wait(), STOP_SECONDS)
        self.kill()
        await self.process.wait()


class Programs:
    """All programs of one run. `stop_all` leaves none behind."""

    def __init__(self, *, folder: Path, logs: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._logs = logs
        self._environment = {**os.environ, **environment}
        self._programs: list[Program] = []
        logs.mkdir(parents=True, exist_ok=True)

    async def start(self, name: str, command: Sequence[str | Path], **environment: str) -> Program:
        """Starts a program in a process group of its own, so that Ctrl-C reaches only the demo."""
        log = self._logs / f"{name}.log"
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *map(str, command),
                cwd=self._folder,
                env={**self._environment, **environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        program = Program(name, process, log)
        self._programs.append(program)
        return program

    async def watch(self) -> NoReturn:
        """Raises ProgramError as soon as a program ends that should not."""
        while True:
            for program in self._programs:
                if not program.is_running and not program.may_end:
                    raise ProgramError(
                        f"{program.name} ended with status {program.process.returncode}:\n{program.tail()}"
                    )
            await asyncio.sleep(0.1)

    async def stop_all(self) -> None:
        """Ends them in the reverse order of their start, all at once."""
        await asyncio.gather(*(program.stop() for program in reversed(self._programs)))
