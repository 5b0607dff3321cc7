"""What the tests of the command line share: the store that tests/conformance/cli.json describes, and running it."""

import json
import os
import subprocess
import sys
from pathlib import Path

from millrace import _core

ROOT = Path(__file__).parent.parent.parent.parent
TABLE = json.loads((ROOT / "tests" / "conformance" / "cli.json").read_text(encoding="utf-8"))

PYTHON = [sys.executable, "-m", "millrace.cli"]
NODE = ["node", str(ROOT / "node" / "dist" / "esm" / "cli.js")]


def run(command: list[str], *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if key != "MILLRACE_STORE"}
    return subprocess.run(
        [*command, *args],
        env={**clean, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )


def fill(path: Path) -> None:
    """Makes the store of the table."""
    engine = _core.Engine(str(path), durability="process")
    for job in TABLE["jobs"]:
        engine.enqueue([_spec(job)])
    for job in TABLE["fail"]:
        engine.enqueue([_spec(job)])
        session = engine.open_session([job["queue"]], prefetch=0)
        leased = session.take(1)[0]
        session.settle(_core.Outcome(leased.token, "failed", json.dumps(job["error"])))
        session.close()
        # Dead letters are listed by the millisecond in which they ended.
        ended = engine.get_outcome(job["id"]).finished_at_ms
        while engine.now_ms() == ended:
            pass
    engine.close()


def _spec(job: dict) -> _core.JobSpec:
    delay_ms = job.get("delay_ms", 0)
    return _core.JobSpec(
        job["queue"], job["name"], id=job["id"], value=job["data"], delay_ms=delay_ms
    )


def fits(expected: object, answer: object) -> bool:
    """Whether an answer has what is expected of it."""
    if isinstance(expected, dict) and isinstance(answer, dict):
        return all(key in answer and fits(value, answer[key]) for key, value in expected.items())
    if isinstance(expected, list) and isinstance(answer, list):
        return len(expected) == len(answer) and all(map(fits, expected, answer))
    return type(expected) is type(answer) and expected == answer
