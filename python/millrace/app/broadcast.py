"""Commands on their way to workers, and their replies on the way back."""

from __future__ import annotations

import fnmatch
import re
import select
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from millrace import _core, serializer
from millrace.errors import InvalidArgument, MillraceError
from millrace.worker.node import DEFAULT_NAME

_ENDINGS: Final = ("completed", "failed", "cancelled")
_FINISHED: Final = frozenset(_ENDINGS)
_KEEP_MS: Final = 60_000
_EXPIRY_LEAST_MS: Final = 5_000
_CELERY_NAME: Final = "celery@"

Replies = list[dict[str, Any]]


def flatten_reply(replies: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One dictionary of replies, by node name; warns of names that several workers have."""
    from millrace.exceptions import DuplicateNodenameWarning

    nodes: dict[str, Any] = {}
    twice = set()
    for reply in replies:
        twice |= nodes.keys() & reply.keys()
        nodes.update(reply)
    if twice:
        warnings.warn(
            DuplicateNodenameWarning(
                f"several workers are called {', '.join(sorted(twice))}: give each a name of its own with -n"
            ),
            stacklevel=2,
        )
    return nodes


def matches(name: str, pattern: str, matcher: str | Callable[[str, str], bool] | None) -> bool:
    """Whether a node is meant by a pattern."""
    if callable(matcher):
        return bool(matcher(name, pattern))
    if matcher in {None, "glob"}:
        return fnmatch.fnmatchcase(name, pattern)
    if matcher in {"pcre", "regex"}:
        return re.match(pattern, name) is not None
    raise InvalidArgument(f"matcher must be glob, pcre or a function, not {matcher!r}")


def is_meant(name: str, destination: Sequence[str]) -> bool:
    """Whether a node is among these."""
    # Scripts ask for "celery@host": here that is the worker without a name of its own, too.
    by_celery = _CELERY_NAME + name.removeprefix(f"{DEFAULT_NAME}@")
    return name in destination or (name.startswith(f"{DEFAULT_NAME}@") and by_celery in destination)


def command_job(
    queue: str, command: str, arguments: Mapping[str, Any], timeout_ms: int
) -> _core.JobSpec:
    """A command as a job that expires when nobody waits for it any more."""
    try:
        data = serializer.dumps(arguments)
    except TypeError as error:
        raise TypeError(f"{command}: argument {error}") from None
    return _core.JobSpec(
        queue,
        command,
        data=data,
        expires_in_ms=max(timeout_ms, _EXPIRY_LEAST_MS),
        keep_completed=(_KEEP_MS, -1),
        keep_failed=(_KEEP_MS, -1),
    )


class Gathering:
    """Sends commands and waits for their replies, in whatever order these come."""

    def __init__(
        self,
        engine: _core.Engine,
        nodes: list[tuple[str, str]],
        callback: Callable[[dict[str, Any]], Any] | None,
    ) -> None:
        self._engine = engine
        self._nodes = nodes
        self._callback = callback
        self._notifier = _core.Notifier()
        # Before the commands: no end is missed.
        self._subscriptions = [
            engine.subscribe(queue, types=_ENDINGS, notifier=self._notifier) for _, queue in nodes
        ]

    def close(self) -> None:
        """Forgets what has not come."""
        for each in self._subscriptions:
            each.close()

    def run(self, specs: list[_core.JobSpec], timeout_ms: int, enough: int) -> Replies:
        """Sends the commands; answers the replies that have come when there are enough or the time is over."""
        if not specs:
            return []
        ids = self._engine.enqueue(specs, durability="process").ids()
        pending = dict(zip(ids, self._nodes, strict=True))
        deadline = None if timeout_ms < 0 else time.monotonic() + timeout_ms / 1000
        replies: Replies = []
        while True:
            self._notifier.clear()
            for each in self._subscriptions:
                while each.next(0)[0]:
                    pass
            replies += self._answered(pending, enough - len(replies))
            left = None if deadline is None else deadline - time.monotonic()
            if not pending or len(replies) >= enough or (left is not None and left <= 0):
                return replies
            select.select([self._notifier.fileno()], [], [], left)

    def _answered(self, pending: dict[str, tuple[str, str]], enough: int) -> Replies:
        replies: Replies = []
        for job_id, (name, queue) in list(pending.items()):
            if len(replies) >= enough:
                break
            try:
                outcome = self._engine.get_outcome(job_id, queue)
            except MillraceError:
                del pending[job_id]
                continue
            if outcome.state not in _FINISHED:
                continue
            del pending[job_id]
            if outcome.state != "completed" or not isinstance(outcome.result, str):
                continue
            reply = {name: serializer.loads(outcome.result)}
            replies.append(reply)
            if self._callback is not None:
                self._callback(reply)
        return replies
