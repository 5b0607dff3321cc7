"""The Node examples run as their first comments say."""

from __future__ import annotations

import re
import signal
import subprocess
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def run(name: str, *arguments: str) -> list[str]:
    result = subprocess.run(
        ["node", str(ROOT / "examples" / name / "main.mjs"), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout.splitlines()


def test_webhooks_are_worked_once_each(tmp_path: Path):
    assert run("webhooks", str(tmp_path / "jobs.db")) == [
        "new: 202",
        "again: 200",
        "forged: 401",
        "new: 202",
        "flaky: 1 commits; shop: 3 commits",
    ]


def test_an_order_waits_for_its_parts(tmp_path: Path):
    first, result, *members = run("flow", str(tmp_path / "jobs.db"))
    assert first == "ship waits for 4 jobs"
    assert result == (
        '{"parts":["lamp packed","shade packed"],"invoice":{"paid":40},"without":["no such voucher"]}'
    )
    assert members == [
        "parts/pack: completed",
        "parts/pack: completed",
        "billing/charge: completed",
        "billing/discount: failed",
    ]


def test_schedulers_over_the_begin_of_summer_time():
    assert run("schedulers") == [
        "reports at 03-07 14:00 and 03-08 13:00 UTC",
        "in a day: 5 beats, 1 report",
        "daily 1, heartbeat 5",
        "1 left",
    ]


def test_live_progress_from_express(tmp_path: Path):
    command = [
        "node",
        str(ROOT / "examples" / "progress" / "main.mjs"),
        str(tmp_path / "a.db"),
        "0",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = re.fullmatch(r"listening on (\d+)\n", server.stdout.readline())
            assert port is not None
            site = f"http://127.0.0.1:{port[1]}"
            with urllib.request.urlopen(f"{site}/", timeout=30) as page:
                assert "EventSource" in page.read().decode()
            submit = urllib.request.Request(
                f"{site}/jobs/convert",
                data=b'{"pages": 7}',
                headers={"Content-Type": "application/json", "Idempotency-Key": "one"},
            )
            with urllib.request.urlopen(submit, timeout=30) as answer:
                assert answer.status == 202
                job = re.search(r'"id":"([^"]+)"', answer.read().decode())
            assert job is not None
            # From the beginning: on a slow machine the job has ended before anybody asks.
            follow = urllib.request.Request(
                f"{site}/jobs/{job[1]}/events", headers={"Last-Event-ID": "0-0"}
            )
            with urllib.request.urlopen(follow, timeout=60) as events:
                told = events.read().decode()
            assert '"progress":100' in told
            assert '"result":{"pages":7}' in told
            server.send_signal(signal.SIGTERM)
            assert server.wait(timeout=60) == 0
        finally:
            server.kill()
