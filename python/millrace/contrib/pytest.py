"""Fixtures for pytest, with Celery's names and our own.

    # conftest.py
    pytest_plugins = ("millrace.contrib.pytest",)

    # test_shop.py
    def test_add(celery_app, celery_worker):
        @celery_app.task
        def add(x, y):
            return x + y

        assert add.delay(2, 3).get(timeout=10) == 5

    def test_reminder(millrace_harness):     # the real engine, no worker, a clock that you move
        ...

`millrace_app`, `millrace_worker`, `millrace_session_app` and `millrace_session_worker` are the same under our name. The
applications are in memory; a broker_url in `celery_config` puts them into a file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from millrace.app import Millrace
    from millrace.testing import Harness
    from millrace.worker import Worker


def pytest_configure(config: pytest.Config) -> None:
    """Tells pytest the marker."""
    config.addinivalue_line(
        "markers", "celery(**overrides): settings of the application of one test"
    )


@contextmanager
def _made_app(request: Any, config: Mapping[str, Any], **options: Any) -> Iterator[Millrace]:
    from millrace.contrib.testing.app import TestApp, setup_default_app

    mark = request.node.get_closest_marker("celery")
    settings = {**config, **(mark.kwargs if mark else {})}
    trap = options.pop("use_trap")
    app = TestApp(config=settings, **options)
    with setup_default_app(app, use_trap=trap):
        yield app


@contextmanager
def _made_worker(
    app: Millrace, includes: Sequence[str], pool: Any, parameters: Mapping[str, Any]
) -> Iterator[Worker | None]:
    if os.environ.get("NO_WORKER"):
        yield None
        return
    from millrace.contrib.testing.worker import start_worker

    for module in includes:
        import_module(module)
    with start_worker(app, pool=pool, **parameters) as worker:
        yield worker


# --- What a project overrides -------------------------------------------------------------------------


@pytest.fixture(scope="session")
def use_celery_app_trap() -> bool:
    """True: code that falls back to the current application fails."""
    return False


@pytest.fixture(scope="session")
def celery_enable_logging() -> bool:
    """Accepted for Celery's sake: an application here sets up no logging."""
    return False


@pytest.fixture(scope="session")
def celery_includes() -> Sequence[str]:
    """Modules to import before a worker starts."""
    return ()


@pytest.fixture(scope="session")
def celery_class_tasks() -> Sequence[Any]:
    """Task classes that the session's application is to have."""
    return ()


@pytest.fixture(scope="session")
def celery_worker_pool() -> str:
    """The pool of the workers."""
    return "solo"


@pytest.fixture(scope="session")
def celery_config() -> Mapping[str, Any]:
    """Settings of the applications."""
    return {}


@pytest.fixture(scope="session")
def celery_parameters() -> Mapping[str, Any]:
    """Arguments of the applications."""
    return {}


@pytest.fixture(scope="session")
def celery_worker_parameters() -> Mapping[str, Any]:
    """Options of the workers, such as `queues`."""
    return {}


# --- Applications -------------------------------------------------------------------------------------


@pytest.fixture
def celery_app(
    request: pytest.FixtureRequest,
    celery_config: Mapping[str, Any],
    celery_parameters: Mapping[str, Any],
    celery_enable_logging: bool,
    use_celery_app_trap: bool,
) -> Iterator[Millrace]:
    """An application of this test's own."""
    with _made_app(
        request,
        celery_config,
        enable_logging=celery_enable_logging,
        use_trap=use_celery_app_trap,
        **celery_parameters,
    ) as app:
        yield app


@pytest.fixture(scope="session")
def celery_session_app(
    request: pytest.FixtureRequest,
    celery_config: Mapping[str, Any],
    celery_parameters: Mapping[str, Any],
    celery_enable_logging: bool,
    use_celery_app_trap: bool,
) -> Iterator[Millrace]:
    """An application for all tests; it is the current one."""
    with _made_app(
        request,
        celery_config,
        enable_logging=celery_enable_logging,
        use_trap=use_celery_app_trap,
        **celery_parameters,
    ) as app:
        if not use_celery_app_trap:
            app.set_default()
            app.set_current()
        yield app


@pytest.fixture
def depends_on_current_app(celery_app: Millrace) -> None:
    """Makes this test's application the current one."""
    celery_app.set_current()


# --- Workers ------------------------------------------------------------------------------------------


@pytest.fixture
def celery_worker(
    celery_app: Millrace,
    celery_includes: Sequence[str],
    celery_worker_pool: Any,
    celery_worker_parameters: Mapping[str, Any],
) -> Iterator[Worker | None]:
    """A worker in a thread, for the length of this test."""
    with _made_worker(
        celery_app, celery_includes, celery_worker_pool, celery_worker_parameters
    ) as worker:
        yield worker


@pytest.fixture(scope="session")
def celery_session_worker(
    celery_session_app: Millrace,
    celery_includes: Sequence[str],
    celery_class_tasks: Sequence[Any],
    celery_worker_pool: Any,
    celery_worker_parameters: Mapping[str, Any],
) -> Iterator[Worker | None]:
    """A worker in a thread, for all tests."""
    for task in celery_class_tasks:
        celery_session_app.register_task(task)
    with _made_worker(
        celery_session_app, celery_includes, celery_worker_pool, celery_worker_parameters
    ) as worker:
        yield worker


# --- Our own names ------------------------------------------------------------------------------------


@pytest.fixture
def millrace_app(celery_app: Millrace) -> Millrace:
    """An application of this test's own."""
    return celery_app


@pytest.fixture
def millrace_worker(celery_worker: Worker | None) -> Worker | None:
    """A worker in a thread, for the length of this test."""
    return celery_worker


@pytest.fixture(scope="session")
def millrace_session_app(celery_session_app: Millrace) -> Millrace:
    """An application for all tests."""
    return celery_session_app


@pytest.fixture(scope="session")
def millrace_session_worker(celery_session_worker: Worker | None) -> Worker | None:
    """A worker in a thread, for all tests."""
    return celery_session_worker


@pytest.fixture
def millrace_harness(millrace_app: Millrace) -> Iterator[Harness]:
    """The application on a temporary file, with a clock that stands still: see `millrace.testing`."""
    from millrace.testing import Harness

    with Harness(millrace_app) as harness:
        yield harness
