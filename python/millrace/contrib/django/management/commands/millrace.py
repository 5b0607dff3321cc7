"""`manage.py millrace worker -c 4`: the command line of Millrace, for the task backend of this project."""

from __future__ import annotations

import os
import sys
from argparse import REMAINDER
from typing import Any, ClassVar

from django.core.management.base import BaseCommand


class Command(BaseCommand):  # type: ignore[misc]  # Django has no types
    """Runs a verb of `millrace`; `worker` serves all queues of the task backend."""

    help = "Runs Millrace's command line on this project, such as: manage.py millrace worker -c 4"
    requires_system_checks: ClassVar[list[str]] = []

    def add_arguments(self, parser: Any) -> None:
        """The backend, and what is the verb's."""
        parser.add_argument("--backend", default="default", help="the alias in TASKS")
        parser.add_argument("verb", help="worker, or any other verb of millrace")
        parser.add_argument("rest", nargs=REMAINDER, help="the verb's arguments")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Runs it and ends with its exit status."""
        from millrace.cli import main

        os.environ["MILLRACE_DJANGO_BACKEND"] = options["backend"]
        from millrace.contrib.django.worker import task_backends

        backend = task_backends[options["backend"]]
        verb, rest = options["verb"], list(options["rest"])
        if verb == "worker":
            where = "millrace.contrib.django.worker:app"
            queues = ["-Q", ",".join(sorted(backend.queues))] if backend.queues else []
            given = any(each.startswith(("-Q", "--queues")) for each in rest)
            arguments = ["worker", where, *([] if given else queues), *rest]
        else:
            arguments = [verb, *rest]
            os.environ.setdefault("MILLRACE_STORE", backend.app.store)
        sys.exit(main(arguments))
