"""What holds the place of a broker's connection, so that code which opens one goes on to work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

    from millrace.app.base import Millrace


class _Held:
    """Something that is opened and closed."""

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def release(self) -> None:
        """No effect."""

    close = release


class Producer(_Held):
    """What `apply_async(producer=...)` takes, and ignores."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        pass


class Connection(_Held):
    """Stands for the store, which is a file and always there."""

    connected = True

    def __init__(self, app: Millrace) -> None:
        self.app = app

    def __repr__(self) -> str:
        return f"<Connection: {self.as_uri()}>"

    def as_uri(self, include_password: bool = False) -> str:
        """The store."""
        del include_password
        return self.app.store

    def connect(self) -> Connection:
        """Opens the store. Raises OperationalError if that is not possible."""
        _ = self.app.engine
        return self

    def ensure_connection(self, *_args: Any, **_kwargs: Any) -> Connection:
        """Opens the store. Raises OperationalError if that is not possible."""
        return self.connect()

    def channel(self) -> Connection:
        """Itself."""
        return self

    default_channel = property(channel)

    def Producer(self, *_args: Any, **_kwargs: Any) -> Producer:  # noqa: N802 - kombu's name
        """What holds the place of a producer."""
        return Producer()


class Pool:
    """What holds the place of a pool."""

    limit = None

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    @contextmanager
    def acquire(self, *_args: Any, **_kwargs: Any) -> Iterator[Any]:
        """One of what it has."""
        yield self._make()

    def force_close_all(self) -> None:
        """No effect."""


class Backend:
    """`app.backend`: the application's store, as where results are."""

    persistent = True
    supports_native_join = True
    supports_autoexpire = True

    def __init__(self, app: Millrace) -> None:
        self.app = app

    def __repr__(self) -> str:
        return f"<Backend: {self.as_uri()}>"

    def as_uri(self, include_password: bool = False) -> str:
        """The store."""
        del include_password
        return self.app.store

    def get_state(self, task_id: str) -> str:
        """The state of a job."""
        return str(self.app.AsyncResult(task_id).state)

    def get_result(self, task_id: str) -> Any:
        """The result of a job, or its error."""
        return self.app.AsyncResult(task_id).result

    def get_traceback(self, task_id: str) -> str | None:
        """Where a job failed."""
        return self.app.AsyncResult(task_id).traceback

    def forget(self, task_id: str) -> None:
        """Removes a job."""
        self.app.AsyncResult(task_id).forget()

    def cleanup(self) -> None:
        """No effect: the store removes what has expired by itself."""


class Loader:
    """`app.loader`: imports, and the settings."""

    def __init__(self, app: Millrace) -> None:
        self.app = app

    @property
    def conf(self) -> Any:
        """The settings."""
        return self.app.conf

    def import_task_module(self, module: str) -> Any:
        """Imports a module with tasks."""
        return import_module(module)

    import_module = import_task_module
    import_from_cwd = import_task_module

    def import_default_modules(self) -> list[str]:
        """Imports the modules that the settings name."""
        return self.app.import_modules()

    def autodiscover_tasks(self, packages: Any, related_name: str | None = "tasks") -> None:
        """As `app.autodiscover_tasks`, now."""
        self.app.autodiscover_tasks(packages, related_name, force=True)
