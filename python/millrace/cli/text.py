"""How answers look to people: plain text that is the same in every language."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_YEAR_9999_MS: Final = 253_402_300_799_999
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")


def clean(text: str) -> str:
    """Text of unknown origin without what could steer a terminal."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def compact(value: Any) -> str:
    """A value as JSON in one line."""
    return clean(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def clip(text: str, width: int) -> str:
    """The beginning of a text that may be long."""
    return text if len(text) <= width else text[: width - 3] + "..."


def time(at_ms: int | None) -> str:
    """A time of the store, in UTC; "-" for none. Years beyond 9999 are shown in milliseconds."""
    if at_ms is None:
        return "-"
    if not 0 <= at_ms <= _YEAR_9999_MS:
        return str(at_ms)
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def size(count: int) -> str:
    """A number of bytes."""
    value, unit = float(count), 0
    while value >= 1024 and unit < len(_UNITS) - 1:  # noqa: PLR2004
        value, unit = value / 1024, unit + 1
    return f"{count} B" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def count(number: int, one: str, many: str) -> str:
    """A number with its noun."""
    return f"{number} {one if number == 1 else many}"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Lines with aligned columns; numbers stand to the right."""
    body = [list(row) for row in rows]
    texts = [
        list(head),
        *(
            [str(cell) if isinstance(cell, int) else clean(str(cell)) for cell in row]
            for row in body
        ),
    ]
    widths = [max(len(line[i]) for line in texts) for i in range(len(head))]
    right = [bool(body) and all(isinstance(row[i], int) for row in body) for i in range(len(head))]
    return [
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in texts
    ]
