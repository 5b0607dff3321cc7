"""Sizes: files of 100 to 300 lines, functions below 70, lines of 100 columns."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from .cpp import functions
from .tree import Finding, Tree

CODE = (
    ".h",
    ".cc",
    ".py",
    ".pyi",
    ".ts",
    ".cts",
    ".mjs",
    ".js",
    ".sh",
    ".sql",
    ".cmake",
    "CMakeLists.txt",
)
FILE_WARNING = 300
FILE_ERROR = 500
PUBLIC_HEADER_ERROR = 250
FUNCTION_ERROR = 70
CXX_COLUMNS = 100
# The stub of the core module documents the whole surface, in one file because mypy wants it so.
LONG_BY_NATURE = {"python/millrace/_core.pyi"}


def check_files(tree: Tree) -> Iterator[Finding]:
    """Files that have become two files."""
    for path in tree.under("", suffixes=CODE):
        if path in LONG_BY_NATURE:
            continue
        lines = tree.lines(path)
        limit = PUBLIC_HEADER_ERROR if path.startswith("core/include/") else FILE_ERROR
        if len(lines) > limit:
            yield Finding(path, 1, f"{len(lines)} lines; at most {limit} are allowed")
        elif len(lines) > FILE_WARNING:
            message = f"{len(lines)} lines; over {FILE_WARNING} is worth a look"
            yield Finding(path, 1, message, is_warning=True)
        if path.endswith((".h", ".cc")):
            for number, line in enumerate(lines, start=1):
                if len(line) > CXX_COLUMNS and not re.search(r"https?://\S+$", line):
                    yield Finding(path, number, f"{len(line)} columns; the limit is {CXX_COLUMNS}")


def check_functions(tree: Tree) -> Iterator[Finding]:
    """Functions that do too much. ESLint checks those in TypeScript; tests get a warning."""
    for path in tree.under("", suffixes=(".py", ".h", ".cc")):
        spans = (
            python_functions(tree.text(path))
            if path.endswith(".py")
            else functions(tree.text(path))
        )
        for name, line, length in spans:
            if length > FUNCTION_ERROR:
                message = f"'{name}' has {length} lines; functions stay within {FUNCTION_ERROR}"
                yield Finding(path, line, message, is_warning=path.startswith("tests/"))


def python_functions(text: str) -> Iterator[tuple[str, int, int]]:
    """Name, first line and length of every function."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1
