#!/usr/bin/env python3
"""Plays the demo: `make demo`, or `.venv/bin/python examples/demo/run.py --help`.

Starts the web application, the receiver and the workers, uploads photographs, kills a worker on the way, and ends with
an account. The programs themselves are beside this file; this one only directs them.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import httpx
from stage import photos, report
from stage.play import Demo
from stage.programs import ProgramError
from stage.terminal import DIM, Terminal

T = TypeVar("T")

HERE: Final = Path(__file__).resolve().parent
BUILD: Final = HERE.parent.parent / "build"
LIMIT_SECONDS: Final = 600  # of a machine that does a lot beside this
PHOTOGRAPHS_LEAST: Final = 6  # with fewer, all are done before there is a worker to kill


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--from", dest="folder", type=Path, help="a folder of photographs of your own"
    )
    parser.add_argument(
        "--photos", type=int, help="how many photographs; default: all that there are"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=BUILD / "demo",
        help="where everything goes, instead of what the last run left there",
    )
    keep = os.environ.get("KEEP", "") not in {"", "0"}
    parser.add_argument(
        "--keep", action="store_true", default=keep, help="leave the servers up at the end"
    )
    return parser.parse_args(given)


def clear(out: Path) -> None:
    """Removes what an earlier run has left in the folder, and nothing else."""
    out.mkdir(parents=True, exist_ok=True)
    for name in ("logs", "thumbnails", "uploads"):
        shutil.rmtree(out / name, ignore_errors=True)
    for path in (out / "summary.json", *out.glob("jobs.db*")):
        path.unlink(missing_ok=True)


async def perform(options: argparse.Namespace, files: Sequence[Path], terminal: Terminal) -> int:
    """The whole demo; answers the exit status. Ends its programs whatever happens."""
    interrupted = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, interrupted.set)
    demo = Demo(files, options.out, terminal)
    try:
        outcome = await first_of(
            demo.perform(), demo.programs.watch(), stop_at(interrupted), too_late(demo)
        )
        report.show(terminal, outcome)
        (options.out / "summary.json").write_text(outcome.to_json())
        if options.keep:
            report.urls(terminal, demo.web_url, demo.receiver_url, demo.store)
            await interrupted.wait()
        return 0 if outcome.ok else 1
    finally:
        terminal.status("")
        await demo.programs.stop_all()
        demo.app.close()


async def first_of(work: Coroutine[Any, Any, T], *others: Coroutine[Any, Any, NoReturn]) -> T:
    """The answer of the work; the others can only end it, by raising."""
    tasks = [asyncio.ensure_future(one) for one in (work, *others)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return await done.pop()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def stop_at(interrupted: asyncio.Event) -> NoReturn:
    """Raises InterruptedError when a signal has come."""
    await interrupted.wait()
    raise InterruptedError


async def too_late(demo: Demo) -> NoReturn:
    """Raises ProgramError when the demo has taken too long."""
    await asyncio.sleep(LIMIT_SECONDS)
    raise ProgramError(
        f"the demo is not done after {LIMIT_SECONDS} s; see {demo.out / 'logs'}\n{demo.standing()}"
    )


def main() -> int:
    options = arguments()
    terminal = Terminal()
    try:
        cache = BUILD / "demo-photos"
        files = (
            photos.from_folder(options.folder) if options.folder else photos.from_packages(cache)
        )
        files = files[: options.photos]
        if len(files) < PHOTOGRAPHS_LEAST:
            raise photos.NoPhotosError(
                f"{len(files)} photographs are too few; give at least {PHOTOGRAPHS_LEAST}"
            )
        clear(options.out)
        return asyncio.run(perform(options, files, terminal))
    except (photos.NoPhotosError, ProgramError, httpx.HTTPError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except (InterruptedError, KeyboardInterrupt):
        terminal.line(terminal.style("  stopped; all programs have ended", DIM))
        return 130


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        sys.exit(main())
