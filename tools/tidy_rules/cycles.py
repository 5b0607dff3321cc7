"""No circular imports: not between headers, Python modules or TypeScript files."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from .layers import includes
from .tree import Finding, Tree

Graph = dict[str, set[str]]
TS_RUNTIME_IMPORT = re.compile(
    r"""^\s*(?:import|export)\s(?!type\b)(?P<what>[^"';]*?)\bfrom\s*["'](?P<name>\.[^"']+)["']""",
    re.MULTILINE,
)


def check(tree: Tree) -> Iterator[Finding]:
    """Reports one finding per cycle."""
    for graph in (cxx_graph(tree), python_graph(tree), ts_graph(tree)):
        for cycle in find_cycles(graph):
            yield Finding(cycle[0], 1, "circular import: " + " > ".join([*cycle, cycle[0]]))


def find_cycles(graph: Graph) -> Iterator[list[str]]:
    """Each cycle that a depth-first walk closes, starting with its first path in order."""
    done: set[str] = set()
    for start in sorted(graph):
        stack: list[tuple[str, Iterator[str]]] = []
        if start not in done:
            stack.append((start, iter(sorted(graph[start]))))
        while stack:
            node, targets = stack[-1]
            target = next(targets, None)
            walk = [entry[0] for entry in stack]
            if target is None:
                done.add(node)
                stack.pop()
            elif target in walk:
                yield walk[walk.index(target) :]
            elif target in graph and target not in done:
                stack.append((target, iter(sorted(graph[target]))))


def cxx_graph(tree: Tree) -> Graph:
    roots = ("core/src/", "core/include/", "bindings/python/", "bindings/node/")
    graph: Graph = {}
    for path in tree.under(*roots, suffixes=(".h",)):
        names = [name for _, _, name in includes(tree, path)]
        candidates = {root + name for root in roots for name in names}
        graph[path] = candidates & tree.path_set
    return graph


def python_graph(tree: Tree) -> Graph:
    """Imports that run when a module is loaded; those in functions or for typing do not count."""
    graph: Graph = {}
    for path in tree.under("python/", suffixes=(".py",)):
        graph[path] = set()
        for node in _load_time(ast.parse(tree.text(path), filename=path).body):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                base = _absolute(node, path)
                names = [f"{base}.{alias.name}" for alias in node.names]
                if not all(_is_module(tree, name) for name in names):
                    names.append(base)  # an attribute: that module must be loaded to its end
            for name in names:
                stem = "python/" + name.replace(".", "/")
                graph[path] |= {f"{stem}.py", f"{stem}/__init__.py"} & tree.path_set
        graph[path].discard(path)
    return graph


def _is_module(tree: Tree, name: str) -> bool:
    stem = "python/" + name.replace(".", "/")
    is_extension = name.rsplit(".", 1)[-1] == "_core"
    return is_extension or bool({f"{stem}.py", f"{stem}/__init__.py"} & tree.path_set)


def _load_time(body: list[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.dump(node.test):
            yield from _load_time([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            yield from _load_time([*node.body, *node.orelse, *node.finalbody])


def _absolute(node: ast.ImportFrom, path: str) -> str:
    if node.level == 0:
        return node.module or ""
    package = PurePosixPath(path).relative_to("python").parts[: -node.level]
    return ".".join([*package, node.module] if node.module else package)


def ts_graph(tree: Tree) -> Graph:
    graph: Graph = {}
    for path in tree.under("node/src/", suffixes=(".ts", ".cts")):
        graph[path] = set()
        for match in TS_RUNTIME_IMPORT.finditer(tree.text(path)):
            target = posixpath.normpath(posixpath.join(posixpath.dirname(path), match["name"]))
            source = re.sub(r"js$", "ts", target)
            if source in tree.path_set and source != path:
                graph[path].add(source)
    return graph
