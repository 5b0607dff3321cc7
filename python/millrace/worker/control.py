"""Commands that workers answer, and how an application adds its own.

    from millrace.worker.control import control_command, inspect_command

    @control_command(args=[("level", str)], signature="<level>")
    def set_level(state, level):
        logging.getLogger("shop").setLevel(level)
        return {"ok": f"the level is {level}"}

    app.control.broadcast("set_level", {"level": "DEBUG"}, reply=True)

A command gets a `ControlState` and its arguments by name, and answers something that JSON knows. It runs in a thread of
its own in the worker, one command at a time; with the pool `processes` that is the supervisor, where no task runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

if TYPE_CHECKING:
    from millrace.app import Millrace
    from millrace.worker.main import Worker

__all__ = ["ControlState", "Panel", "control_command", "inspect_command", "nok", "ok"]

F = TypeVar("F", bound=Callable[..., Any])


def ok(value: Any) -> dict[str, Any]:
    """The usual answer of a command that has worked."""
    return {"ok": value}


def nok(value: Any) -> dict[str, Any]:
    """The usual answer of a command that has not."""
    return {"error": value}


class CommandInfo(NamedTuple):
    """What is known of a command.

    Attributes:
        alias: Another name.
        type: "control" (changes something) or "inspect" (answers something).
        visible: Whether `millrace inspect --list` shows it.
        default_timeout: Seconds that a caller waits for answers.
        help: One line.
        signature: Its arguments, for people.
        args: (name, type) of its arguments on the command line, in their order.
        variadic: The argument that takes the others as a list.
    """

    alias: str | None
    type: str
    visible: bool
    default_timeout: float
    help: str | None
    signature: str | None
    args: Sequence[tuple[str, Callable[[str], Any]]] | None
    variadic: str | None


class ControlState:
    """What a command may use.

    Attributes:
        app: The application.
        hostname: The worker's node name.
        worker: The worker; `worker.pool` is its pool.
    """

    def __init__(self, app: Millrace, worker: Worker) -> None:
        self.app = app
        self.worker = worker
        self.hostname = worker.hostname

    @property
    def consumer(self) -> Worker:
        """The worker, by the name that commands written for Celery use."""
        return self.worker


class Panel:
    """All commands by name. Shared by all workers of the process."""

    data: ClassVar[dict[str, Callable[..., Any]]] = {}
    meta: ClassVar[dict[str, CommandInfo]] = {}

    @classmethod
    def register(
        cls,
        function: Callable[..., Any] | None = None,
        *,
        name: str | None = None,
        alias: str | None = None,
        type: str = "control",  # noqa: A002 - Celery's name
        visible: bool = True,
        default_timeout: float = 1.0,
        help: str | None = None,  # noqa: A002
        signature: str | None = None,
        args: Sequence[tuple[str, Callable[[str], Any]]] | None = None,
        variadic: str | None = None,
    ) -> Any:
        """Makes a function a command; a decorator, with or without parentheses."""

        def add(inner: F) -> F:
            known_as = name or inner.__name__
            about = help or (inner.__doc__ or "").strip().split("\n")[0]
            cls.data[known_as] = inner
            cls.meta[known_as] = CommandInfo(
                alias, type, visible, default_timeout, about, signature, args, variadic
            )
            if alias:
                cls.data[alias] = inner
            return inner

        return add if function is None else add(function)

    @classmethod
    def load(cls) -> type[Panel]:
        """Itself with the commands that every worker has."""
        import millrace.worker.commands  # noqa: F401 - it registers them

        return cls


def control_command(**options: Any) -> Callable[[F], F]:
    """Registers a command that changes something; arguments as for `Panel.register`."""
    made: Callable[[F], F] = Panel.register(type="control", **options)
    return made


def inspect_command(**options: Any) -> Callable[[F], F]:
    """Registers a command that answers something; arguments as for `Panel.register`."""
    made: Callable[[F], F] = Panel.register(type="inspect", **options)
    return made
