"""Tests mirror their sources: core/src/store/writer.cc has tests/core/store/writer_test.cc.

What is tested through something else is listed in tests/core/tested_elsewhere.txt, one
`path: reason` per line; an entry that is no longer needed is an error too.
"""

from __future__ import annotations

from collections.abc import Iterator

from .tree import Finding, Tree

LIST = "tests/core/tested_elsewhere.txt"


def check(tree: Tree) -> Iterator[Finding]:
    """Every source of the core has its test or its reason."""
    listed: dict[str, int] = {}
    if LIST in tree.path_set:
        for number, line in enumerate(tree.lines(LIST), start=1):
            if not line.strip() or line.startswith("#"):
                continue
            path, _, reason = line.partition(":")
            listed[path.strip()] = number
            if not reason.strip():
                yield Finding(LIST, number, f"'{path.strip()}' has no reason")
    sources = tree.under("core/src/", suffixes=(".cc",))
    for source in sources:
        test = source.replace("core/src/", "tests/core/", 1).removesuffix(".cc") + "_test.cc"
        if test in tree.path_set:
            if source in listed:
                yield Finding(LIST, listed[source], f"'{source}' has a test now: {test}")
        elif source not in listed:
            yield Finding(source, 1, f"no {test}, and no reason in {LIST}")
    for path, number in listed.items():
        if path not in sources:
            yield Finding(LIST, number, f"'{path}' does not exist")
