"""Reads the fenced blocks of our Markdown documents, with what a comment above says about them.

    <!-- file: tasks.py -->     the block is written to this file in the document's scratch folder
    <!-- background -->         each line is a command that keeps running until the document ends
    <!-- run -->                each line is a command that must end with exit status 0
    <!-- output -->             what the last run printed; `...` stands for any text

Blocks without such a comment are checked too: Python is compiled and its imports from millrace are
looked up, TypeScript is checked against the package's types.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
_FENCE = re.compile(
    r"(?:^<!--\s*(?P<directive>[a-z]+)(?::\s*(?P<argument>[^\s>]+))?\s*-->\s*\n)?"
    r"^(?P<indent>[ ]*)```(?P<language>[\w-]*)[^\n]*\n(?P<body>.*?)^(?P=indent)```\s*$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    document: str
    line: int
    language: str
    body: str
    directive: str
    argument: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def documents() -> list[Path]:
    """The documents that users and contributors read."""
    top = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    return [
        *top,
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "examples").rglob("*.md")),
    ]


def blocks(document: Path) -> Iterator[Block]:
    """The document's fenced blocks in order."""
    text = document.read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        indent = len(match["indent"])
        yield Block(
            document=str(document.relative_to(ROOT)),
            line=text.count("\n", 0, match.start("language")) + 1,
            language=match["language"],
            body="".join(line[indent:] for line in match["body"].splitlines(keepends=True)),
            directive=match["directive"] or "",
            argument=match["argument"] or "",
        )


def every_block(*languages: str) -> list[Block]:
    """The blocks of all documents in one of the languages."""
    return [b for d in documents() for b in blocks(d) if b.language in languages]
