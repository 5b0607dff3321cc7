"""The settings of an application: `app.conf`.

    app.conf.task_time_limit = 60
    app.conf.update(timezone="Europe/Vienna", task_routes={"feed.*": {"queue": "feeds"}})
    app.config_from_object("django.conf:settings", namespace="CELERY")

Names are Celery's, those of today and the old ones in capital letters; see `millrace.app.defaults`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from millrace.app.defaults import DEFAULTS, OPTIONS, Option, canonical, find
from millrace.log import logger

if TYPE_CHECKING:
    from millrace.options import Seconds

_HIDDEN: Final = "********"
_SECRET: Final = re.compile(r"api|token|key|secret|pass|profanities_list|signature", re.IGNORECASE)
_URL_PASSWORD: Final = re.compile(r"(://[^/:@\s]*:)[^@/\s]+@")


class Settings(MutableMapping[str, Any]):
    """What was set, above what was loaded, above what libraries suggest, above the defaults.

    Read and written as attributes or as items, under new or old names. Names that are no settings are kept too, for
    the application's own use. Reading loads what `app.config_from_object` has announced; writing does not.

    Attributes:
        changes: What was set here, by names of today.
    """

    if TYPE_CHECKING:
        # Those that Millrace itself reads; all others are Any.
        broker_url: str | None
        result_expires: Seconds | None
        result_extended: bool
        enable_utc: bool
        timezone: str | None
        imports: Iterable[str]
        include: Iterable[str]
        beat_schedule: dict[str, dict[str, Any]]
        beat_scheduler: str
        beat_max_loop_interval: float
        task_always_eager: bool
        task_eager_propagates: bool
        task_store_eager_result: bool
        task_default_queue: str
        task_create_missing_queues: bool
        task_time_limit: Seconds | None
        task_soft_time_limit: Seconds | None
        task_ignore_result: bool
        worker_concurrency: int | None
        worker_pool: str
        worker_prefetch_multiplier: int
        worker_max_tasks_per_child: int | None
        worker_max_memory_per_child: int | None
        worker_soft_shutdown_timeout: float
        worker_hijack_root_logger: bool
        worker_log_format: str
        worker_task_log_format: str

    changes: dict[str, Any]

    def __init__(
        self,
        changed: Callable[[Mapping[str, Any]], None] = lambda _: None,
        load: Callable[[], None] | None = None,
        live: Mapping[str, Callable[[], Any]] | None = None,
    ) -> None:
        set_own = object.__setattr__
        set_own(self, "changes", {})
        set_own(self, "_loaded", {})
        set_own(self, "_suggested", {})
        set_own(self, "_objects", [])
        set_own(self, "_changed", changed)
        set_own(self, "_load", load)
        set_own(self, "_live", live or {})

    def __repr__(self) -> str:
        return f"<Settings {self.table()}>"

    # --- Reading ----------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Any:
        self.load()
        return self.peek(name)

    def peek(self, name: str) -> Any:
        """A value without loading anything. Raises KeyError."""
        known = canonical(name)
        for key in (name,) if known is None or known == name else (known, name):
            for values in (self.changes, self._loaded, self._suggested):
                if key in values:
                    return values[key]
            if key in self._live:
                return self._live[key]()
            if key in DEFAULTS:
                return DEFAULTS[key]
        for source in self._objects:
            if hasattr(source, name):
                return getattr(source, name)
        if known is not None:
            return None
        raise KeyError(name)

    def load(self) -> None:
        """Loads what has been announced. Done by every reading."""
        load = self._load
        if load is not None:
            object.__setattr__(self, "_load", None)
            try:
                load()
            except BaseException:
                object.__setattr__(self, "_load", load)
                raise

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"there is no setting {name!r}") from None

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        try:
            self[name]
        except KeyError:
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        self.load()
        return iter({**DEFAULTS, **self._set()})

    def __len__(self) -> int:
        self.load()
        return len({**DEFAULTS, **self._set()})

    def _set(self) -> dict[str, Any]:
        return {**self._suggested, **self._loaded, **self.changes}

    def first(self, *names: str) -> Any:
        """The first of these settings that is not None."""
        return next((value for value in map(self.get, names) if value is not None), None)

    @property
    def defaults(self) -> list[Mapping[str, Any]]:
        """What holds where nothing was set: what was loaded, what libraries suggest, the defaults."""
        self.load()
        return [self._loaded, self._suggested, DEFAULTS]

    @property
    def maps(self) -> list[Mapping[str, Any]]:
        """All layers, what counts first."""
        return [self.changes, *self.defaults]

    # --- Writing ----------------------------------------------------------------------------------

    def __setitem__(self, name: str, value: Any) -> None:
        self.update({name: value})

    def __setattr__(self, name: str, value: Any) -> None:
        self.update({name: value})

    def __delitem__(self, name: str) -> None:
        key = canonical(name) or name
        del self.changes[key]
        self._changed({key: self.peek(key)})

    def __delattr__(self, name: str) -> None:
        del self[name]

    def update(self, *given: Any, **more: Any) -> None:
        """Sets several at once."""
        self._write(self.changes, dict(*given, **more))

    def _write(self, layer: dict[str, Any], given: Mapping[str, Any]) -> None:
        values = {canonical(name) or name: value for name, value in given.items()}
        before = dict(layer)
        layer.update(values)
        try:
            self._changed({name: self.peek(name) for name in values})
        except BaseException:
            layer.clear()
            layer.update(before)
            with suppress(Exception):  # those that follow settings go back with them
                self._changed({name: self.peek(name) for name in values})
            raise
        say_ignored(values)

    def setdefault(self, name: str, default: Any = None) -> Any:
        """Sets it unless it has a value."""
        value = self.get(name)
        if value is None:
            self[name] = value = default
        return value

    def clear(self) -> None:
        """Forgets all that was set."""
        names = list(self.changes)
        self.changes.clear()
        self._changed({name: self.peek(name) for name in names})

    def add_defaults(self, values: Mapping[str, Any]) -> None:
        """Suggests values for what is not set: what was suggested last counts."""
        self._write(self._suggested, values)

    def add_object(self, source: Any, namespace: str | None = None) -> None:
        """Takes settings from an object or a mapping.

        Args:
            source: It; an object's attributes are the settings.
            namespace: Only names that begin so count, and they count without it: with "CELERY" `CELERY_TIMEZONE` is
                `timezone`.
        """
        values = settings_of(source, namespace)
        self._write(self._loaded, values)
        if namespace is None and not isinstance(source, Mapping):
            self._objects.append(source)

    def copy(self) -> dict[str, Any]:
        """All values as a dict."""
        return dict(self.items())

    # --- Looking ----------------------------------------------------------------------------------

    def without_defaults(self) -> Settings:
        """Only what was set or suggested."""
        self.load()
        return _WithoutDefaults(self._set())

    def value_set_for(self, name: str) -> bool:
        """Whether somebody set or suggested it."""
        key = canonical(name) or name
        self.load()
        return key in self._set()

    def find_option(self, name: str, namespace: str = "celery") -> tuple[str, str, Option]:
        """The namespace, the name within it and the option of a setting. Raises KeyError."""
        return find(name, namespace)

    def find_value_for_key(self, name: str, namespace: str = "celery") -> Any:
        """The value of a setting whose name may lack its namespace."""
        return self.get_by_parts(*self.find_option(name, namespace)[:2])

    def get_by_parts(self, *parts: str) -> Any:
        """The value of the setting whose name these parts make."""
        return self["_".join(part for part in parts if part)]

    def finalize(self) -> Settings:
        """Itself."""
        return self

    def table(self, with_defaults: bool = False, censored: bool = True) -> dict[str, Any]:
        """All that was set as a dict, secrets hidden."""
        self.load()
        names: Iterable[str] = self if with_defaults else self._set()
        values = {name: self[name] for name in names if not name.startswith("_")}
        return (
            {name: _censor(name, value) for name, value in values.items()} if censored else values
        )

    def humanize(self, with_defaults: bool = False, censored: bool = True) -> str:
        """The same as lines of text."""
        table = self.table(with_defaults, censored)
        return "\n".join(f"{name}: {value!r}" for name, value in table.items())


class _WithoutDefaults(Settings):
    """A view of what was set."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__()
        self.changes.update(values)

    def __getitem__(self, name: str) -> Any:
        return self.changes[canonical(name) or name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.changes)

    def __len__(self) -> int:
        return len(self.changes)


