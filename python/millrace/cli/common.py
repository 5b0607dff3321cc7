"""Options that stand before or behind any verb, and the application that they name."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from millrace.errors import InvalidArgument, MillraceError

if TYPE_CHECKING:
    from argparse import Namespace

    from millrace.app import Millrace

_VALUED: Final = {
    "-A": "app",
    "--app": "app",
    "-b": "broker",
    "--broker": "broker",
    "--result-backend": "result_backend",
    "--loader": "loader",
    "--config": "config",
    "--workdir": "workdir",
}
_FLAGS: Final = {
    "-C": "no_color",
    "--no-color": "no_color",
    "-q": "quiet",
    "--quiet": "quiet",
    "--skip-checks": "skip_checks",
}
_RAW: Final = frozenset({"multi"})  # what follows this verb is for the workers that it starts


class UsageError(Exception):
    """The arguments do not fit together."""


class AppImportError(Exception):
    """The application's module could not be imported: its own error is the cause.

    Args:
        location: Where the application was to be.
    """

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location


class Common:
    """What was given.

    Attributes:
        app: Where the application is: "module:attribute" and so on.
        broker: The store instead of the application's own.
        config: A module of settings.
        workdir: The directory to work in.
        quiet: Whether only answers are printed.
        result_backend: Without meaning: results are in the store.
        loader: Without meaning.
        no_color: Without meaning: nothing is coloured.
        skip_checks: Without meaning.
        application: The application itself, if it has called the command.
        loaded: Where the application was, and itself, once it was loaded.
        verb: The verb.
        args: The arguments of the verb, once they are known.
        told: Whether the application has been told of its preload options.
        own_process: Whether the process is there for this command alone and ends with it.
    """

    def __init__(self) -> None:
        self.app: str | None = None
        self.broker: str | None = None
        self.config: str | None = None
        self.workdir: str | None = None
        self.result_backend: str | None = None
        self.loader: str | None = None
        self.quiet = False
        self.no_color = False
        self.skip_checks = False
        self.application: Millrace | None = None
        self.loaded: tuple[str, Millrace] | None = None
        self.verb: str | None = None
        self.args: Namespace | None = None
        self.told = False
        self.own_process = False


def take_common(arguments: Sequence[str]) -> tuple[Common, list[str]]:
    """Separates these options from the arguments of the verb."""
    common = Common()
    rest: list[str] = []
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        if rest and rest[0] in _RAW:
            rest += [argument, *waiting]
            break
        if argument == "--":
            rest += [argument, *waiting]
            break
        name, equals, value = argument.partition("=")
        if argument in _FLAGS:
            setattr(common, _FLAGS[argument], True)
        elif name in _VALUED and (equals or name == argument):
            if not equals:
                if not waiting:
                    raise UsageError(f"argument {name}: expected one argument")
                value = waiting.pop(0)
            setattr(common, _VALUED[name], value)
        elif argument[:2] in {"-A", "-b"} and len(argument) > 2 and argument[2] != "-":  # noqa: PLR2004
            setattr(common, _VALUED[argument[:2]], argument[2:])
        else:
            rest.append(argument)
    return common, rest


def enter_workdir(common: Common) -> None:
    """Goes where the command is to work."""
    if common.workdir is None:
        return
    try:
        os.chdir(common.workdir)
    except OSError as error:
        raise UsageError(f"--workdir: {error}") from None


def find_app(common: Common, store: str | None = None) -> Millrace:
    """The application that `-A` or MILLRACE_APP names; without one an empty one on the store that is named.

    Raises InvalidArgument if there is none, UsageError if nothing is named.
    """
    app = _find_app(common, store)
    if "_user_options" in app.__dict__:
        from millrace.cli.user_options import tell

        tell(app, common)
    return app


def load_named(common: Common) -> Millrace | None:
    """The application that has called the command, or that is named; None if nothing is named. Loads it once."""
    if common.application is not None and common.app is None:
        return common.application
    location = common.app or os.environ.get("MILLRACE_APP")
    if location and (common.loaded is None or common.loaded[0] != location):
        from millrace.worker.locate import load_app

        if common.broker:
            os.environ["MILLRACE_STORE"] = common.broker
        try:
            common.loaded = location, load_app(location)
        except MillraceError:
            raise
        except Exception as error:
            raise AppImportError(location) from error
    return common.loaded[1] if location and common.loaded is not None else None


def _find_app(common: Common, store: str | None) -> Millrace:
    wanted = store or common.broker
    app = load_named(common)
    if app is not None:
        if wanted is not None:
            app.use_store(wanted)
    else:
        wanted = wanted or os.environ.get("MILLRACE_STORE")
        if not wanted:
            raise UsageError(
                "no application and no store: pass -A module:attribute, or --store FILE or MILLRACE_STORE"
            )
        from millrace.app import Millrace

        app = Millrace("millrace", store=wanted)
        check_exists(app.store)
    if common.config:
        app.config_from_object(common.config)
    return app


def complete_app(common: Common, store: str | None = None, include: Sequence[str] = ()) -> Millrace:
    """The same with its settings loaded and its tasks imported, as workers have it.

    Raises what `find_app` does, and AppImportError if one of the modules cannot be imported.
    """
    from millrace.worker.locate import import_modules

    app = find_app(common, store)
    app.load_settings()
    try:
        import_modules(app, include)
    except MillraceError:
        raise
    except Exception as error:
        raise AppImportError(f"the modules of {app.name}") from error
    return app


def check_exists(store: str) -> None:
    """Raises NotFound if there is no such store: no verb but `worker` creates one."""
    path = store.removeprefix("sqlite:///")
    if not os.path.exists(path):  # noqa: PTH110 - pathlib would cost an import
        from millrace.errors import NotFound

        raise NotFound(f"there is no store {path}")


def names_of(given: Any) -> list[str]:
    """The names of options that may be repeated, and may hold several separated by commas."""
    return [name for each in given or () for name in each.split(",")]


def say(text: str = "") -> None:
    """Prints an answer."""
    print(text)


def warn(text: str) -> None:
    """Prints what is no answer."""
    print(text, file=sys.stderr, flush=True)


def parse_json(option: str, text: str | None, kind: type, default: Any) -> Any:
    """The value of an option that is JSON of a certain type."""
    if text is None:
        return default
    import json

    try:
        value = json.loads(text)
    except ValueError as error:
        raise UsageError(f"argument {option}: not JSON: {error}") from None
    if not isinstance(value, kind):
        wanted = "a list" if kind is list else "an object"
        raise UsageError(f"argument {option}: must be {wanted}, not {text}")
    return value


def parse_time(option: str, text: str | None) -> Any:
    """A datetime in ISO 8601."""
    if text is None:
        return None
    import datetime as dt

    try:
        return dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise InvalidArgument(
            f"{option} must be a time such as 2026-11-22T08:00:00, not {text!r}"
        ) from None
