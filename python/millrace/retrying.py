"""A retry with other arguments or options than before: another job that takes the place of this one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from millrace import _core, options
from millrace.own_headers import RETRIES

if TYPE_CHECKING:
    from millrace.errors import Retry
    from millrace.task import Task


def change_call(
    task: Task[..., Any],
    retry: Retry,
    args: Sequence[Any] | None,
    kwargs: Mapping[str, Any] | None,
    given: dict[str, Any],
) -> None:
    """Has a retry be a job of its own, with these arguments and options, and what is left of the retries."""
    request = task.request
    call = (
        tuple(request.args) if args is None else args,
        dict(request.kwargs) if kwargs is None else kwargs,
    )
    retry.call = call
    if request.is_eager:
        return
    given.setdefault("queue", request.queue)
    given.setdefault("priority", request.priority)
    given.setdefault("headers", request.headers)
    spec = task.prepare(*call, **given).spec
    retries = request.retries + 1
    bound = task.max_retries if retry.max_retries is None else retry.max_retries
    left = None if bound is None else max(0, bound - retries)
    policy = task.retry_policy(left) if left is not None else task.policy
    delay_ms = retry.delay_ms
    if delay_ms is None:
        delay_ms = _backoff_ms(task, retries)
    headers = {**_kept(request.place), **(json.loads(spec.headers) if spec.headers else {})}
    headers[RETRIES] = str(retries)
    retry.jobs = [spec.replace(headers=_core.dumps(headers), retry=policy, delay_ms=delay_ms)]


def _kept(place: Any) -> dict[str, str]:
    """What the new job says of its place in a canvas: that of the old one, but it takes no more results."""
    made: dict[str, str] = place.fields()
    for name in ("millrace-after", "millrace-immutable"):
        made.pop(name, None)
    return made


def _backoff_ms(task: Task[..., Any], retries: int) -> int:
    """The delay by the task's policy, as the store would draw it."""
    if task.retry_backoff is False:
        return options.to_ms("default_retry_delay", task.default_retry_delay)
    factor = 1 if task.retry_backoff is True else task.retry_backoff
    most_ms = options.to_ms("retry_backoff_max", task.retry_backoff_max)
    delay_ms: int = min(most_ms, options.to_ms("retry_backoff", factor) * 2 ** min(retries - 1, 40))
    if task.retry_jitter:
        import random

        delay_ms = random.randrange(delay_ms + 1)  # noqa: S311 - spreads load, guards nothing
    return delay_ms
