"""What `a | b` makes of its two sides."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from millrace.canvas.signature import Signature, maybe_signature


def kind_of(sig: Any) -> str | None:
    """Which kind of canvas it is: "chain", "group", "chord" and so on; None for a task."""
    return sig.get("subtask_type") if isinstance(sig, dict) else None


def unrolled(sig: Any) -> Any:
    """The only task of a group that has one; anything else as it is."""
    if kind_of(sig) == "group":
        members = list(itertools.islice(sig.unrolled(), 2))
        if len(members) == 1:
            return members[0]
    return sig


def joined(left: Any, right: Any) -> Any:
    """The canvas in which `right` follows `left`."""
    from millrace.canvas.chains import chain
    from millrace.canvas.chords import chord

    if not isinstance(right, Signature):
        return NotImplemented
    if kind_of(left) == "group":
        return chord(left, body=right, app=left._app)
    right = unrolled(right)
    if kind_of(left) == "chain":
        if kind_of(right) == "group" and not left.tasks:
            return right
        return _chain_of([*left.unchain_tasks()], right, left._app)
    if kind_of(left) == "chord" and kind_of(right) not in ("group", "chain"):
        made = left.clone()
        made.body = right if made.body is None else made.body | right
        return made
    following = right.unchain_tasks() if kind_of(right) == "chain" else [right]
    return chain._of([left, *following], app=left._app)


def folded(tasks: Iterable[Any], app: Any = None) -> Any:
    """The canvas in which each follows the one before: `a | b | c`, without a copy of everything for each step."""
    from millrace.canvas.chains import chain
    from millrace.canvas.chords import chord

    steps: list[Any] = []
    given = [maybe_signature(each, app=app) for each in tasks]
    for position, sig in enumerate(given):
        each = unrolled(sig)
        if position == 1 and each is not sig and _is_group(steps[:1]) and _is_group(given[:1]):
            # As `group(a, b) | group(c)`: a group of one that follows it still answers a list.
            steps = [chord(steps[0], sig, app=sig._app)]
            continue
        _add_step(steps, each)
    return chain._of(steps, app=app)


def _is_group(first: list[Any]) -> bool:
    return bool(first) and kind_of(first[0]) == "group"


def _chain_of(steps: list[Any], right: Any, app: Any) -> Any:
    from millrace.canvas.chains import chain

    _add_step(steps, right)
    return chain._of(steps, app=app)


def _add_step(steps: list[Any], sig: Any) -> None:
    from millrace.canvas.chords import chord

    sig = unrolled(sig)
    kind = kind_of(sig)
    if kind == "chain":
        for each in sig.unchain_tasks():
            _add_step(steps, each)
        return
    last = kind_of(steps[-1]) if steps else None
    if last == "group" and kind != "group":
        steps[-1] = chord(steps[-1], sig, app=sig._app)
        if len(steps) > 1 and kind_of(steps[-2]) == "chord":
            body = steps.pop()
            steps[-1] = _with_body(steps[-1], body)
    elif last == "chord" and kind != "chord":
        steps[-1] = _with_body(steps[-1], sig)
    else:
        steps.append(sig)


def _with_body(before: Any, sig: Any) -> Any:
    made = before.clone()
    made.body = sig if made.body is None else joined(made.body, sig)
    return made
