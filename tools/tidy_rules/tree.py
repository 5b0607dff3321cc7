"""The files that the rules look at, and what a rule reports."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

BINARY_SUFFIXES = {".png", ".jpg", ".jpeg", ".ico", ".gif", ".woff2", ".pdf"}


@dataclass(frozen=True)
class Finding:
    """One broken rule and where."""

    path: str
    line: int
    message: str
    is_warning: bool = False

    def __str__(self) -> str:
        kind = "warning" if self.is_warning else "error"
        return f"{self.path}:{self.line}: {kind}: {self.message}"


@dataclass
class Tree:
    """The text files of a repository; paths are relative to its root and use '/'."""

    root: Path
    paths: list[str]
    _cache: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_repository(cls, root: Path) -> Tree:
        """The files that git tracks or would track."""
        listing = subprocess.run(
            ["git", "ls-files", "-z", "-co", "--exclude-standard"],
            cwd=root,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        return cls.of_paths(root, listing.split("\0"))

    @classmethod
    def of_paths(cls, root: Path, paths: list[str]) -> Tree:
        """The given files, without those that are gone or are not text."""
        known = {p for p in paths if p and (root / p).is_file()}
        return cls(root, sorted(p for p in known if Path(p).suffix not in BINARY_SUFFIXES))

    @cached_property
    def path_set(self) -> frozenset[str]:
        return frozenset(self.paths)

    def text(self, path: str) -> str:
        if path not in self._cache:
            content = (self.root / path).read_bytes()
            self._cache[path] = content.decode("utf-8", errors="replace")
        return self._cache[path]

    def lines(self, path: str) -> list[str]:
        return self.text(path).splitlines()

    def under(self, *folders: str, suffixes: tuple[str, ...] = ("",)) -> list[str]:
        """The files in any of the folders (as 'core/src/') that end in one of the suffixes."""
        return [p for p in self.paths if p.startswith(folders) and p.endswith(suffixes)]
