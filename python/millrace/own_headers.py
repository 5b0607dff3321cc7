"""Headers: what a producer says beside the arguments, and what Millrace says so itself.

A header is a str, which every language reads. Other values of Python producers travel as JSON text; their names are in
the header `x-millrace-json`. See `millrace.headers` for those of canvases.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from millrace import _core

PREFIX: Final = "x-millrace-"
IGNORE_RESULT: Final = "x-millrace-ignore-result"
JSON: Final = "x-millrace-json"
REPLY_TO: Final = "x-millrace-reply-to"
RETRIES: Final = "x-millrace-retries"
SHADOW: Final = "x-millrace-shadow"


def write_headers(given: Mapping[str, Any]) -> dict[str, str]:
    """Headers as they travel. Raises TypeError for a value that is not JSON."""
    made: dict[str, str] = {}
    as_json: list[str] = []
    for name, value in given.items():
        if isinstance(value, str):
            made[name] = value
            continue
        try:
            made[name] = _core.dumps(value)
        except (TypeError, ValueError) as error:
            raise type(error)(f"headers[{name!r}]: {error}") from None
        as_json.append(name)
    if as_json:
        made[JSON] = _core.dumps(as_json)
    return made


def read_headers(travelled: dict[str, Any]) -> dict[str, Any]:
    """The same as the producer gave them, without Millrace's own."""
    names = travelled.get(JSON)
    made = {name: value for name, value in travelled.items() if not name.startswith(PREFIX)}
    if names:
        from millrace.serializer import loads

        for name in loads(names):
            if name in made:
                made[name] = loads(made[name])
    return made
