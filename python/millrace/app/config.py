"""The part of `Millrace` that holds settings and what is told of them. Not used by itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from millrace import options
from millrace.errors import ImproperlyConfigured, InvalidArgument

if TYPE_CHECKING:
    import datetime as dt

    from millrace.conf import Settings
    from millrace.utils.dispatch import Signal

MEMORY: Final = ":memory:"
_OURS: Final = "sqlite:///path/to/jobs.db (a file) or memory:// (for tests)"
# Places for results that need no broker's server, so that settings may name them: results are kept with the jobs.
_HARMLESS_BACKENDS: Final = (
    "cache+memory",
    "db+sqlite",
    "disabled",
    "django-cache",
    "django-db",
    "file",
    "memory",
    "rpc",
    "sqlite",
)


class Configured:
    """Settings: `conf`, where they come from, and the hooks around them."""

    _settings: Settings | None
    _sources: list[tuple[Any, bool, str | None]]
    _loaded: bool
    _hooks: dict[str, Signal]
    _beat_schedule: dict[str, Any]
    _periodic: dict[str, Any]
    default_queue: str
    _store: str | None
    _keep_ms: int

    # --- Provided by the class ----------------------------------------------------------------------

    if TYPE_CHECKING:

        def _set_store(self, store: object) -> None: ...
        def _set_result_expires(self, value: Any) -> None: ...
        def _settings_changed(self, names: Iterable[str]) -> None: ...

    def _init_configuration(self, namespace: str | None) -> None:
        self.namespace = namespace
        self._settings = None
        self._sources = []
        self._loaded = False
        self._hooks = {}
        self._beat_schedule = {}
        self._periodic = {}

    # --- Settings -----------------------------------------------------------------------------------

    @property
    def conf(self) -> Settings:
        """The settings. Reading one of them loads what `config_from_object` was given; setting one does not."""
        settings = self._settings
        if settings is None:
            from millrace.conf import Settings

            settings = self._settings = Settings(self._configure, self._load, self._live())
        return settings

    @conf.setter
    def conf(self, values: Any) -> None:
        self.conf.add_object(values)

    @property
    def configured(self) -> bool:
        """Whether the settings have been loaded."""
        return self._loaded

    def load_settings(self) -> None:
        """Loads what `config_from_object` was given. Whatever needs the store does that by itself."""
        self.conf.load()

    def load_announced(self) -> None:
        """The same, if there is anything to load."""
        if self._sources:
            self.conf.load()

    def _load(self) -> None:
        settings = self.conf
        self._send("on_configure")
        while self._sources:
            source, silent, namespace = self._sources[0]
            found = self._find_source(source, silent)
            if found is not None:
                try:
                    settings.add_object(found, namespace)
                except (
                    TypeError
                ) as error:  # of a setting's value: these are not arguments of a call
                    raise ImproperlyConfigured(str(error)) from error
            self._sources.pop(0)  # not before: what cannot be loaded is an error each time
        self._loaded = True
        if self._periodic:
            settings.beat_schedule = {**settings.peek("beat_schedule"), **self._periodic}
        self._settings_changed(("task_routes",))
        self._send("on_after_configure", source=settings)

    def _find_source(self, source: Any, silent: bool) -> Any:
        if not isinstance(source, str):
            return source
        from importlib import import_module

        module, _, attribute = source.partition(":")
        try:
            if not attribute:
                try:
                    return import_module(module)
                except ModuleNotFoundError as error:
                    parent, _, last = module.rpartition(".")
                    if not parent or error.name != module:
                        raise
                    module, attribute = parent, last
            found: Any = import_module(module)
            for part in attribute.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError) as error:
            if silent:
                return None
            raise ImproperlyConfigured(
                f"config_from_object({source!r}): the settings cannot be loaded: {error}"
            ) from error
        return found

    def config_from_object(
        self, obj: Any, silent: bool = False, force: bool = False, namespace: str | None = None
    ) -> None:
        """Takes settings from a module, an object or a mapping.

        Args:
            obj: It, or its name: "shop.settings", "django.conf:settings". A name is imported when a setting is first
                read.
            silent: No error if it cannot be imported.
            force: Load it now.
            namespace: Only names that begin so count: with "CELERY" `CELERY_TIMEZONE` is `timezone`. Default: that of
                the application.
        """
        if not isinstance(obj, str) and (obj is None or isinstance(obj, int | float | bytes)):
            raise options.wrong_type("obj", "a module, its name, an object or a mapping", obj)
        self._sources.append((obj, silent, namespace or self.namespace))
        object.__setattr__(self.conf, "_load", self._load)
        self._settings_changed(("task_routes",))  # tasks must look again when they are used next
        if force:
            self.load_settings()

    def config_from_envvar(
        self, variable_name: str, silent: bool = False, force: bool = False
    ) -> bool:
        """Takes settings from the module that an environment variable names; false if it is not set and `silent`."""
        name = os.environ.get(variable_name)
        if not name:
            if silent:
                return False
            raise ImproperlyConfigured(
                f"the environment variable {variable_name} is not set; it must name a module with settings"
            )
        self.config_from_object(name, silent=silent, force=force)
        return True

    def config_from_cmdline(self, argv: Iterable[str], namespace: str = "celery") -> None:
        """Takes settings from arguments such as `worker.concurrency=4`."""
        from millrace.conf import read_arguments

        self.conf.update(read_arguments(argv, namespace))

    def add_defaults(self, fun: Mapping[str, Any] | Callable[[], Mapping[str, Any]]) -> None:
        """Suggests settings: they count where nobody sets any. A mapping, or a function that makes one."""
        self.conf.add_defaults(fun() if callable(fun) else fun)

    def prepare_config(self, c: Any) -> Any:
        """Called by nobody here; subclasses of Celery's users override it."""
        return c

    def setup_security(self, *_args: Any, **_kwargs: Any) -> None:
        """Raises ImproperlyConfigured: payloads are sealed by `Millrace(..., encryption_keys=...)` instead."""
        raise ImproperlyConfigured(
            "setup_security() signs messages for a broker; here payloads are signed or encrypted by "
            "Millrace(..., encryption_keys=[(id, secret)], security_mode='sign' or 'encrypt')"
        )

    def add_periodic_task(
        self,
        schedule: Any,
        sig: Any,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        name: str | None = None,
        **opts: Any,
    ) -> str:
        """Adds an entry to `beat_schedule`; answers its name. See `docs/howto/periodic-tasks.md`.

        Args:
            schedule: Seconds, a timedelta, or one of `millrace.schedules`.
            sig: What to run: `task.s(...)`.
            args: Further positional arguments.
            kwargs: Further keyword arguments.
            name: The entry's name; default the signature as text. An entry of the same name is replaced.
            **opts: As for `apply_async`.
        """
        from millrace.beat.sync import periodic_entry

        key, entry = periodic_entry(self, schedule, sig, args, kwargs, name, opts)
        if self._loaded:
            self.conf.beat_schedule = {**self.conf.beat_schedule, key: entry}
        else:
            self._periodic[key] = entry  # until the settings are loaded, which may have entries too
        return key

    # --- What settings change -------------------------------------------------------------------------

    namespace: str | None

    def _live(self) -> dict[str, Callable[[], Any]]:
        return {
            "task_default_queue": lambda: self.default_queue,
            "broker_url": lambda: self._store,
            "beat_schedule": lambda: self._beat_schedule,  # of this application alone
            "result_expires": lambda: None if self._keep_ms < 0 else self._keep_ms / 1000,
        }

    def _configure(self, values: Mapping[str, Any]) -> None:
        if values.get("broker_url") is not None:
            self._set_store(store_of_url("broker_url", values["broker_url"]))
        if values.get("result_backend") is not None:
            check_backend("result_backend", values["result_backend"])
        if "task_default_queue" in values:
            self.default_queue = options.check_text(
                "task_default_queue", values["task_default_queue"]
            )
        if "result_expires" in values:
            self._set_result_expires(values["result_expires"])
        self._settings_changed(values)

    # --- Hooks ------------------------------------------------------------------------------------------

    def _hook(self, name: str) -> Signal:
        hook = self._hooks.get(name)
        if hook is None:
            from millrace.utils.dispatch import Signal

            hook = self._hooks[name] = Signal(name=name)
        return hook

    def _send(self, name: str, **named: Any) -> None:
        hook = self._hooks.get(name)
        if hook is not None:
            hook.send(sender=self, **named)

    @property
    def on_configure(self) -> Signal:
        """Before settings are loaded."""
        return self._hook("on_configure")

    @property
    def on_after_configure(self) -> Signal:
        """After settings were loaded; receivers get them as `source`."""
        return self._hook("on_after_configure")

    @property
    def on_after_finalize(self) -> Signal:
        """The application is complete: a worker is about to start, or `finalize()` was called."""
        return self._hook("on_after_finalize")

    @property
    def on_after_fork(self) -> Signal:
        """In the child of a fork."""
        return self._hook("on_after_fork")

    # --- Time -------------------------------------------------------------------------------------------

    @property
    def timezone(self) -> dt.tzinfo:
        """The time zone of the settings; UTC if they name none."""
        import datetime as dt

        name: Any = self.conf.timezone if self._settings is not None else None
        if isinstance(name, dt.tzinfo):
            return name
        if name is None or name.upper() == "UTC":
            return dt.timezone.utc
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            raise ImproperlyConfigured(
                f"timezone: there is no time zone {name!r}; write a name such as Europe/Vienna"
            ) from None

    def uses_utc_timezone(self) -> bool:
        """Whether the time zone is UTC."""
        return str(self.timezone).upper() == "UTC"

    def now(self) -> dt.datetime:
        """The present, in the application's time zone."""
        import datetime as dt

        return dt.datetime.now(self.timezone)


