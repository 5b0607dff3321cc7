"""What must not stand in any text: unfinished work, this machine's paths, registry addresses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from .tree import Finding, Tree

_UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
_MACHINE_PATH = re.compile(r"""(?<![\w.$}])/(?:work|root|home/\w+|Users/\w+|tmp/mill)/[\w.]""")
_REGISTRY = re.compile(
    r"registry\.npmjs\.|registry\.yarnpkg\.|pypi\.org/simple|files\.pythonhosted\.|pypi\.python\."
)
_CONFLICT = re.compile(r"^(?:<{7} |>{7} )")


def check_all(tree: Tree) -> Iterator[Finding]:
    """Every line of every text file."""
    for path in tree.paths:
        lines = tree.lines(path)
        for number, line in enumerate(lines, start=1):
            if _UNFINISHED.search(line):
                yield Finding(path, number, "unfinished work is an issue, not a comment")
            if _MACHINE_PATH.search(line):
                yield Finding(path, number, "a path of somebody's machine")
            if _CONFLICT.match(line):
                yield Finding(path, number, "a merge conflict")
            if line != line.rstrip() and not path.endswith(".md"):
                yield Finding(path, number, "white space at the end of the line")
        if lines and not tree.text(path).endswith("\n"):
            yield Finding(path, len(lines), "no line break at the end of the file")


def check_lock_files(tree: Tree) -> Iterator[Finding]:
    """Lock and configuration files name no registry: every user has their own."""
    for path in tree.paths:
        name = path.rsplit("/", 1)[-1]
        is_lock = name in {"package-lock.json", ".npmrc", "pip.conf"} or name.startswith(
            "requirements"
        )
        if not is_lock and not name.endswith((".toml", ".json", ".sh", ".cmake", ".yml", ".mjs")):
            continue
        for number, line in enumerate(tree.lines(path), start=1):
            if _REGISTRY.search(line):
                yield Finding(path, number, "the address of a registry")
        if name == "package-lock.json":
            packages = json.loads(tree.text(path)).get("packages", {})
            for package, entry in packages.items():
                if str(entry.get("resolved", "")).startswith("http"):
                    yield Finding(path, 1, f"'{package}' has a 'resolved' address; see .npmrc")
