"""What the documents say exists: links, make targets, names in code."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
from pathlib import Path

import pytest
from documents import ROOT, Block, documents, every_block

LINK = re.compile(r"\[[^\]]*\]\((?!https?:|mailto:|#)(?P<target>[^)#\s]+)[^)]*\)")
DOCUMENTS = [str(path.relative_to(ROOT)) for path in documents()]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str):
    document = ROOT / name
    missing = [
        match["target"]
        for match in LINK.finditer(document.read_text(encoding="utf-8"))
        if not (document.parent / match["target"]).exists()
    ]
    assert missing == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_make_targets_exist(name: str):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    text = (ROOT / name).read_text(encoding="utf-8")
    used = set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", text, re.MULTILINE))
    assert used <= targets


@pytest.mark.parametrize("block", every_block("python", "py"), ids=str)
def test_python_compiles_and_its_imports_exist(block: Block):
    for node in ast.walk(ast.parse(block.body, filename=str(block))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "millrace":
            module = importlib.import_module(node.module or "")
            missing = [a.name for a in node.names if not hasattr(module, a.name)]
            assert missing == [], f"{block}: {node.module} has no {missing}"


def test_typescript_and_javascript_agree_with_the_types(tmp_path: Path):
    """One compiler run for all blocks, in a folder below the root, where `millrace` resolves."""
    folder = ROOT / "build" / "docs-snippets"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("snippet_*"):
        old.unlink()
    names = {}
    for number, block in enumerate(every_block("ts", "typescript", "js", "javascript", "mjs")):
        uses_require = re.search(r"\brequire\(", block.body)
        name = f"snippet_{number}.{'cts' if uses_require else 'mts'}"
        (folder / name).write_text(block.body, encoding="utf-8")
        names[name] = str(block)
    if not names:
        return
    command = [
        *(
            "npx",
            "--no-install",
            "tsc",
            "--noEmit",
            "--strict",
            "--skipLibCheck",
            "--noImplicitAny",
            "false",
        ),
        *("--target", "ES2022", "--module", "NodeNext", "--moduleResolution", "NodeNext"),
        *("--types", "node", "--esModuleInterop", *[str(folder / name) for name in names]),
    ]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    report = re.sub(r"\S*(snippet_\d+\.[cm]ts)", lambda m: f"{names[m[1]]} ({m[1]})", result.stdout)
    assert result.returncode == 0, report