def settings_of(source: Any, namespace: str | None = None) -> dict[str, Any]:
    """The settings among the items of a mapping or the attributes of an object."""
    names: Iterable[str]
    if isinstance(source, Mapping):
        names, get = source.keys(), source.__getitem__
    else:
        names, get = dir(source), lambda name: getattr(source, name)
    if namespace is None:
        # The attributes of a module are also its imports and functions: of those only settings count.
        every = isinstance(source, Mapping)
        return {
            key: get(name)
            for name in names
            if (key := canonical(name)) is not None or (every and (key := name))
        }
    prefix = namespace.lower().rstrip("_") + "_"
    taken = {}
    for name in names:
        if name.lower().startswith(prefix):
            rest = name[len(prefix) :].lower()
            taken[canonical(rest) or canonical(f"celery_{rest}") or rest] = get(name)
    return taken


def read_arguments(arguments: Iterable[str], namespace: str = "celery") -> dict[str, Any]:
    """Settings as they are written on a command line: `worker.concurrency=4`, `task_ignore_result=yes`.

    `(type)text` says how to read the text: `beat_schedule=(json){}`.
    """
    values = {}
    for argument in arguments:
        name, sign, text = argument.partition("=")
        if not sign:
            from millrace.errors import InvalidArgument

            raise InvalidArgument(f"a setting is written name=value, not {argument!r}")
        name = name.lower().replace(".", "_").lstrip("_")
        key = canonical(name) or canonical(f"{namespace}_{name}") or name
        values[key] = _read(key, text)
    return values


def _read(name: str, text: str) -> Any:
    from millrace.app.defaults import READERS
    from millrace.errors import InvalidArgument

    typed = re.match(r"\((\w+)\)", text)
    try:
        if typed is None:
            return OPTIONS.get(name, Option()).to_python(text)
        return READERS[typed[1]](text[typed.end() :])
    except KeyError:
        raise InvalidArgument(f"{name}: there is no type {typed and typed[1]!r}") from None
    except ValueError as error:
        raise InvalidArgument(f"{name}: {error}") from None


def say_ignored(values: Mapping[str, Any]) -> None:
    """Tells the debug log which of these settings do nothing here."""
    ignored = [name for name in values if canonical(name) and not OPTIONS.get(name, _UNKNOWN).used]
    if ignored:
        logger.debug("These settings have no effect in Millrace: %s", ", ".join(sorted(ignored)))


_UNKNOWN: Final = Option(used=False)


def _censor(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _censor(str(key), each) for key, each in value.items()}
    if isinstance(value, str):
        if _SECRET.search(name) and name not in OPTIONS:
            return _HIDDEN
        return _URL_PASSWORD.sub(rf"\1{_HIDDEN}@", value)
    return _HIDDEN if _SECRET.search(name) and isinstance(value, bytes) else value
