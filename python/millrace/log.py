"""Logging of workers and tasks, by the standard `logging` module."""

from __future__ import annotations

import logging
import threading
from typing import Any, Final

from millrace import _core
from millrace.request import current_request

LEVELS: Final = ("debug", "info", "warning", "error", "critical")
TASK_FORMAT: Final = (
    "[%(asctime)s: %(levelname)s/%(process)d] %(task_name)s[%(task_id)s]: %(message)s"
)
task_loggers: Final[set[str]] = set()
"""Names of loggers that `get_task_logger` has made."""
FORMAT: Final = "[%(asctime)s: %(levelname)s/%(process)d] %(message)s"

logger: Final = logging.getLogger("millrace")
_LAST_WORDS_S: Final = 5.0  # for handlers that are slow


class JobLogHandler(logging.Handler):
    """Copies what a task logs to its job's own log, which `AsyncResult.logs()` and the command line show."""

    def emit(self, record: logging.LogRecord) -> None:
        """Adds the record to the job that the current code runs for, if there is one."""
        request = current_request.get()
        if request is None:
            return
        try:
            request.log(self.format(record))
        except Exception:  # noqa: BLE001 - logging must not break the task
            self.handleError(record)


def get_task_logger(name: str) -> logging.Logger:
    """A logger whose lines also go to the log of the job that runs."""
    task_logger = logging.getLogger(name)
    task_loggers.add(name)
    if not any(isinstance(handler, JobLogHandler) for handler in task_logger.handlers):
        handler = JobLogHandler()
        handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
        task_logger.addHandler(handler)
    return task_logger


class CoreLog:
    """What a core has to say to a human, as warnings of the logger "millrace".

    Attributes:
        lines: For the core to write into.
    """

    def __init__(self) -> None:
        self.lines = _core.LogLines()
        self._thread = threading.Thread(
            target=_say, args=(self.lines,), name="millrace-log", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Says what is left and ends. Idempotent."""
        self.lines.close()
        # An interpreter that ends kills the process when a thread comes back to it from native code.
        if threading.current_thread() is not self._thread:
            self._thread.join(_LAST_WORDS_S)


def _say(lines: _core.LogLines) -> None:
    while (news := lines.take()) is not None:
        for line in news:
            logger.warning("%s", line)


def configure(level: str, *, app: Any = None, logfile: str | None = None, node: str = "") -> None:
    """Sets up the worker's own log, unless the application has set up logging itself; see `millrace.app.log`."""
    from millrace.app.log import Logging

    Logging(app).setup(level, logfile, hostname=node)
