"""Names of workers: `name@host`, and the formats in which they are written."""

from __future__ import annotations

import re
import socket
from typing import Final

DEFAULT_NAME: Final = "worker"
_FORMAT: Final = re.compile("%(.)")


def host_name() -> str:
    """This machine's name."""
    return socket.gethostname()


def expand(text: str, node: str = "", **more: str) -> str:
    """Fills in `%h` (host), `%n` (the node's name, or the host's first part), `%d` (the rest of the host) and `%%`.

    `%i` and `%I` are the number of a process of a pool in Celery; here these share the files of their worker.

    Args:
        text: The format.
        node: The node's own name, for formats of files: then `%n` is its part before "@".
        **more: Other letters.
    """
    if "%" not in text:
        return text
    host = node.partition("@")[2] or host_name()
    first, _, domain = host.partition(".")
    name = node.partition("@")[0] or first
    known = {"h": host, "n": name, "d": domain, "%": "%", "i": "0", "I": "", **more}
    return _FORMAT.sub(lambda found: known.get(found[1], found[0]), text)


def node_name(name: str) -> str:
    """The full name of a worker: "w1" becomes "w1@host", nothing "worker@host"."""
    if "@" not in name:
        name = f"{name or DEFAULT_NAME}@%h"
    elif name.startswith("@"):
        name = DEFAULT_NAME + name
    return expand(name)
