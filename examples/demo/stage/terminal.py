"""Lines that stay, and below them one that changes; without a terminal only the lines."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Sequence
from typing import Final

BOLD: Final = "1"
DIM: Final = "2"
RED: Final = "31"
GREEN: Final = "32"
YELLOW: Final = "33"


class Terminal:
    """Standard output."""

    def __init__(self) -> None:
        self._live = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self._coloured = self._live and "NO_COLOR" not in os.environ
        self._status = ""
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace", line_buffering=True)

    def style(self, text: str, *codes: str) -> str:
        """The text in a colour or weight, where the terminal has them."""
        return f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if self._coloured else text

    def swatches(self, colours: Sequence[str]) -> str:
        """A palette: as blocks of colour, or as their names."""
        if not self._coloured:
            return " ".join(colours)
        rgb = [[str(int(colour[i : i + 2], 16)) for i in (1, 3, 5)] for colour in colours]
        return "".join(f"\x1b[38;2;{';'.join(one)}m███\x1b[0m" for one in rgb)

    def line(self, text: str = "") -> None:
        """Prints a line that stays."""
        if self._status:
            sys.stdout.write("\r\x1b[2K")
        print(text)
        if self._status:
            sys.stdout.write(self._status)
            sys.stdout.flush()

    def heading(self, text: str) -> None:
        self.line()
        self.line(self.style(text, BOLD))

    def status(self, text: str) -> None:
        """Replaces the line at the bottom; an empty text removes it."""
        if not self._live or text == self._status:
            return
        text = text[: shutil.get_terminal_size().columns - 1]
        sys.stdout.write(f"\r\x1b[2K{text}")
        sys.stdout.flush()
        self._status = text

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table; the first two columns are words, the others figures."""
        widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
        for row in (header, *rows):
            cells = [
                cell.ljust(width) if i < 2 else cell.rjust(width)  # noqa: PLR2004
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            text = "  ".join(cells).rstrip()
            self.line("  " + (self.style(text, DIM) if row is header else text))


def bar(done: float, total: float, width: int = 24) -> str:
    """A progress bar."""
    filled = round(width * min(1.0, done / total)) if total else width
    return "█" * filled + "░" * (width - filled)
