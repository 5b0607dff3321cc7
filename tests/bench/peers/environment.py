"""Installs the peers at pinned versions into directories of their own under build/."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BUILD = ROOT / "build"
VENV = BUILD / "peers-venv"
NODE = BUILD / "peers-node"
WORK = BUILD / "peers-work"

# The newest ones when the figures in docs/benchmarks.md were taken. All on Redis, but honker; huey on both. What a peer
# offers for speed and asks to be installed beside it (hiredis) is not: its own requirement alone decides.
PYTHON_PEERS = {
    "celery": ("celery[redis]==5.7.0", "gevent==26.9.0"),
    "dramatiq": ("dramatiq[redis]==2.2.1",),
    "rq": ("rq==3.0.0",),
    "huey": ("huey[redis]==3.5.4",),
    # Not arq beside it: it wants an older redis-py than all the others.
    "taskiq": ("taskiq==0.13.0", "taskiq-redis==1.2.4"),
    "honker": ("honker==0.2.4",),
}

_MACHINE = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
# pg-boss and graphile-worker ask for Node 22, which npm has as a package.
NODE_22 = {f"node-linux-{_MACHINE}": "22.23.3"}
BUN = {f"@oven/bun-linux-{_MACHINE.replace('arm64', 'aarch64')}": "1.4.5"}
NODE_PEERS = {
    "bullmq": {"bullmq": "6.7.0", "ioredis": "6.0.0"},
    # 12.38.0 cannot be installed: it wants a version of rrule-temporal that the registry does not have.
    "pg-boss": {"pg-boss": "12.35.0", **NODE_22},
    "graphile-worker": {"graphile-worker": "0.18.0", **NODE_22},
    # Of better-sqlite3 the newest for Node 20.
    "plainjob": {"plainjob": "0.0.14", "better-sqlite3": "12.6.2"},
    "bunqueue": {"bunqueue": "2.9.5", **BUN},  # runs on Bun alone, not on Node
}


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


def _install_debian(package: str) -> str | None:
    """Install a Debian package; return why that did not work."""
    return _run(["apt-get", "update"]) or _run(
        ["apt-get", "install", "-y", "--no-install-recommends", package]
    )


def _install_redis(peers: Peers) -> None:
    if shutil.which("redis-server") is None:
        reason = _install_debian("redis-server")
        if reason is not None:
            peers.missing["redis"] = reason
            return
    words = subprocess.check_output(["redis-server", "--version"], text=True).split()
    peers.versions["redis"] = next(w[2:] for w in words if w.startswith("v="))


def postgresql_programs() -> Path | None:
    """Return the directory of the newest server's programs, as Debian installs them."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


def _install_postgresql(peers: Peers) -> None:
    reason = None if postgresql_programs() else _install_debian("postgresql")
    programs = postgresql_programs()
    if programs is None or shutil.which("runuser") is None:
        peers.missing["postgresql"] = reason or "no PostgreSQL server's programs, or no runuser"
        return
    words = subprocess.check_output([programs / "postgres", "--version"], text=True).split()
    peers.versions["postgresql"] = words[2]


def _install_python(peers: Peers) -> None:
    python = VENV / "bin" / "python"
    if not python.exists():
        reason = _run([sys.executable, "-m", "venv", str(VENV)])
        if reason is not None:
            peers.missing.update(dict.fromkeys(PYTHON_PEERS, reason))
            return
    for name, requirements in PYTHON_PEERS.items():
        # One by one: a peer that cannot be built here must not take the others with it.
        reason = _run([str(python), "-m", "pip", "install", "--quiet", *requirements])
        if reason is None:
            peers.versions[name] = requirements[0].partition("==")[2]
        else:
            peers.missing[name] = reason
    reason = _run([str(python), "-m", "pip", "check", "--quiet"])
    if reason is not None:
        peers.missing["a Python environment without conflicts"] = reason


def _install_node(peers: Peers) -> None:
    for name, packages in NODE_PEERS.items():
        # Each in a directory of its own, for the same reason.
        home = NODE / name
        home.mkdir(parents=True, exist_ok=True)
        manifest = json.dumps({"private": True, "dependencies": packages}, indent=2)
        package = home / "package.json"
        if not package.exists() or package.read_text() != manifest:
            package.write_text(manifest)
            reason = _run(["npm", "install", "--no-audit", "--no-fund"], cwd=home)
            if reason is not None:
                package.unlink()
                peers.missing[name] = reason
                continue
        peers.versions[name] = packages[name]


def javascript(library: str) -> str:
    """Return the program that runs a Node library's file: Node, unless the peer wants another."""
    for package, program in ((next(iter(NODE_22)), "node"), (next(iter(BUN)), "bun")):
        if package in NODE_PEERS.get(library, {}):
            return str(NODE / library / "node_modules" / package / "bin" / program)
    return "node"


def install() -> Peers:
    """Install what is not there yet. Idempotent; needs the network the first time only."""
    BUILD.mkdir(exist_ok=True)
    peers = Peers()
    _install_redis(peers)
    _install_postgresql(peers)
    _install_python(peers)
    _install_node(peers)
    return peers
