"""A worker for the length of a `with` block, for tests.

from millrace.contrib.testing.worker import start_worker

def test_resize():
    with start_worker(app):
        assert resize.delay("a.png").get(timeout=10) == "a-small.png"
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from millrace.worker.main import Worker
from millrace.worker.options import WorkerOptions

if TYPE_CHECKING:
    from millrace.app import Millrace

__all__ = ["TestWorkController", "start_worker"]

WORKER_LOGLEVEL: Final = os.environ.get("WORKER_LOGLEVEL", "error")

# What Celery's workers take, and what has no meaning here.
_IGNORED: Final = frozenset(
    {"without_heartbeat", "without_mingle", "without_gossip", "ready_callback", "quiet", "no_color"}
)


class TestWorkController(Worker):
    """A worker in a thread that tells when it is ready."""

    __test__ = False  # for pytest: not a class of tests

    def ensure_started(self) -> None:
        """Waits until it is ready for jobs."""
        self._ready.wait()


@contextmanager
def start_worker(
    app: Millrace,
    concurrency: int = 1,
    pool: str = "solo",
    loglevel: str | int = WORKER_LOGLEVEL,
    logfile: str | None = None,
    perform_ping_check: bool = True,  # noqa: ARG001 - it is ready when start() returns
    ping_task_timeout: float = 10.0,  # noqa: ARG001
    shutdown_timeout: float = 10.0,
    **options: Any,
) -> Iterator[Worker]:
    """Runs a worker in a thread of this process while the block runs.

    Args:
        app: The application.
        concurrency: Jobs at once.
        pool: "solo" (one after another), "threads", "asyncio" or "processes".
        loglevel: Of the worker's own log.
        logfile: Where that goes instead of standard error.
        perform_ping_check: Make sure that it answers before the block begins.
        ping_task_timeout: Seconds that this may take.
        shutdown_timeout: Seconds that running jobs have to end after the block; then RuntimeError.
        **options: Others of `WorkerOptions`, such as `queues`; those that mean nothing here are ignored.
    """
    hostname = options.pop("hostname", "")
    given = {name: value for name, value in options.items() if name not in _IGNORED}
    made = WorkerOptions.for_app(
        app,
        concurrency=concurrency,
        pool=pool,
        loglevel=loglevel,
        logfile=logfile,
        name=hostname,
        **given,
    )
    worker = TestWorkController(app, made)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()
        if not worker.join(shutdown_timeout):
            worker.abort()
            raise RuntimeError(
                f"the worker has not ended within {shutdown_timeout} s: a job still runs; "
                "raise shutdown_timeout= if your jobs take longer"
            )
