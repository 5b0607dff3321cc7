"""Millrace in a Django project.

* `millrace.contrib.django.task.DjangoTask`: tasks with `delay_on_commit`, the default base class where
  DJANGO_SETTINGS_MODULE is set.
* `millrace.contrib.django.fixup`: what a worker does for Django: `django.setup()`, `tasks.py` of the installed apps,
  database connections between tasks.
* `millrace.contrib.django.tasks.MillraceBackend`: a backend for `django.tasks` (Django 6, or the package django-tasks).
* "millrace.contrib.django" among INSTALLED_APPS adds the command `manage.py millrace`.
"""

from __future__ import annotations

from millrace.contrib.django.fixup import DjangoFixup, fixup

__all__ = ["DjangoFixup", "fixup"]
