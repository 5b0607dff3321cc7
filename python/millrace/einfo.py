"""An exception with its traceback, as hooks and signals get it."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Final

# Frames of these are how a worker comes to a task.
_LIBRARY: Final = os.path.dirname(os.__file__)  # noqa: PTH120 - pathlib would cost an import
_OURS: Final = (
    os.path.dirname(os.path.abspath(__file__)) + os.sep,  # noqa: PTH100, PTH120
    os.path.join(_LIBRARY, "asyncio", ""),  # noqa: PTH118
    os.path.join(_LIBRARY, "concurrent", ""),  # noqa: PTH118
)


def task_frames(error: BaseException) -> TracebackType | None:
    """The traceback of an error without the worker's own frames, by which it came to the task."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_OURS):
        frames = frames.tb_next
    return frames or error.__traceback__  # a task of ours


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
    ) -> None:
        self.type = type(exception)
        self.exception = exception
        self.tb = exception.__traceback__ if internal else task_frames(exception)
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
