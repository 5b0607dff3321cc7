"""Stamps: values by name that a canvas puts on its tasks, to find and to revoke them by."""

from __future__ import annotations

import copy
from abc import ABCMeta, abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from millrace.canvas.signature import Signature

STAMPED = "stamped_headers"
"""The option that lists which of the other options are stamps."""


class StampingVisitor(metaclass=ABCMeta):
    """Decides what each part of a canvas is stamped with: `canvas.stamp(visitor)`.

    Each method answers the stamps for the part it is called with, as a mapping. If that has a key `stamped_headers`,
    only the keys named there are stamps; the others become options.
    """

    @abstractmethod
    def on_signature(self, sig: Signature[Any], **headers: Any) -> dict[str, Any]:
        """Called for each task; `headers` are the stamps that it has so far."""

    def on_group_start(self, group: Any, **headers: Any) -> dict[str, Any]:
        """Called before the tasks of a group; the answer is for all of them."""
        del group, headers
        return {}

    def on_group_end(self, group: Any, **headers: Any) -> None:
        """Called after the tasks of a group."""
        del group, headers

    def on_chain_start(self, chain: Any, **headers: Any) -> dict[str, Any]:
        """Called before the tasks of a chain; the answer is for all of them."""
        del chain, headers
        return {}

    def on_chain_end(self, chain: Any, **headers: Any) -> None:
        """Called after the tasks of a chain."""
        del chain, headers

    def on_chord_header_start(self, sig: Any, **header: Any) -> dict[str, Any]:
        """Called before the header of a chord, which is a group to `on_group_start` unless this is overridden."""
        from millrace.canvas.groups import group

        if not isinstance(sig.tasks, group):
            sig.tasks = group(sig.tasks)
        return self.on_group_start(sig.tasks, **header)

    def on_chord_header_end(self, sig: Any, **header: Any) -> None:
        """Called after the header of a chord."""
        self.on_group_end(sig.tasks, **header)

    def on_chord_body(self, sig: Any, **header: Any) -> dict[str, Any]:
        """Called for a chord before its body; the answer is for the body."""
        del sig, header
        return {}

    def on_callback(self, callback: Signature[Any], **header: Any) -> dict[str, Any]:
        """Called for each callback that is linked to a part."""
        del callback, header
        return {}

    def on_errback(self, errback: Signature[Any], **header: Any) -> dict[str, Any]:
        """Called for each errback that is linked to a part."""
        del errback, header
        return {}


def several(value: Any) -> list[Any]:
    """A list of one value, or of the values that were given."""
    if value is None:
        return []
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping):
        return list(value)
    return [value]


def merged(first: Mapping[str, Any], second: Mapping[str, Any], *, append: bool) -> dict[str, Any]:
    """Two sets of stamps as one. Of a stamp that both have the second counts, or with `append` both do, in a list."""
    made = dict(first)
    for key, value in second.items():
        if key not in made:
            made[key] = copy.copy(value) if isinstance(value, list) else value
        elif key == STAMPED or append:
            joined = several(made[key]) + several(value)
            made[key] = list(dict.fromkeys(joined)) if key == STAMPED else joined
        else:
            made[key] = value
    return made


def listed(stamps: Mapping[str, Any] | None) -> dict[str, Any]:
    """Stamps with the list of their names."""
    made = dict(stamps or {})
    if STAMPED not in made:
        made[STAMPED] = list(made)
    else:
        made[STAMPED] = list(dict.fromkeys(several(made[STAMPED])))
    return made


def collect(
    headers: Mapping[str, Any],
    visited: Mapping[str, Any] | None,
    own: Mapping[str, Any] | None,
    *,
    append: bool,
) -> dict[str, Any]:
    """The stamps of a part: those that come from above, the visitor's answer, and those that it has already.

    Stamps that it has are kept: stamping again does not take them away, unless the name is the same.
    """
    made = listed(headers)
    if visited is not None:
        made = merged(made, listed(visited), append=append)
    if own:
        kept = {key: own[key] for key in several(own.get(STAMPED)) if key in own}
        kept[STAMPED] = several(own.get(STAMPED))
        made = merged(kept, made, append=append)
    return made


def stamp_links(
    sig: Signature[Any], visitor: StampingVisitor | None, append: bool, headers: Mapping[str, Any]
) -> None:
    """Stamps the callbacks and errbacks of a part."""
    from millrace.canvas.signature import maybe_signature

    for option, visit in (("link", "on_callback"), ("link_error", "on_errback")):
        stamped = []
        for each in several(sig.options.get(option)):
            link = maybe_signature(each, app=sig._app)
            visited = None
            if visitor is not None:
                visited = getattr(visitor, visit)(link, **headers) or {}
            link.stamp(visitor, append, **collect(headers, visited, None, append=append))
            stamped.append(link)
        if stamped:
            sig.options[option] = stamped
