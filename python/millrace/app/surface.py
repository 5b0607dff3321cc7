"""The part of `Millrace` that is there because Celery's users call it. Not used by itself."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from millrace import current, options

if TYPE_CHECKING:
    from millrace.app.amqp import Amqp
    from millrace.app.connection import Connection, Pool
    from millrace.conf import Settings
    from millrace.task import Task
    from millrace.worker.main import WorkController


class Surface:
    """Finding tasks, being the current application, and what tells of a broker, which there is none of."""

    conf: Settings
    _autodiscover: list[tuple[Any, str | None]]
    _finalized: bool

    # --- Finding tasks ------------------------------------------------------------------------------

    def autodiscover_tasks(
        self,
        packages: Iterable[str] | Callable[[], Iterable[str]] | None = None,
        related_name: str | None = "tasks",
        force: bool = False,
    ) -> None:
        """Imports the module `tasks` of packages, so that their tasks are known.

        Args:
            packages: Their names, or a function that answers them. Default: the apps that Django has installed.
            related_name: Another name for the module; None imports the packages themselves.
            force: Import now. Otherwise when a worker starts, or `finalize()` is called.
        """
        if isinstance(packages, str):
            raise options.wrong_type("packages", "a list of package names", packages)
        if force:
            self._discover(packages, related_name)
        else:
            self._autodiscover.append((packages, related_name))
            self._finalized = False

    def _discover(self, packages: Any, related_name: str | None) -> None:
        if packages is None:
            from millrace.contrib.django.installed import installed_packages

            packages = installed_packages()
        for package in packages() if callable(packages) else packages:
            import_related(package, related_name)

    def import_modules(self) -> list[str]:
        """Imports the modules that the settings name (`imports`, `include`), and those to be discovered.

        Answers the names of the former. Raises what importing raises.
        """
        from importlib import import_module

        from millrace import signals

        if signals.import_modules.receivers:
            for _, answer in signals.import_modules.send(sender=self):
                if isinstance(answer, Exception):
                    raise answer
        names = [*_listed("imports", self.conf.imports), *_listed("include", self.conf.include)]
        for name in names:
            import_module(name)
        while self._autodiscover:
            self._discover(*self._autodiscover.pop(0))
        return names

    def tell_rate_limits(self: Any) -> None:
        """Told by a worker that starts: the store limits tasks as their `rate_limit` says."""
        if self.conf.worker_disable_rate_limits:
            return
        from millrace.app.store_commands import tell_rate_limits

        tell_rate_limits(self)

    def finalize(self, auto: bool = False) -> None:
        """Completes the application: settings are loaded, and the modules with tasks imported. Workers do that."""
        del auto
        if self._finalized:
            return
        self._finalized = True
        try:
            self.conf.load()
            self.import_modules()
        except BaseException:
            self._finalized = False
            raise
        self._send("on_after_finalize")

    @property
    def finalized(self) -> bool:
        """Whether `finalize` was called."""
        return self._finalized

    if TYPE_CHECKING:

        def _send(self, name: str, **named: Any) -> None: ...

    # --- The current one ----------------------------------------------------------------------------

    def set_current(self: Any) -> None:
        """Makes it what `millrace.current_app` answers."""
        current.set_current_app(self)

    def set_default(self: Any) -> None:
        """Makes it what `millrace.current_app` answers when no other is set."""
        current.set_default_app(self)

    @property
    def current_task(self) -> Task[..., Any] | None:
        """The task that the current code runs for."""
        return current.get_current_task()

    @property
    def current_worker_task(self) -> Task[..., Any] | None:
        """The same."""
        return current.get_current_task()

    # --- Workers ------------------------------------------------------------------------------------

    def worker_main(self: Any, argv: list[str] | None = None) -> int:
        """Runs a worker of this application as the command line does: `app.worker_main(["-c", "4"])`."""
        from millrace.cli.main import main

        arguments = list(sys.argv[1:] if argv is None else argv)
        if arguments[:1] == ["worker"]:
            arguments = arguments[1:]
        return main(["worker", *arguments], application=self)

    def start(self: Any, argv: list[str] | None = None) -> int:
        """Runs a command of the command line for this application: `app.start(["worker", "-c", "4"])`."""
        from millrace.cli.main import main

        arguments = list(sys.argv[1:] if argv is None else argv)
        return main(arguments or ["worker"], application=self)

    @property
    def Worker(self: Any) -> Callable[..., WorkController]:  # noqa: N802 - Celery's name
        """Makes a worker that works in the calling thread: `app.Worker(concurrency=4).start()`."""
        from functools import partial

        from millrace.worker.main import WorkController

        return partial(WorkController, self)

    WorkController = Worker

    @property
    def Beat(self: Any) -> Callable[..., Any]:  # noqa: N802 - Celery's name
        """Makes a beat of this application; any worker fires schedules, too."""
        from functools import partial

        from millrace.beat import Service

        return partial(Service, self)

    # --- What a broker would be ---------------------------------------------------------------------

    @property
    def amqp(self: Any) -> Amqp:
        """The queues and routes of the settings."""
        made: Amqp | None = self.__dict__.get("_amqp")
        if made is None:
            from millrace.app.amqp import Amqp

            made = self.__dict__["_amqp"] = Amqp(self)
        return made

    def select_queues(self, queues: str | Iterable[str] | None = None) -> None:
        """Says which queues a worker of this process serves when it is not told."""
        if queues is not None:
            self.amqp.queues.select(queues)

    @property
    def backend(self: Any) -> Any:
        """Where results are: the application's store. `AsyncResult(id, backend=app.backend)` is understood."""
        from millrace.app.connection import Backend

        return Backend(self)

    def connection(self: Any, *_args: Any, **_kwargs: Any) -> Connection:
        """What holds the place of a connection: there is none, the store is a file."""
        from millrace.app.connection import Connection

        return Connection(self)

    connection_for_read = connection
    connection_for_write = connection

    @contextmanager
    def connection_or_acquire(self, connection: Any = None, **_kwargs: Any) -> Iterator[Any]:
        """The connection that was given, or what holds its place."""
        yield self.connection() if connection is None else connection

    default_connection = connection_or_acquire

    @contextmanager
    def producer_or_acquire(self, producer: Any = None) -> Iterator[Any]:
        """The producer that was given, or what holds its place: `apply_async` takes it, and ignores it."""
        yield self.connection().Producer() if producer is None else producer

    default_producer = producer_or_acquire

    @property
    def pool(self) -> Pool:
        """What holds the place of a pool of connections."""
        from millrace.app.connection import Pool

        return Pool(self.connection)

    @property
    def producer_pool(self) -> Pool:
        """What holds the place of a pool of producers."""
        from millrace.app.connection import Pool

        return Pool(self.connection().Producer)

    # --- Other --------------------------------------------------------------------------------------

    def on_init(self) -> None:
        """Called when the application has been made. For subclasses."""

    def either(self, default_key: str, *defaults: Any) -> Any:
        """The first of these that is not None, or the setting of this name."""
        found = next((value for value in defaults if value is not None), None)
        return self.conf.get(default_key) if found is None else found

    def bugreport(self: Any) -> str:
        """What to put into a report of a bug: versions and settings, without secrets."""
        import platform

        from millrace import _core

        lines = [
            f"software -> millrace:{_core.VERSION} py:{platform.python_version()}",
            f"platform -> system:{platform.system()} arch:{platform.machine()} kernel:{platform.release()}",
            f"store -> {self._store}",
            f"tasks -> {len(self.tasks)}",
            "",
            self.conf.humanize(),
        ]
        return "\n".join(lines)

    @property
    def oid(self) -> str:
        """An id of this application in this process."""
        return f"{os.getpid()}-{id(self):x}"

    @property
    def thread_oid(self) -> str:
        """An id of this application in this thread."""
        return f"{self.oid}-{threading.get_ident():x}"

    @property
    def user_options(self) -> dict[str, set[Any]]:
        """Options that an application adds to the command line: `app.user_options["worker"].add(option)`."""
        made = self.__dict__.get("_user_options")
        if made is None:
            from collections import defaultdict

            made = self.__dict__["_user_options"] = defaultdict(set)
        return cast("dict[str, set[Any]]", made)

    @property
    def steps(self) -> dict[str, set[Any]]:
        """Boot steps: `app.steps["worker"].add(step)`."""
        made = self.__dict__.get("_steps")
        if made is None:
            from collections import defaultdict

            made = self.__dict__["_steps"] = defaultdict(set)
        return cast("dict[str, set[Any]]", made)

    @property
    def loader(self: Any) -> Any:
        """What Celery's loader would be: it knows the settings, and imports modules with tasks."""
        from millrace.app.connection import Loader

        return Loader(self)

    @property
    def log(self: Any) -> Any:
        """How a worker sets up logging; see `millrace.app.log`."""
        from millrace.app.log import Logging

        return Logging(self)

    def type_checker(self, fun: Callable[..., Any], bound: bool = False) -> Callable[..., Any]:
        """A function with the same parameters, which raises TypeError if arguments do not fit."""
        from millrace.parameters import Parameters

        return Parameters(fun, skip_first=bound).bind

    @property
    def GroupResult(self: Any) -> Any:  # noqa: N802 - Celery's name
        """The class of the results of groups, of this application."""
        from millrace.result import groups

        return groups.bound(groups.GroupResult, self)

    @property
    def ResultSet(self: Any) -> Any:  # noqa: N802 - Celery's name
        """The class of sets of results, of this application."""
        from millrace.result import groups, sets

        return groups.bound(sets.ResultSet, self)

    builtin_fixups = frozenset({"millrace.contrib.django:fixup"})


def _listed(name: str, value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if not isinstance(value, Iterable):
        raise options.wrong_type(name, "a list of module names", value)
    return [str(each) for each in value]


def import_related(package: str, related_name: str | None) -> Any:
    """Imports a module of a package; None if the package has none of this name."""
    from importlib import import_module
    from importlib.util import find_spec

    if related_name is None:
        return import_module(package)
    found = import_module(package)
    if not hasattr(found, "__path__"):
        return None
    name = f"{package}.{related_name}"
    return None if find_spec(name) is None else import_module(name)
