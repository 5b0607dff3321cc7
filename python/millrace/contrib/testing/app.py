"""Applications for tests."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NoReturn

from millrace import current
from millrace.app import Millrace

__all__ = ["DEFAULT_TEST_CONFIG", "TestApp", "Trap", "set_trap", "setup_default_app"]

DEFAULT_TEST_CONFIG: Final[Mapping[str, Any]] = {
    "worker_hijack_root_logger": False,
    "worker_log_color": False,
    "accept_content": {"json"},
    "enable_utc": True,
    "timezone": "UTC",
}


def TestApp(  # noqa: N802 - Celery's name
    name: str | None = None,
    config: Mapping[str, Any] | None = None,
    enable_logging: bool = False,  # noqa: ARG001 - logging is never set up by an application
    set_as_current: bool = False,
    log: Any = None,  # noqa: ARG001 - Celery's signature
    backend: str | None = None,
    broker: str | None = None,
    **kwargs: Any,
) -> Millrace:
    """An application for tests, in memory unless it is told otherwise.

    Args:
        name: Its name.
        config: Settings.
        enable_logging: Accepted and ignored.
        set_as_current: Whether it becomes the current application.
        log: Accepted and ignored.
        backend: Accepted as the application does.
        broker: Its store, such as "sqlite:///test.db"; default "memory://", for workers in this process.
        **kwargs: For `Millrace`.
    """
    settings = {**copy.deepcopy(dict(DEFAULT_TEST_CONFIG)), **(config or {})}
    if "store" not in kwargs:
        broker = broker or settings.pop("broker_url", None) or "memory://"
    made = Millrace(
        name or "millrace.tests",
        set_as_current=set_as_current,
        broker=broker,
        backend=backend,
        **kwargs,
    )
    made.add_defaults(settings)
    return made


TestApp.__test__ = False  # type: ignore[attr-defined]  # for pytest: not a class of tests


class Trap:
    """Stands for the current application and refuses all use: for code that must be given its application."""

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise RuntimeError("Test depends on current_app")


@contextmanager
def set_trap(app: Millrace) -> Iterator[None]:  # noqa: ARG001 - Celery's signature
    """While the block runs, using the current application is a RuntimeError."""
    trap: Any = Trap()
    with _restored():
        current.set_default_app(trap)
        current.set_current_app(trap)
        yield


@contextmanager
def setup_default_app(app: Millrace, use_trap: bool = False) -> Iterator[None]:
    """Puts the current application back after the block, and closes this one."""
    with _restored():
        try:
            if use_trap:
                with set_trap(app):
                    yield
            else:
                yield
        finally:
            app.close()


@contextmanager
def _restored() -> Iterator[None]:
    apps = current._apps
    before = apps.current, apps.default
    try:
        yield
    finally:
        apps.current, apps.default = before
