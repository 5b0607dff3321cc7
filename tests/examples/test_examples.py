"""The small examples run as their docstrings say, each in a folder of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


class Example:
    """A copy of an example's folder."""

    def __init__(self, name: str, folder: Path) -> None:
        self.folder = folder / name
        shutil.copytree(ROOT / "examples" / name, self.folder)

    def run(self, *arguments: str, **environment: str) -> str:
        result = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT / "python"), **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout


@pytest.fixture
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Example:
    return Example(request.param, tmp_path)


@pytest.mark.parametrize("example", ["images"], indirect=True)
def test_a_contact_sheet_of_images(example: Example, tmp_path: Path):
    from PIL import Image

    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(5):
        Image.new("RGB", (400, 300), (50 * number, 0, 0)).save(photos / f"{number}.jpg")
    printed = example.run("make.py", str(photos))
    assert "'images': 5, 'size': [640, 240]" in printed
    with Image.open(photos / "small" / "sheet.png") as sheet:
        reds = [sheet.getpixel((80 + 160 * column, 60))[0] for column in range(4)]
    assert reds == [0, 50, 100, 150]


@pytest.mark.parametrize("example", ["report"], indirect=True)
def test_a_report_of_regions(example: Example):
    (example.folder / "north.csv").write_text("product,cents\nnut,150\nbolt,20\n")
    (example.folder / "south.csv").write_text("product,cents\nnut,50\n")
    printed = example.run("make.py", "may.txt", "north.csv", "south.csv")
    assert printed == "may.txt has 2 products\n"
    assert (example.folder / "may.txt").read_text().split() == ["bolt", "0.20", "nut", "2.00"]


@pytest.mark.parametrize("example", ["report"], indirect=True)
def test_a_region_that_is_missing_spoils_the_report_and_is_told(example: Example):
    (example.folder / "north.csv").write_text("product,cents\nnut,150\n")
    printed = example.run("make.py", "may.txt", "north.csv", "nowhere.csv")
    assert printed.startswith("no report:")
    assert "FileNotFoundError" in printed
    assert len((example.folder / "apologies.txt").read_text().splitlines()) == 1
    assert not (example.folder / "may.txt").exists()


FOLLOW = """
import json
from fastapi.testclient import TestClient
from web import web

with TestClient(web) as client:
    assert "EventSource" in client.get("/").text
    made = client.post("/jobs/primes", json={"limit": 100, "steps": 4})
    seen = []
    with client.stream("GET", made.headers["location"] + "/events") as events:
        for line in events.iter_lines():
            if line.startswith("data: "):
                seen.append(json.loads(line[6:]))
    percents = [each["progress"]["percent"] for each in seen[:-1]]
    assert percents and percents == sorted(percents) and percents[-1] == 100, seen
    print(seen[-1]["result"])
"""


@pytest.mark.parametrize("example", ["fastapi"], indirect=True)
def test_live_progress_in_a_web_page(example: Example):
    assert example.run("-c", FOLLOW, STEP_SECONDS="0.01") == "{'primes': 25}\n"


ORDER = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
import django
django.setup()
from django.test import Client
from shop.celery import app

events = iter(app.events("default", types=["completed", "failed"]))
client = Client(raise_request_exception=False)
assert client.post("/orders/", {"customer": "bob@example.org", "spoil": 1}).status_code == 500
number = client.post("/orders/", {"customer": "ann@example.org"}).json()["number"]
ended = [next(events) for _ in range(2)]
print([event.type for event in ended], client.get(f"/orders/{number}/").json())
print(sorted(schedule.id for schedule in app.schedules.list()), app.counts("default").failed)
"""


@pytest.mark.parametrize("example", ["django"], indirect=True)
def test_a_shop_on_django(example: Example):
    assert "No changes detected" in example.run("manage.py", "makemigrations", "--check")
    example.run("manage.py", "migrate")
    worker = subprocess.Popen(
        [sys.executable, "manage.py", "millrace", "worker", "-c", "1"],
        cwd=example.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "python")},
    )
    try:
        printed = example.run("-c", ORDER).splitlines()
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    receipt = {"receipt": "receipt 1 for ann@example.org", "greeted": True}
    assert printed[0] == f"{['completed', 'completed']} {receipt}"
    assert printed[1] == "['beat/shop/tidy up'] 0"


BEATS = """
from tasks import app

events = iter(app.events("default", types=["completed"]))
# Another schedule may be due just now, too.
beats = (event for event in events if app.AsyncResult(event.job_id).name == "tasks.pulse")
print([next(beats).type for _ in range(2)])
print(len(app.schedules.list()), app.schedules.get("beat/periodic/every second").fired >= 2)
"""


@pytest.mark.parametrize("example", ["periodic"], indirect=True)
def test_periodic_tasks_need_no_process_of_their_own(example: Example):
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "millrace.cli", "worker", "tasks:app", "-P", "solo"],
            cwd=example.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT / "python")},
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        printed = example.run("-c", BEATS).splitlines()
        # The second may not be up when the first has fired twice: it greets when it minds signals.
        for worker in workers:
            assert worker.stderr is not None
            assert "1 solo" in worker.stderr.readline()
    finally:
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        for worker in workers:
            worker.communicate(timeout=60)
    assert [worker.returncode for worker in workers] == [0, 0]
    assert printed == ["['completed', 'completed']", "4 True"]
    times = [line.split()[0] for line in (example.folder / "pulse.txt").read_text().splitlines()]
    assert len(times) >= 2
    assert times == sorted(set(times))  # one job for each second, whatever the number of workers
