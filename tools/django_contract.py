#!/usr/bin/env python3
"""Runs Django's own tests of a task backend on Millrace's.

Django's source archive has them (`pip download --no-binary :all: --no-deps django`, folder `tests`); they need
Django 6, and so Python 3.12. Each job runs as soon as it is enqueued, as with the backend that they are written for:

    PYTHONPATH=python python3.12 tools/django_contract.py PATH/django-6.1.3/tests

Exit status 0 if all pass but those that show what that backend cannot do and this one can: see `_ELSE_HERE`.
"""

from __future__ import annotations

import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any, Final

_ELSE_HERE: Final = {
    "test_cannot_get_result": "results can be read",
    "test_cannot_refresh_result": "results can be refreshed",
    "test_cannot_pass_run_after": "tasks can be deferred",
    "test_throws_keyboard_interrupt": "a task does not run in the caller's thread, and cannot interrupt it",
}


def _backend() -> Any:
    """Millrace's backend, with a store of its own and a worker that runs each job at once."""
    from millrace import Millrace
    from millrace.contrib.django.tasks import MillraceBackend
    from millrace.testing import Harness

    class Immediate(MillraceBackend):
        def __init__(self, alias: str, params: dict[str, Any]) -> None:
            super().__init__(alias, params)
            store = Path(tempfile.mkdtemp()) / "jobs.db"
            self._app = Millrace("contract", store=store, durability="process")

        def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
            result = super().enqueue(task, args, kwargs)
            self.register_tasks()
            Harness(self.app).run_all()
            result.refresh()
            return result

    return Immediate


def main() -> int:
    """Runs the tests of the folder that the command line names."""
    sys.path.insert(0, sys.argv[1])
    import django
    from django.conf import settings

    memory = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    settings.configure(USE_TZ=True, DATABASES={"default": memory}, INSTALLED_APPS=[])
    django.setup()
    import django.tasks.backends.immediate
    from django.test.runner import DiscoverRunner

    django.tasks.backends.immediate.ImmediateBackend = _backend()
    suite = unittest.TestSuite()
    for name in ("tasks.test_immediate_backend", "tasks.test_tasks"):
        suite.addTests(unittest.defaultTestLoader.loadTestsFromName(name))
    DiscoverRunner(verbosity=0, interactive=False).setup_databases()
    done = unittest.TextTestRunner(verbosity=1).run(suite)
    missed = {test.id().rpartition(".")[2] for test, _ in [*done.failures, *done.errors]}
    wrong = missed ^ _ELSE_HERE.keys()
    passed = done.testsRun - len(missed)
    print(f"Django {django.__version__}: {passed} of {done.testsRun} pass")
    for name in sorted(missed & _ELSE_HERE.keys()):
        print(f"  not {name}: {_ELSE_HERE[name]}")
    for name in sorted(wrong):
        print(f"  unexpected: {name}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
