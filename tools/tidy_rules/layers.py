"""The dependency rule: an include or import only points down.

examples > python, node > bindings > core/include > engine > domains > store, wake > base
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from .tree import Finding, Tree

INCLUDE = re.compile(r'^\s*#\s*include\s*(?P<kind>[<"])(?P<name>[^>"]+)[>"]')

# What each folder of core/src may include, beside itself and the public headers.
DOMAIN = {"base", "store", "wake"}
MAY_INCLUDE = {
    "base": set(),
    "store": {"base"},
    "wake": {"base"},
    "jobs": DOMAIN | {"limits"},
    "limits": DOMAIN,
    "streams": DOMAIN,
    "routing": DOMAIN,
    "flows": DOMAIN | {"jobs", "limits"},
    "schedule": DOMAIN | {"jobs"},
    "rpc": DOMAIN | {"jobs"},
    "workflow": DOMAIN | {"jobs"},
    "engine": DOMAIN
    | {"jobs", "limits", "streams", "routing", "flows", "schedule", "rpc", "workflow"},
}
# Headers that only one folder may know, and the words that give their use away without a header.
CONFINED_HEADERS = {
    "sqlite3.h": "store",
    "linux/futex.h": "wake",
    "sys/pidfd.h": "wake",
    "sodium.h": "base",
}
CONFINED_WORDS = {
    re.compile(r"\bSYS_futex\b|\bFUTEX_\w+"): "wake",
    re.compile(r"\bSYS_pidfd_\w+|\bpidfd_(open|send_signal|getfd)\s*\("): "wake",
    re.compile(r"\bsqlite3_\w+\s*\("): "store",
}
WEB_FRAMEWORKS = {"fastapi", "starlette", "flask", "django", "express", "fastify", "koa"}
OTHER_SQLITES = {"sqlite3", "_sqlite3", "apsw", "node:sqlite", "better-sqlite3"}
TS_IMPORT = re.compile(r"""(?:\bfrom|\bimport|\brequire\()\s*["'](?P<name>[^"']+)["']""")


def includes(tree: Tree, path: str) -> Iterator[tuple[int, str, str]]:
    """Line, kind ('<' or '"') and name of every include."""
    for number, line in enumerate(tree.lines(path), start=1):
        match = INCLUDE.match(line)
        if match:
            yield number, match["kind"], match["name"]


def check_core(tree: Tree) -> Iterator[Finding]:
    """Includes inside core/src point down, and each system interface has one home."""
    for path in tree.under("core/src/", suffixes=(".h", ".cc")):
        parts = PurePosixPath(path).parts
        folder = parts[2] if len(parts) > 3 else "engine"  # noqa: PLR2004
        if folder not in MAY_INCLUDE:
            known = ", ".join(MAY_INCLUDE)
            yield Finding(path, 1, f"folder '{folder}' has no place in the layers ({known})")
            continue
        for number, kind, name in includes(tree, path):
            target = name.split("/")[0]
            allowed = MAY_INCLUDE[folder] | {folder}
            if kind == '"' and target in MAY_INCLUDE and target not in allowed:
                yield Finding(path, number, f"'{folder}' must not include '{name}'")
            home = CONFINED_HEADERS.get(name)
            if home and home != folder:
                yield Finding(path, number, f"only core/src/{home} may include <{name}>")
        for number, line in enumerate(tree.lines(path), start=1):
            code = line.split("//")[0]
            for pattern, home in CONFINED_WORDS.items():
                match = pattern.search(code)
                if match and home != folder:
                    message = f"'{match[0].strip('(').strip()}' belongs in core/src/{home}"
                    yield Finding(path, number, message)


def check_public_headers(tree: Tree) -> Iterator[Finding]:
    """The C++ API: the standard library and itself, nothing else."""
    for path in tree.under("core/include/"):
        for number, kind, name in includes(tree, path):
            is_standard = kind == "<" and "/" not in name and not name.endswith(".h")
            if not is_standard and not name.startswith("millrace/"):
                yield Finding(path, number, f"a public header must not include '{name}'")


def check_bindings(tree: Tree) -> Iterator[Finding]:
    """Bindings see the public headers, their own files and the language's headers."""
    for path in tree.under("bindings/", suffixes=(".h", ".cc")):
        folder = str(PurePosixPath(path).parent)
        for number, kind, name in includes(tree, path):
            own = f"{folder}/{name}" in tree.path_set
            if kind == '"' and not own and not name.startswith("millrace/"):
                yield Finding(path, number, f"bindings include only millrace/*.h, not '{name}'")
            if name == "sqlite3.h" or name.startswith("boost/"):
                yield Finding(path, number, f"bindings must not include <{name}>")


def check_languages(tree: Tree) -> Iterator[Finding]:
    """The layers of Python and Node: no second SQLite, web frameworks only in contrib."""
    for path in tree.under("python/", "node/src/", suffixes=(".py", ".ts", ".cts")):
        found = python_imports(tree, path) if path.endswith(".py") else ts_imports(tree, path)
        for number, name in found:
            package = name if name.startswith("node:") else name.split(".")[0].split("/")[0]
            if package in OTHER_SQLITES:
                yield Finding(path, number, f"a second SQLite in the process: import of '{name}'")
            if package in WEB_FRAMEWORKS and "/contrib/" not in path:
                yield Finding(path, number, f"'{name}' may be imported in contrib only")
            if package in {"tests", "examples"}:
                yield Finding(path, number, f"the library must not import '{name}'")


def python_imports(tree: Tree, path: str) -> Iterator[tuple[int, str]]:
    """Line and absolute module name of every import; relative ones are left out."""
    for node in ast.walk(ast.parse(tree.text(path), filename=path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module


def ts_imports(tree: Tree, path: str) -> Iterator[tuple[int, str]]:
    """Line and specifier of every import, export-from and require."""
    for number, line in enumerate(tree.lines(path), start=1):
        for match in TS_IMPORT.finditer(line):
            yield number, match["name"]
