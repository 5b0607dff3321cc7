"""An exception with its traceback, as hooks and signals get it."""

from __future__ import annotations

from types import TracebackType


class ExceptionInfo:
    """What happened.

    Attributes:
        type: The exception's class.
        exception: The exception.
        tb: Its traceback object; None if it is of another process.
        traceback: The traceback as text.
        internal: Whether it is the worker's own, and not the task's.
    """

    def __init__(
        self,
        exception: BaseException,
        traceback: str | None = None,
        *,
        internal: bool = False,
        skip_frames: int = 0,
    ) -> None:
        self.type = type(exception)
        self.exception = exception
        self.tb: TracebackType | None = exception.__traceback__
        for _ in range(skip_frames):
            self.tb = self.tb.tb_next if self.tb is not None else None
        self.internal = internal
        self._text = traceback

    @property
    def traceback(self) -> str:
        """The traceback as text."""
        if self._text is None:
            import traceback

            lines = traceback.format_exception(self.type, self.exception, self.tb)
            self._text = "".join(lines)
        return self._text

    @property
    def exc_info(self) -> tuple[type[BaseException], BaseException, TracebackType | None]:
        """What `sys.exc_info()` would have answered."""
        return self.type, self.exception, self.tb

    def __str__(self) -> str:
        return self.traceback

    def __repr__(self) -> str:
        return f"<ExceptionInfo: {self.exception!r}>"
