"""What an application does for Django: set it up in workers, and keep database connections fresh between tasks."""

from __future__ import annotations

import importlib.util
import os
import warnings
from typing import TYPE_CHECKING, Any

from millrace import signals
from millrace.exceptions import FixupWarning

if TYPE_CHECKING:
    from millrace.app import Millrace

__all__ = ["DjangoFixup", "fixup"]


def fixup(app: Millrace) -> DjangoFixup | None:
    """Prepares an application for Django, if the environment variable DJANGO_SETTINGS_MODULE is set."""
    if not os.environ.get("DJANGO_SETTINGS_MODULE"):
        return None
    if importlib.util.find_spec("django") is None:
        message = "DJANGO_SETTINGS_MODULE is set, but Django is not installed"
        warnings.warn(FixupWarning(message), stacklevel=2)
        return None
    return DjangoFixup(app).install()


class DjangoFixup:
    """Follows an application's tasks and workers on Django's behalf.

    Args:
        app: The application.
    """

    def __init__(self, app: Millrace) -> None:
        self.app: Any = app

    def install(self) -> DjangoFixup:
        """Begins to follow. Django itself is imported when a worker starts."""
        if self.app._task_cls is None:
            self.app.task_cls = "millrace.contrib.django.task:DjangoTask"
        signals.import_modules.connect(self.on_import_modules)
        signals.task_prerun.connect(self.on_task_prerun)
        signals.task_postrun.connect(self.on_task_postrun)
        signals.worker_process_init.connect(self.on_worker_process_init)
        return self

    def on_import_modules(self, sender: Any = None, **_: Any) -> None:
        """Sets Django up before the modules with tasks are imported, and runs its checks once."""
        if sender is not None and sender is not self.app:
            return
        import django

        django.setup()
        if not os.environ.get("CELERY_SKIP_CHECKS"):
            from django.core.checks import run_checks

            run_checks()

    def on_task_prerun(self, sender: Any = None, **_: Any) -> None:
        """Lets go of connections that are too old or broken."""
        self._refresh(sender)

    def on_task_postrun(self, sender: Any = None, **_: Any) -> None:
        """The same, and closes the connections to caches."""
        if self._refresh(sender):
            from django.core.cache import close_caches

            close_caches()

    def on_worker_process_init(self, **_: Any) -> None:
        """Forgets connections that a forked process has from its parent, without a word to the server."""
        from django.db import connections

        for connection in connections.all(initialized_only=True):
            connection.connection = None

    def _refresh(self, task: Any) -> bool:
        # A task that is run inside the caller must leave the caller's connections alone.
        if getattr(task, "app", None) is not self.app or task.request.is_eager:
            return False
        from django.db import close_old_connections

        close_old_connections()
        return True
