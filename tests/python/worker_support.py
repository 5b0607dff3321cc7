"""What the tests of the Python layer share."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from millrace import Millrace, Worker, WorkerOptions

PATIENCE_S = 60.0
"""How long anything may take before a test gives up. No test waits that long when all is well."""


@contextlib.contextmanager
def running(app: Millrace, **options: object) -> Iterator[Worker]:
    """A worker of the application in a thread of this process."""
    worker = Worker(app, WorkerOptions(**{"pool": "threads", "concurrency": 2, **options}))
    failure: list[BaseException] = []

    def run() -> None:
        try:
            worker.run()
        except BaseException as error:  # noqa: BLE001
            failure.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert not failure


def until(condition: Callable[[], object]) -> None:
    """Waits for a condition."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.002)
