"""Options that an application adds to the command line, and the signal that tells it what was given.

    from millrace.cli.user_options import Option  # click's own does as well

    app.user_options["worker"].add(Option("--site", default="main", help="which of our sites"))
    app.user_options["preload"].add(Option("-Z", "--template", default="plain"))  # of every verb

    @signals.user_preload_options.connect
    def choose(options, **kwargs):
        use_template(options["template"])

Those of "worker" are among the `options` of the signal `celeryd_init`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from millrace.cli.common import Common, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from millrace.app import Millrace

PRELOAD: Final = "preload"


class Option:
    """An option of your own, with the arguments of `click.Option` that matter here.

    Args:
        *names: "-Z", "--template": the first long one is its name; or one sequence of them.
        default: Its value if it is not given.
        help: For `--help`.
        is_flag: Whether it takes no value: true if given.
        type: Makes a value of the text.
        multiple: Whether it may be repeated: its value is a list.
    """

    def __init__(
        self,
        *names: str | Sequence[str],
        default: Any = None,
        help: str | None = None,  # noqa: A002 - click's name
        is_flag: bool = False,
        type: Callable[[str], Any] = str,  # noqa: A002 - click's name
        multiple: bool = False,
    ) -> None:
        self.opts = [each for name in names for each in ([name] if isinstance(name, str) else name)]
        if not self.opts or any(not each.startswith("-") for each in self.opts):
            raise ValueError(f"names must begin with '-', such as '--template', not {names!r}")
        longest = max(self.opts, key=lambda each: each.startswith("--"))
        self.name = longest.lstrip("-").replace("-", "_")
        self.default = default
        self.help = help
        self.is_flag = is_flag
        self.type = type
        self.multiple = multiple


def parse_with_own(
    parser: ArgumentParser, verb: str | None, rest: Sequence[str], app: Millrace
) -> Namespace:
    """The arguments of a verb with what its application adds."""
    subparsers = next(
        each for each in parser._actions if isinstance(each, argparse._SubParsersAction)
    )
    verbs = subparsers.choices
    if verb in verbs:
        for option in options_of(app, verb):
            _add(verbs[verb], option)
    return parser.parse_args(rest)


def options_of(app: Millrace, verb: str | None) -> list[Any]:
    """What an application has added to a verb, in the order of their names."""
    own = app.user_options
    found = [*own.get(verb or "", ()), *own.get(PRELOAD, ())]
    for each in found:
        if not getattr(each, "opts", None):
            raise UsageError(f"app.user_options must hold options, not {each!r}")
    return sorted(found, key=lambda option: option.opts)


def values(app: Millrace, name: str, args: Namespace | None) -> dict[str, Any]:
    """What was given for the options of a verb, or for the preload options."""
    return {
        option.name: getattr(args, option.name, _default(option))
        for option in app.user_options.get(name, ())
        if getattr(option, "opts", None)
    }


def tell(app: Millrace, common: Common) -> None:
    """Tells the application what was given for its preload options, once."""
    if common.told or not app.user_options.get(PRELOAD):
        return
    common.told = True
    from millrace.signals import user_preload_options

    given = values(app, PRELOAD, common.args)
    user_preload_options.send(sender=common.verb, app=app, options=given)


def _add(parser: ArgumentParser, option: Any) -> None:
    more: dict[str, Any] = {"dest": option.name, "default": _default(option), "help": option.help}
    if option.is_flag:
        more["action"] = "store_true"
    else:
        more["type"] = _type(option)
        if option.multiple:
            more["action"] = "append"
    try:
        parser.add_argument(*option.opts, **more)
        for name in getattr(option, "secondary_opts", ()):
            parser.add_argument(name, dest=option.name, action="store_false")
    except argparse.ArgumentError as error:
        raise UsageError(f"an option of the application: {error}") from None


def _default(option: Any) -> Any:
    default = option.default
    if callable(default):
        default = default()
    if "UNSET" in repr(default):  # click's own word for nothing
        default = None
    return bool(default) if option.is_flag else default


def _type(option: Any) -> Callable[[str], Any]:
    convert = getattr(option.type, "convert", None)

    def parse(text: str) -> Any:
        try:
            return option.type(text) if convert is None else convert(text, option, None)
        except Exception as error:  # noqa: BLE001 - whatever it is, the text is not what is wanted
            said = getattr(error, "message", None) or str(error) or type(error).__name__
            raise argparse.ArgumentTypeError(said) from None

    return parse
