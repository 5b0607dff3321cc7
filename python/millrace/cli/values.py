"""What the values of options may be, with exact messages."""

from __future__ import annotations

import argparse
from typing import Any, Final

LEVELS: Final = ("debug", "info", "warning", "error", "critical", "fatal")


class _Text(argparse.Action):
    """A text that must not be empty if it is given; argparse would apply a `type` to defaults too."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse's signature
        namespace: argparse.Namespace,
        values: Any,
        option: str | None = None,  # noqa: ARG002
    ) -> None:
        if values == "":
            raise argparse.ArgumentError(self, "must not be empty")
        setattr(namespace, self.dest, values)


def filled() -> type[argparse.Action]:
    """The action of an option whose text must not be empty."""
    return _Text


def whole(least: int, most: int | None = None) -> Any:
    """A whole number within bounds."""

    def number(value: str) -> int:
        parsed = int(value) if value.lstrip("-").isdecimal() else None
        if parsed is None or parsed < least or (most is not None and parsed > most):
            bound = f"from {least} to {most}" if most is not None else f"from {least}"
            raise argparse.ArgumentTypeError(f"must be a whole number {bound}, not {value!r}")
        return parsed

    return number


def seconds(value: str) -> float:
    """A number of seconds."""
    try:
        parsed = float(value)
    except ValueError:
        parsed = -1.0
    if not 0 <= parsed < 1e9:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"must be a number of seconds, not {value!r}")
    return parsed


def autoscale(value: str) -> tuple[int, int]:
    """MAX,MIN, or MAX alone."""
    parts = value.split(",")
    if len(parts) > 2 or not all(part.strip().isdecimal() for part in parts):  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"must be MAX,MIN such as 10,3, not {value!r}")
    numbers = sorted(map(int, parts), reverse=True)
    return numbers[0], numbers[1] if len(numbers) > 1 else 1
