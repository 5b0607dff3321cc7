"""The application whose workers run the tasks of Django's default task backend.

DJANGO_SETTINGS_MODULE=shop.settings millrace worker millrace.contrib.django.worker:app
"""

from __future__ import annotations

import os
from typing import Any

import django
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import autodiscover_modules

django.setup()

from millrace.contrib.django.tasks import MillraceBackend  # noqa: E402 - Django must be set up

try:
    from django.tasks import task_backends
except ImportError:
    from django_tasks import task_backends

__all__ = ["app", "task_backends", "worker_app"]


def worker_app(alias: str) -> Any:
    """The application of a task backend, with the tasks of all installed apps. Raises ImproperlyConfigured."""
    autodiscover_modules("tasks")
    backend = task_backends[alias]
    if not isinstance(backend, MillraceBackend):
        raise ImproperlyConfigured(
            f"TASKS[{alias!r}] is a {type(backend).__name__}, not millrace.contrib.django.tasks.MillraceBackend"
        )
    return backend.register_tasks()


app = worker_app(os.environ.get("MILLRACE_DJANGO_BACKEND", "default"))
"""Of the backend that the environment variable MILLRACE_DJANGO_BACKEND names, by default "default"."""
