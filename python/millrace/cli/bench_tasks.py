"""What `millrace bench` runs; as a program: the other process of its latency measurement."""

from __future__ import annotations

import sys
import threading
import time
from typing import Final

from millrace import Millrace
from millrace.options import DurabilityName
from millrace.worker import Worker, WorkerOptions

# 200 bytes as JSON.
PAYLOAD: Final = {
    "path": "/srv/uploads/2026/01/harbour-at-dawn.jpeg",
    "width": 1600,
    "height": 1067,
    "format": "webp",
    "quality": 82,
    "callback": "http://localhost:8000/hooks/done",
    "note": "thumbnails for the front page of now",
}


def make_app(store: str, durability: DurabilityName) -> Millrace:
    """The application under measurement."""
    app = Millrace("bench", store=store, durability=durability)

    @app.task(name="noop")
    def noop(**_: object) -> bool:
        return True

    @app.task(name="stamp")
    def stamp() -> int:
        return time.monotonic_ns()

    assert noop.name != stamp.name
    return app


def main(store: str, durability: DurabilityName) -> int:
    """Works until standard input ends."""
    worker = Worker(make_app(store, durability), WorkerOptions(pool="threads", concurrency=1))

    def wait() -> None:
        sys.stdin.buffer.read()
        worker.stop()

    threading.Thread(target=wait, daemon=True).start()
    return worker.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))  # type: ignore[arg-type]
