#!/usr/bin/env python3
"""Checks the rules of the house that no compiler checks; `make tidy` runs it.

Each rule is a function from the tree to findings, in tools/tidy_rules: the direction of includes
and imports, the size of files and functions, where SQL may stand, what must not be in a text, that
every source of the core has its test, and every name of the peers that we claim to have. A finding
is an error or, for sizes worth a look, a warning; errors make the exit status 1.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tidy_rules import cycles, layers, mirror, names, sizes, sql, texts
from tidy_rules.tree import Finding, Tree

RULES = (
    layers.check_core,
    layers.check_public_headers,
    layers.check_bindings,
    layers.check_languages,
    cycles.check,
    sizes.check_files,
    sizes.check_functions,
    sql.check_contracts,
    sql.check_placement,
    texts.check_all,
    texts.check_lock_files,
    mirror.check,
    names.check,
)


def run(tree: Tree) -> list[Finding]:
    """Every finding of every rule, ordered by place."""
    findings = [finding for rule in RULES for finding in rule(tree)]
    return sorted(findings, key=lambda finding: (finding.path, finding.line, finding.message))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    root = Path(__file__).resolve().parent.parent
    parser.add_argument("--root", type=Path, default=root, help="the repository to check")
    tree = Tree.of_repository(parser.parse_args(arguments).root)
    findings = run(tree)
    for finding in findings:
        print(finding)
    errors = sum(not finding.is_warning for finding in findings)
    warnings = len(findings) - errors
    print(f"tidy: {len(tree.paths)} files, {errors} errors, {warnings} warnings")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
