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
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import httpx
from stage import photos, report
from stage.play import Demo
from stage.programs import ProgramError
from stage.terminal import DIM, Terminal

HERE: Final = Path(__file__).resolve().parent
BUILD: Final = HERE.parent.parent / "build"
LIMIT_SECONDS: Final = 180


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
        help="where everything goes; it is emptied first",
    )
    keep = os.environ.get("KEEP", "") not in {"", "0"}
    parser.add_argument(
        "--keep", action="store_true", default=keep, help="leave the servers up at the end"
    )
    return parser.parse_args(given)


async def perform(options: argparse.Namespace, files: Sequence[Path], terminal: Terminal) -> int:
    """The whole demo; answers the exit status. Ends its programs whatever happens."""
    this = asyncio.current_task()
    assert this is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, this.cancel)
    demo = Demo(files, options.out, terminal)
    try:
        await demo.start_programs()
        report.opening(terminal, demo.web_url, demo.receiver_url, demo.store, files)
        watch = asyncio.create_task(demo.programs.watch())
        play = asyncio.create_task(demo.play())
        try:
            done, _ = await asyncio.wait(
                {play, watch}, timeout=LIMIT_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                raise ProgramError(
                    f"the demo is not done after {LIMIT_SECONDS} s; see {options.out / 'logs'}"
                )
            if watch in done:
                await watch
            outcome = await play
        finally:
            watch.cancel()
            play.cancel()
            await asyncio.gather(watch, play, return_exceptions=True)
        report.show(terminal, outcome)
        (options.out / "summary.json").write_text(outcome.to_json())
        if options.keep:
            report.urls(terminal, demo.web_url, demo.receiver_url, demo.store)
            await asyncio.Event().wait()
        return 0 if outcome.ok else 1
    finally:
        terminal.status("")
        await demo.programs.stop_all()
        demo.app.close()


def main() -> int:
    options = arguments()
    terminal = Terminal()
    try:
        cache = BUILD / "demo-photos"
        files = (
            photos.from_folder(options.folder) if options.folder else photos.from_packages(cache)
        )
        files = files[: options.photos]
        shutil.rmtree(options.out, ignore_errors=True)
        options.out.mkdir(parents=True)
        return asyncio.run(perform(options, files, terminal))
    except (photos.NoPhotosError, ProgramError, httpx.HTTPError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except (asyncio.CancelledError, KeyboardInterrupt):
        terminal.line(terminal.style("  stopped; all programs have ended", DIM))
        return 130


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        sys.exit(main())
