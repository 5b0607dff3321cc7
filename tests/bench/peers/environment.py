"""Installs the peers at pinned versions into directories of their own under build/."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BUILD = ROOT / "build"
VENV = BUILD / "peers-venv"
NODE = BUILD / "peers-node"
WORK = BUILD / "peers-work"

# The newest ones when the figures in docs/benchmarks.md were taken.
PYTHON_PEERS = {"celery": "celery[redis]==5.7.0", "huey": "huey==3.5.4", "honker": "honker==0.2.4"}
NODE_PEERS = {"bullmq": "6.7.0", "ioredis": "6.0.0"}


class Peers:
    """What is installed (name to version) and what is missing (name to reason)."""

    def __init__(self) -> None:
        self.versions: dict[str, str] = {}
        self.missing: dict[str, str] = {}


def _run(argv: list[str], *, cwd: Path = ROOT, timeout_s: float = 600) -> str | None:
    """Return None on success, else the last line that tells why not."""
    try:
        done = subprocess.run(
            argv, cwd=cwd, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return None
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or [f"exit status {done.returncode}"])[-1].strip()


def _install_redis(peers: Peers) -> None:
    if shutil.which("redis-server") is None:
        reason = _run(["apt-get", "update"]) or _run(
            ["apt-get", "install", "-y", "--no-install-recommends", "redis-server"]
        )
        if reason is not None:
            peers.missing["redis"] = reason
            return
    words = subprocess.check_output(["redis-server", "--version"], text=True).split()
    peers.versions["redis"] = next(w[2:] for w in words if w.startswith("v="))


def _install_python(peers: Peers) -> None:
    python = VENV / "bin" / "python"
    if not python.exists():
        reason = _run([sys.executable, "-m", "venv", str(VENV)])
        if reason is not None:
            peers.missing.update(dict.fromkeys(PYTHON_PEERS, reason))
            return
    for name, requirement in PYTHON_PEERS.items():
        # One by one: a peer that cannot be built here must not take the others with it.
        reason = _run([str(python), "-m", "pip", "install", "--quiet", requirement])
        if reason is None:
            peers.versions[name] = requirement.partition("==")[2]
        else:
            peers.missing[name] = reason


def _install_node(peers: Peers) -> None:
    NODE.mkdir(parents=True, exist_ok=True)
    manifest = json.dumps({"private": True, "dependencies": NODE_PEERS}, indent=2)
    package = NODE / "package.json"
    if not package.exists() or package.read_text() != manifest:
        package.write_text(manifest)
        reason = _run(["npm", "install", "--no-audit", "--no-fund"], cwd=NODE)
        if reason is not None:
            package.unlink()
            peers.missing["bullmq"] = reason
            return
    peers.versions["bullmq"] = NODE_PEERS["bullmq"]


def install() -> Peers:
    """Install what is not there yet. Idempotent; needs the network the first time only."""
    BUILD.mkdir(exist_ok=True)
    peers = Peers()
    _install_redis(peers)
    _install_python(peers)
    _install_node(peers)
    return peers
