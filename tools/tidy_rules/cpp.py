"""Finds the functions of a C++ file by its braces: enough for sources in our own format."""

from __future__ import annotations

import re
from collections.abc import Iterator

_NOISE = re.compile(
    r'(?P<raw>R"(?P<tag>[^(\s]{0,16})\(.*?\)(?P=tag)")'
    r"|(?P<block>/\*.*?\*/)"
    r"|(?P<line>//[^\n]*)"
    r'|(?P<string>"(?:\\.|[^"\\\n])*")'
    r"|(?<![0-9A-Fa-f])(?P<char>'(?:\\.|[^'\\\n])+')"
    r"|(?P<macro>^[ \t]*\#(?:[^\n]*\\\n)*[^\n]*)",
    re.DOTALL | re.MULTILINE,
)
_CONTAINER = re.compile(
    r"^\s*(?:template\s*<.*>\s*)?(?:inline\s+)?(?:extern\b|namespace\b|class\b|struct\b|union\b|enum\b)"
)
_NAME = re.compile(r"([~\w:]+(?:\s*operator\s*\S+)?)\s*\(")


def blank_noise(text: str) -> str:
    """Comments, literals and preprocessor lines become spaces; line breaks stay."""
    return _NOISE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def functions(text: str) -> Iterator[tuple[str, int, int]]:
    """Name, first line and length of every function body outside other functions."""
    code = blank_noise(text)
    head_start = 0
    depth = 0  # inside a function: its open braces
    containers = 0
    name, start = "", 0
    for match in re.finditer(r"[{};]", code):
        position, character = match.start(), match[0]
        if depth:
            depth += {"{": 1, "}": -1, ";": 0}[character]
            if depth == 0:
                first = text.count("\n", 0, start) + 1
                yield name, first, text.count("\n", 0, position) + 2 - first
        elif character == "{":
            head = code[head_start:position]
            found = _NAME.search(head)
            if found and not _CONTAINER.match(head) and not head.rstrip().endswith("="):
                depth = 1
                name = found[1]
                start = head_start + len(head) - len(head.lstrip())
            else:
                containers += 1
        elif character == "}" and containers:
            containers -= 1
        if not depth:
            head_start = position + 1
