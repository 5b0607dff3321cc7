"""What the demo shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millrace import Millrace

from stage import audit
from stage.checks import Check, Evidence, all_checks
from stage.follow import Upload
from stage.terminal import BOLD, DIM, GREEN, RED, Terminal


@dataclass
class Report:
    """The account of one run."""

    kinds: dict[str, audit.Kind]
    dead: list[dict[str, Any]]
    checks: list[Check]
    seen: Evidence

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)

    def to_json(self) -> str:
        """For programs: what `show` shows."""
        seen = self.seen
        return audit.as_json(
            ok=self.ok,
            seconds=round(seen.seconds, 2),
            photographs=len(seen.uploads),
            megapixels=round(sum(_pixels(one) for one in seen.uploads) / 1e6, 1),
            progress_events=sum(one.progress_events for one in seen.uploads),
            with_exif=sum(bool(one.result.get("exif")) for one in seen.uploads),
            kinds=self.kinds,
            recovery=seen.take_over,
            dead=[
                {"id": one["id"], "name": one["name"], "error": one["error"]} for one in self.dead
            ],
            receiver={**seen.received, "deliveries": len(seen.received["deliveries"])},
            answer=seen.produced["answer"],
            checks=[
                {"name": one.name, "ok": one.ok, "expected": one.expected, "got": one.got}
                for one in self.checks
            ],
        )


def make(app: Millrace, seen: Evidence) -> Report:
    """Adds up what has happened."""
    audit.measure_take_over(app, seen.take_over)
    return Report(
        kinds=audit.kinds(app),
        dead=audit.dead_letters(app),
        checks=all_checks(app, seen),
        seen=seen,
    )


def _pixels(one: Upload) -> int:
    return int(one.result.get("width", 0) * one.result.get("height", 0))


def opening(
    terminal: Terminal, web_url: str, receiver_url: str, store: Path, files: Sequence[Path]
) -> None:
    """Who plays."""
    megabytes = sum(path.stat().st_size for path in files) / 1e6
    terminal.line(terminal.style("Millrace: one SQLite file, worked by Python and Node", BOLD))
    terminal.line(f"  store     {_short(store)}")
    terminal.line(f"  FastAPI   {web_url}  takes {len(files)} photographs ({megabytes:.1f} MB)")
    terminal.line(f"  Express   {receiver_url}  receives signed webhooks")
    terminal.line(
        "  workers   python-1, python-2: photographs, 4 threads each; python-3: GitHub, 2 processes;"
    )
    terminal.line("            node: webhooks, 8 at once")
    terminal.heading("Photographs, as their server-sent events tell")


def photo_line(terminal: Terminal, one: Upload) -> None:
    """One photograph that is done."""
    result = one.result
    camera = " ".join(
        filter(
            None,
            (
                result["exif"].get("Model"),
                result["exif"].get("DateTimeOriginal", "")[:10].replace(":", "-"),
            ),
        )
    )
    size = f"{result['width']} x {result['height']}"
    terminal.line(
        f"  {terminal.style('✓', GREEN)} {one.title:<40} {size:>11}  "
        f"{result['bytes'] / 1e6:4.1f} MB  {terminal.swatches(result['palette'])}  {camera}".rstrip()
    )


def show(terminal: Terminal, report: Report) -> None:
    """The table and what belongs to it."""
    seen = report.seen
    terminal.heading("Jobs")
    terminal.table(
        (
            "job",
            "from → to",
            "enqueued",
            "done",
            "retried",
            "taken over",
            "dead",
            "wall s",
            "jobs/s",
        ),
        [
            (
                name,
                audit.KINDS[name][1],
                *map(str, (kind.enqueued, kind.done, kind.retried, kind.taken_over, kind.dead)),
                f"{kind.wall_seconds:.2f}",
                f"{kind.jobs_per_second:.1f}",
            )
            for name, kind in report.kinds.items()
        ],
    )
    _show_take_over(terminal, seen.take_over)
    terminal.heading("Dead letters")
    for letter in report.dead:
        error = letter["error"]
        terminal.line(f"  {letter['name']} {letter['id']}")
        terminal.line(f"    {error['type']}: {error['message']}")
    terminal.heading("What a Node program was answered by a Python task")
    terminal.line(f"  {seen.produced['answer']}")
    terminal.heading("Checked")
    for check in report.checks:
        if check.ok:
            text = f"{terminal.style('✓', GREEN)} {check.name}: {_figure(check.got)}"
        else:
            wrong = f"{check.name}: {check.got}, but it must be {check.expected}"
            text = f"{terminal.style('✗', RED)} {wrong}"
        terminal.line(f"  {text}")
    failures = sum(not check.ok for check in report.checks)
    verdict = (
        terminal.style(f"{failures} wrong", RED)
        if failures
        else terminal.style("every count is right", GREEN)
    )
    terminal.line()
    terminal.line(f"  {seen.seconds:.1f} s with the start of all programs; {verdict}")
    terminal.line(f"  thumbnails: {_short(seen.thumbnails)}")
    terminal.line(f"  the account as JSON: {_short(seen.thumbnails.parent / 'summary.json')}")


def _show_take_over(terminal: Terminal, take_over: audit.TakeOver) -> None:
    terminal.heading("Recovery")
    terminal.line(
        f"  {take_over.worker} (pid {take_over.pid}) was killed by SIGKILL; jobs that it ran: {len(take_over.held)}"
    )
    for words, figures in (
        ("the kernel had ended it after", [take_over.process_gone_ms]),
        ("its jobs were back in the queue after", take_over.back_in_queue_ms),
        ("and started by the other worker after", take_over.started_again_ms),
    ):
        shown = ", ".join(f"{ms} ms" if ms else "< 1 ms" for ms in figures) or "never"
        terminal.line(f"    {words} {shown}")


def _figure(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{_figure(one)} {key}" for key, one in value.items())
    if isinstance(value, list):
        return str(len(value) or "none")
    if isinstance(value, tuple):
        return ", ".join(map(_figure, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def urls(terminal: Terminal, web_url: str, receiver_url: str, store: Path) -> None:
    """What can be looked at while everything is left running."""
    terminal.heading("Left running until Ctrl-C")
    terminal.line(f"  try it        {web_url}/")
    terminal.line(f"  queues        {web_url}/queues")
    terminal.line(f"  its API       {web_url}/docs")
    terminal.line(f"  receiver      {receiver_url}/received")
    terminal.line(f"  command line  .venv/bin/millrace inspect --store {_short(store)}")
    terminal.line(
        terminal.style("                .venv/bin/millrace dead list --store " + _short(store), DIM)
    )


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
