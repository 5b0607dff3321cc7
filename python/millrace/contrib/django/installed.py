"""The apps that a Django project has installed, for `app.autodiscover_tasks()`."""

from __future__ import annotations

from millrace.errors import ImproperlyConfigured


def installed_packages() -> list[str]:
    """Their packages. Raises ImproperlyConfigured without Django."""
    try:
        from django.apps import apps
    except ImportError:
        raise ImproperlyConfigured(
            "autodiscover_tasks() without packages asks Django, which is not installed; name the packages"
        ) from None
    return [config.name for config in apps.get_app_configs()]
