"""How a worker sets up logging: what `app.log` is."""

from __future__ import annotations

import logging
import sys
from typing import IO, TYPE_CHECKING, Any, Final

from millrace import signals
from millrace.errors import InvalidArgument
from millrace.log import FORMAT, TASK_FORMAT, logger, task_loggers
from millrace.request import current_request

if TYPE_CHECKING:
    from millrace.app import Millrace

__all__ = ["Logging", "LoggingProxy", "TaskFormatter"]

_FALLBACK_LEVEL: Final = "WARNING"


class TaskFormatter(logging.Formatter):
    """Formats records with `%(task_id)s` and `%(task_name)s`: of the job that runs, or "???"."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        request = current_request.get()
        record.__dict__.update(
            task_id=(request.id if request is not None else None) or "???",
            task_name=(request.name if request is not None else None) or "???",
        )
        return super().format(record)


class _Formatter(logging.Formatter):
    """The worker's format, or that of tasks for what task loggers say."""

    def __init__(self, usual: str, of_tasks: str) -> None:
        super().__init__(usual)
        self._of_tasks = TaskFormatter(of_tasks)

    def format(self, record: logging.LogRecord) -> str:
        if record.name in task_loggers or record.name.startswith("millrace.task"):
            return self._of_tasks.format(record)
        return super().format(record)


class LoggingProxy:
    """A stream whose lines go to a logger: what `print` writes to in a worker that redirects.

    Args:
        target: The logger.
        level: Of its lines.
    """

    encoding = "utf-8"
    errors = "backslashreplace"
    mode = "w"
    name: str | None = None
    closed = False

    def __init__(self, target: logging.Logger, level: int | str = logging.WARNING) -> None:
        self.logger = target
        self.loglevel = logging.getLevelName(level) if isinstance(level, str) else level
        self._busy = False

    def write(self, data: str) -> int:
        """Logs the lines."""
        text = data.rstrip()
        if text and not self._busy:  # a handler that prints must not be answered with a line
            self._busy = True
            try:
                for line in text.splitlines():
                    self.logger.log(self.loglevel, line)
            finally:
                self._busy = False
        return len(data)

    def writelines(self, lines: Any) -> None:
        """Logs several."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Has nothing to flush."""

    def close(self) -> None:
        """Takes nothing more."""
        self.closed = True

    def isatty(self) -> bool:
        """It is no terminal."""
        return False


class Logging:
    """The set-up of logging in a worker of an application.

    The handlers of the root logger are left alone if there are any, unless the setting `worker_hijack_root_logger` was
    set to true. Output is redirected only if `worker_redirect_stdouts` was.
    """

    already_setup = False

    def __init__(self, app: Millrace) -> None:
        self.app = app

    def _set(self, name: str) -> Any:
        """A setting that the user has given; None for a default."""
        from millrace.worker.settings import setting, was_set

        return setting(self.app, name) if was_set(self.app, name) else None

    def setup(
        self,
        loglevel: int | str | None = None,
        logfile: str | IO[str] | None = None,
        redirect_stdouts: bool | None = None,
        redirect_level: int | str | None = None,
        colorize: bool | None = None,
        hostname: str | None = None,
    ) -> bool:
        """Sets everything up; false if somebody else has (by the signal `setup_logging`).

        Args:
            loglevel: A name or number; default warning.
            logfile: A path or a stream; default standard error.
            redirect_stdouts: Whether what is printed goes to the log.
            redirect_level: With which level.
            colorize: Passed on to receivers of signals; nothing is coloured.
            hostname: The worker's node name, for `%n` and so on in the path.
        """
        level = loglevel if loglevel is not None else _FALLBACK_LEVEL
        ours = self.setup_logging_subsystem(level, logfile, colorize=colorize, hostname=hostname)
        if redirect_stdouts is None:
            redirect_stdouts = bool(self._set("worker_redirect_stdouts"))
        if redirect_stdouts:
            self.redirect_stdouts_to_logger(
                logging.getLogger("millrace.redirected"),
                redirect_level or self._set("worker_redirect_stdouts_level") or _FALLBACK_LEVEL,
            )
        return ours

    def setup_logging_subsystem(
        self,
        loglevel: int | str | None = None,
        logfile: str | IO[str] | None = None,
        format: str | None = None,  # noqa: A002 - Celery's name
        colorize: bool | None = None,
        hostname: str | None = None,
        **kwargs: Any,
    ) -> bool:
        """Sets up the root logger and those of Millrace; false if a receiver of `setup_logging` does it instead."""
        from millrace.worker.options import check_level

        level = logging.getLevelName(check_level(loglevel or _FALLBACK_LEVEL).upper())
        usual = format or self._set("worker_log_format") or FORMAT
        about = {"loglevel": level, "logfile": logfile, "format": usual, "colorize": colorize}
        if signals.setup_logging.receivers:
            signals.setup_logging.send(sender=None, **about, **kwargs)
            return False
        root = logging.getLogger()
        if self._set("worker_hijack_root_logger"):
            for handler in list(root.handlers):
                root.removeHandler(handler)
        if not root.handlers:
            handler = self._handler(logfile, hostname)
            of_tasks = self._set("worker_task_log_format") or TASK_FORMAT
            handler.setFormatter(_Formatter(usual, of_tasks))
            root.addHandler(handler)
            root.setLevel(level)
        logger.setLevel(level)
        signals.after_setup_logger.send(sender=None, logger=root, **about)
        task_logger = logging.getLogger("millrace.task")
        task_logger.setLevel(level)
        signals.after_setup_task_logger.send(sender=None, logger=task_logger, **about)
        return True

    def setup_task_loggers(self, loglevel: int | str | None = None, **_: Any) -> logging.Logger:
        """The logger of tasks, with a level."""
        from millrace.worker.options import check_level

        task_logger = logging.getLogger("millrace.task")
        if loglevel is not None:
            task_logger.setLevel(check_level(loglevel).upper())
        return task_logger

    def _handler(self, logfile: str | IO[str] | None, hostname: str | None) -> logging.Handler:
        if logfile is None:
            return logging.StreamHandler()
        if isinstance(logfile, str):
            from logging.handlers import WatchedFileHandler

            from millrace.worker.node import expand

            try:
                return WatchedFileHandler(expand(logfile, hostname or ""), encoding="utf-8")
            except OSError as error:
                raise InvalidArgument(f"logfile cannot be written: {error}") from error
        return logging.StreamHandler(logfile)

    def redirect_stdouts_to_logger(
        self, target: logging.Logger, loglevel: int | str | None = None, **_: Any
    ) -> LoggingProxy:
        """Has what is printed go to a logger."""
        proxy: Any = LoggingProxy(target, loglevel or _FALLBACK_LEVEL)
        sys.stdout = sys.stderr = proxy
        made: LoggingProxy = proxy
        return made

    def get_default_logger(self, name: str = "millrace", **_: Any) -> logging.Logger:
        """A logger by its name."""
        return logging.getLogger(name)