def store_of_url(name: str, url: object) -> str:
    """The store that a URL of a broker means. Raises ImproperlyConfigured for one of a server."""
    if isinstance(url, list | tuple) and len(url) == 1:
        url = url[0]
    if isinstance(url, os.PathLike):
        url = os.fspath(url)
    if not isinstance(url, str):
        raise options.wrong_type(name, f"a str such as {_OURS}", url)
    scheme, sign, _ = url.partition("://")
    if scheme == "memory" and sign:
        return MEMORY
    if not sign or scheme == "sqlite":
        return options.check_text(name, url)
    raise ImproperlyConfigured(
        f"{name} is a {scheme}:// URL, but Millrace has no broker: jobs are in a file. Write {_OURS}"
    )


def store_path(store: object, broker: object = None) -> str | None:
    """The store that is told, or that the environment names; None if neither is."""
    if store is not None and broker is not None:
        raise InvalidArgument("store and broker say the same thing: give one of them")
    if store is None and broker is not None:
        store = store_of_url("broker", broker)
    if store is None:
        store = os.environ.get("MILLRACE_STORE") or None
        if store is None:
            return None
    if not isinstance(store, str | os.PathLike):
        raise options.wrong_type("store", "a str or a path", store)
    path = os.fspath(store)
    if not isinstance(path, str):
        raise options.wrong_type("store", "a str or a path", path)
    options.check_text("store", path)
    path = store_of_url("store", path)
    if path == MEMORY or "://" in path:
        return path
    return os.path.abspath(path)  # noqa: PTH100 - pathlib would cost an import


def check_backend(name: str, backend: object) -> None:
    """Raises ImproperlyConfigured for a place for results that is a server; all others are ignored."""
    if not isinstance(backend, str):
        return
    scheme = backend.partition("://")[0]
    if "://" in backend and not scheme.startswith(_HARMLESS_BACKENDS):
        raise ImproperlyConfigured(
            f"{name} is a {scheme}:// URL, but Millrace keeps results with the jobs, in the file of broker_url: "
            f"leave {name} out"
        )


def either(settings: Settings, default_key: str, *defaults: Any) -> Any:
    """The first of these that is not None, or the setting."""
    found = next((value for value in defaults if value is not None), None)
    return settings.get(default_key) if found is None else found
