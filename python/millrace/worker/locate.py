"""Finding an application by name, and the name by which another process finds it."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Final

from millrace.app import Millrace
from millrace.errors import InvalidArgument

_ATTRIBUTES: Final = ("app", "celery", "millrace")
_SUBMODULES: Final = ("celery", "millrace")


def load_app(location: str) -> Millrace:
    """The application at a location.

    "module:attribute", "path/to/file.py[:attribute]", or a module alone: if it has exactly one application, or one
    called `app`, `celery` or `millrace`; or a package with a module `celery` or `millrace` that has. "module.attribute"
    is understood, too.

    Raises InvalidArgument if there is none, and whatever importing the module raises.
    """
    where, _, attribute = location.partition(":")
    if not where:
        raise InvalidArgument(
            f"{location!r} names no module; write module:attribute, such as tasks:app"
        )
    if not attribute and not where.endswith(".py") and "." in where:
        where, attribute = _split_attribute(where)
    module = _load_file(where) if where.endswith(".py") else _load_module(where)
    if not attribute:
        return _only_app(where, module)
    found: object = module
    for part in attribute.split("."):
        found = getattr(found, part, None)
        if found is None:
            raise InvalidArgument(f"module {where!r} has no attribute {attribute!r}")
    if isinstance(found, ModuleType):
        return _only_app(f"{where}.{attribute}", found)
    if not isinstance(found, Millrace):
        raise InvalidArgument(
            f"{location!r} is a {type(found).__name__}, not a Millrace application"
        )
    return found


def _split_attribute(where: str) -> tuple[str, str]:
    """A module and nothing; or, if there is no such module, its parent and the last name."""
    parent, _, name = where.rpartition(".")
    try:
        _load_module(where)
    except InvalidArgument:
        try:
            if hasattr(_load_module(parent), name):
                return parent, name
        except InvalidArgument:
            pass  # the first error says it better
    return where, ""


def _only_app(where: str, module: ModuleType) -> Millrace:
    apps = {id(value): value for value in vars(module).values() if isinstance(value, Millrace)}
    if len(apps) == 1:
        return apps.popitem()[1]
    for name in _ATTRIBUTES:
        if isinstance(found := getattr(module, name, None), Millrace):
            return found
    if not apps and hasattr(module, "__path__"):
        for name in _SUBMODULES:
            try:
                return _only_app(f"{where}.{name}", _load_module(f"{where}.{name}"))
            except InvalidArgument:
                continue
    raise InvalidArgument(
        f"module {where!r} has {len(apps)} Millrace applications; write {where}:attribute"
    )


def _load_module(name: str) -> ModuleType:
    current = os.getcwd()  # noqa: PTH109 - as `python -m` does it
    if current not in sys.path and "" not in sys.path:
        sys.path.insert(0, current)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise InvalidArgument(
                f"there is no module {name!r} in {current} or on the path"
            ) from None
        raise


def _load_file(path: str) -> ModuleType:
    if not os.path.isfile(path):  # noqa: PTH113
        raise InvalidArgument(f"there is no file {path!r}")
    directory, file = os.path.split(os.path.abspath(path))  # noqa: PTH100
    if directory not in sys.path:
        sys.path.insert(0, directory)
    return importlib.import_module(file.removesuffix(".py"))


def import_modules(app: Millrace, include: Sequence[str]) -> None:
    """Completes the application, which imports the modules that its settings name, and imports these."""
    app.finalize()
    for name in include:
        _import(name)


def _import(name: str) -> None:
    try:
        _load_module(name)
    except InvalidArgument as error:
        raise InvalidArgument(f"--include: {error}") from None


def location_of(app: Millrace) -> str:
    """Where another process finds the application. Raises InvalidArgument if it is in no module."""
    modules: list[tuple[str, object]] = list(
        sys.modules.items()
    )  # anything may have been put there
    # The program itself last: a child that imports it runs what stands in it.
    modules.sort(key=lambda entry: entry[0] == "__main__")
    for name, module in modules:
        if not isinstance(module, ModuleType):
            continue
        for attribute, value in list(vars(module).items()):
            if value is not app:
                continue
            if name != "__main__":
                return f"{name}:{attribute}"
            spec, file = module.__spec__, getattr(module, "__file__", None)
            if spec is not None:
                return f"{spec.name}:{attribute}"
            if file:
                return f"{os.path.abspath(file)}:{attribute}"  # noqa: PTH100
    raise InvalidArgument(
        f"{app!r} is not a variable of any module, so the processes of the pool could not find it; "
        "make it one, or use another pool"
    )
